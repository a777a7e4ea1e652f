import { describe, expect, test } from "vitest";
import type { CoordinatorMessage, Hello, Numbered, ParticipantMessage } from "../../../src/commit/core/messages.ts";
import { outgoingCountMax, rivalCalmMs } from "../../../src/commit/limits.ts";
import { noMetrics } from "../../../src/commit/metrics.ts";
import { createSessions, type Session } from "../../../src/commit/sessions.ts";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { flush, id, silent, tx, virtualClock } from "./support.ts";

const prepare = (transactionId: string, nowMs: number) => ({
  type: "prepare" as const,
  transactionId: tx(transactionId),
  attempt: 1,
  payload: new Uint8Array(),
  deadlineMs: nowMs + 5_000,
  onePhase: false,
  coordinatorEpoch: 1,
});

const decision = (transactionId: string) => ({
  type: "decision" as const,
  transactionId: tx(transactionId),
  outcome: "aborted" as const,
  coordinatorEpoch: 1,
  inReply: false,
});

async function world(options: Partial<Parameters<typeof createSessions>[0]> = {}) {
  const clock = virtualClock();
  const log = createMemoryDecisionLog();
  const sessions = createSessions({ log, clock, logger: silent, ...options });
  const claimed = await log.claim("c");
  if (!claimed.ok) throw new Error("not claimed");
  const events: string[] = [];
  /** As long as a log is read for what was said. */
  const handling: { until?: Promise<void> } = {};
  const start = () =>
    sessions.start(claimed.value, {
      connected: async (participantId, inDoubt) => void events.push(`connected ${participantId} [${inDoubt}]`),
      disconnected: (participantId) => events.push(`disconnected ${participantId}`),
      nacked: (participantId, transactionId, reason) => events.push(`nack ${participantId} ${transactionId}: ${reason}`),
      message: (participantId, message, refuse) => {
        events.push(`${message.type} ${participantId}`);
        if (message.type === "inquiry") refuse("why not");
        return handling.until;
      },
    });

  /** A stream with all that came out of it. */
  function open() {
    const session = sessions.open("peer");
    const received: CoordinatorMessage[] = [];
    void (async () => {
      for await (const { message } of session.outgoing) received.push(message);
    })();
    let sequence = 0;
    const say = async (message: ParticipantMessage): Promise<void> => {
      await session.receive({ sequence: ++sequence, message });
      await flush();
    };
    const types = () => received.map(({ type }) => type);
    return { session, received, say, types };
  }

  const hello = (change: Partial<Hello> = {}): Hello => ({
    type: "hello",
    participantId: id("a"),
    instanceId: "i",
    versionMin: 1,
    versionMax: 1,
    inDoubt: [],
    prepareCredit: 2,
    ...change,
  });

  return { clock, log, sessions, events, start, open, hello, handling };
}

describe("Welcome", () => {
  test("lists the claims of the log; who has seen a newer one is told of once, and counted", async () => {
    const errors: object[] = [];
    const counted: string[] = [];
    const w = await world({
      logger: { ...silent, error: (fields, message) => void errors.push({ ...fields, message }) },
      metrics: { ...noMetrics, newerLogSeen: () => void counted.push("newer log seen") },
    });
    w.start();
    const claimSeen = { epoch: 1, id: "other" };
    for (let i = 0; i < 2; i += 1) {
      const stream = w.open();
      await stream.say(w.hello());
      expect(stream.received[0]).toMatchObject({ coordinatorEpoch: 1, claims: [{ epoch: 1, id: expect.any(String) }] });
      await stream.say({ type: "nack", sequence: 1, reason: "not believed", claimSeen });
    }
    const message = "a participant has seen a newer decision log: this one was restored from an older copy, or is another one";
    expect(errors).toMatchObject([{ message, participant: "a", claimSeen, coordinatorId: "c", coordinatorEpoch: 1 }]);
    expect(counted).toHaveLength(2);
    expect([...w.sessions.unbelieving]).toEqual(["a"]);
    await w.sessions.forget([id("a")], 1);
    const back = w.open();
    await back.say(w.hello());
    await back.say({ type: "nack", sequence: 1, reason: "not believed", claimSeen });
    expect(errors).toHaveLength(2);
  });

  test("who believes after all, is among those that do not until it beats", async () => {
    const w = await world();
    w.start();
    const first = w.open();
    await first.say(w.hello());
    await first.say({ type: "nack", sequence: 1, reason: "not believed", claimSeen: { epoch: 1, id: "other" } });
    const second = w.open();
    await second.say(w.hello());
    expect([...w.sessions.unbelieving]).toEqual(["a"]);
    await second.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 1 });
    expect([...w.sessions.unbelieving]).toEqual([]);
  });
});

describe("what a participant repeats is logged once a minute, with how often it was", () => {
  const logged = async () => {
    const lines: { readonly message: string; readonly leftOut?: number }[] = [];
    const w = await world({ logger: { ...silent, warn: (fields, message) => void lines.push({ ...fields, message }) } });
    w.start();
    return { ...w, lines };
  };

  test("inquiries of another coordinator's promise", async () => {
    const w = await logged();
    const stream = w.open();
    await stream.say(w.hello());
    const ask = () => stream.say({ type: "inquiry", transactionId: tx("t"), coordinatorId: "other" });
    for (let i = 0; i < 100; i += 1) await ask();
    expect(stream.types().filter((type) => type === "nack")).toHaveLength(100);
    expect(w.lines).toMatchObject([{ message: "message refused", participant: "a", kind: "inquiry" }]);
    for (let i = 0; i < 12; i += 1) {
      await w.clock.advance(5_000);
      await stream.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 0 });
    }
    await ask();
    expect(w.lines.slice(1)).toMatchObject([{ message: "message refused", participant: "a", leftOut: 99 }]);
  });

  test("Nacks", async () => {
    const w = await logged();
    const stream = w.open();
    await stream.say(w.hello());
    for (let i = 0; i < 100; i += 1) await stream.say({ type: "nack", sequence: 1, reason: "no" });
    expect(w.lines).toMatchObject([{ message: "participant refused a message", participant: "a" }]);
  });

  test("Hellos of a participant id that another process has, or with another coordinator's promises", async () => {
    const w = await logged();
    await w.open().say(w.hello());
    const inDoubt = [{ transactionId: tx("t"), coordinatorId: "other" }];
    for (let i = 0; i < 100; i += 1) void w.open().say(w.hello({ instanceId: `i${i}`, inDoubt }));
    await w.clock.advance(5_000);
    expect(w.sessions.connected).toEqual(new Set(["a"]));
    expect(w.lines.map(({ message }) => message)).toEqual([
      "two processes use this participant id",
      "the participant is in doubt about transactions of another coordinator, which are not answered here",
    ]);
  });
});

describe("Hello", () => {
  test("opens a session, durable before Welcome", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello({ inDoubt: [{ transactionId: tx("t1"), coordinatorId: "c" }] }));
    expect(stream.received[0]).toMatchObject({ type: "welcome", sessionEpoch: 1, coordinatorId: "c", coordinatorEpoch: 1 });
    expect(w.events).toEqual(["connected a [t1]"]);
    // specs/TwoPhaseCommit.tla: StrangerAnswers
    const stranger = w.open();
    const promised = (name: string, coordinatorId: string) => ({ transactionId: tx(name), coordinatorId });
    await stranger.say(w.hello({ participantId: id("b"), inDoubt: [promised("t2", "other"), promised("t3", "c")] }));
    expect(w.events.at(-1)).toBe("connected b [t3]");
    const [known] = await w.sessions.list({ afterId: undefined, limit: 10 });
    expect(known).toMatchObject({ participantId: "a", connected: true, peer: "peer", prepareCredit: 2, sessionEpoch: 1 });
  });

  // A coordinator that was killed would give the same epoch again, to another process of this id.
  test("is not answered before its session is durable, and nobody hears of it", async () => {
    const w = await world();
    w.start();
    const { openSession } = w.log;
    const gate = Promise.withResolvers<void>();
    w.log.openSession = (...parameters) => gate.promise.then(() => openSession(...parameters));
    const stream = w.open();
    const said = stream.say(w.hello());
    await flush();
    expect([stream.types(), w.events, [...w.sessions.connected]]).toEqual([[], [], []]);
    gate.resolve();
    await said;
    expect([stream.types(), [...w.sessions.connected]]).toEqual([["welcome"], ["a"]]);
  });

  test("must come first, soon, once, in a known version, to a coordinator that is ready", async () => {
    const w = await world();
    const early = w.open();
    await early.say(w.hello());
    expect([early.session.end?.reason, w.clock.timerCount]).toEqual(["SHUTTING_DOWN", 0]);
    w.start();
    const mute = w.open();
    await w.clock.advance(10_000);
    expect(mute.session.end?.reason).toBe("SESSION_TIMEOUT");
    const rude = w.open();
    const violations = [{ field: "hello.participant_id", description: "must not be empty" }];
    await rude.say({ type: "unreadable", reason: "hello.participant_id: must not be empty", violations });
    expect(rude.session.end).toMatchObject({ reason: "INVALID_REQUEST", violations });
    const unknown = w.open();
    await unknown.say({ type: "unreadable", reason: "the kind of this message is unknown" });
    expect(unknown.session.end?.reason).toBe("PROTOCOL_VIOLATION");
    const twice = w.open();
    await twice.say(w.hello());
    await twice.say(w.hello());
    expect(twice.session.end?.reason).toBe("PROTOCOL_VIOLATION");
    await twice.say(w.hello());
    const old = w.open();
    await old.say(w.hello({ versionMin: 2, versionMax: 3 }));
    expect(old.session.end?.reason).toBe("PROTOCOL_VERSION");
    expect(w.events).toEqual(["connected a []", "disconnected a"]);
  });

  // specs/TwoPhaseCommit.tla: PartRecover
  test("the newest wins, and the older is not heard any more", async () => {
    const w = await world();
    w.start();
    const [older, newer] = [w.open(), w.open()];
    await older.say(w.hello());
    await newer.say(w.hello());
    expect(older.session.end?.reason).toBe("SESSION_SUPERSEDED");
    await older.say({ type: "inquiry", transactionId: tx("t1"), coordinatorId: "c" });
    older.session.disconnect();
    expect(w.events).toEqual(["connected a []", "connected a []"]);
    expect(w.sessions.connected.has(id("a"))).toBe(true);
  });

  test("of two processes that fight for one id is answered later each time, while the other goes on; until they are calm", async () => {
    const w = await world();
    w.start();
    const rival = (instanceId: string) => {
      const stream = w.open();
      void stream.say(w.hello({ instanceId }));
      return stream;
    };
    const pausesMs: number[] = [];
    let holder = rival("i0");
    await flush();
    for (let count = 1; count <= 6; count += 1) {
      const next = rival(`i${count % 2}`);
      await flush();
      const startMs = w.clock.nowMs();
      while (!next.types().includes("welcome")) {
        expect(holder.session.end).toBeUndefined();
        await w.clock.advance(500);
      }
      pausesMs.push(w.clock.nowMs() - startMs);
      expect(holder.session.end?.reason).toBe("SESSION_SUPERSEDED");
      holder = next;
    }
    expect(pausesMs).toEqual([0, 0, 1_000, 2_000, 4_000, 5_000]);
    // One that gives up while it waits is forgotten; its own reconnect is not held up.
    const gone = rival("i1");
    gone.session.disconnect();
    await w.clock.advance(5_000);
    expect(gone.types()).toEqual([]);
    const same = rival("i0");
    await flush();
    expect(same.types()).toEqual(["welcome"]);
    // Heartbeats of a live participant.
    for (let ms = 0; ms < rivalCalmMs; ms += 5_000) {
      await same.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 0 });
      await w.clock.advance(5_000);
    }
    const calm = rival("i1");
    await flush();
    expect(calm.types()).toEqual(["welcome"]);
  });

  test("that became durable before a newer one, and is answered after it, loses", async () => {
    const w = await world();
    w.start();
    const openSession = w.log.openSession;
    const gate = Promise.withResolvers<void>();
    w.log.openSession = async (...parameters) => {
      const opened = await openSession(...parameters);
      await gate.promise;
      return opened;
    };
    const [older, newer] = [w.open(), w.open()];
    const waiting = older.say(w.hello());
    await flush();
    w.log.openSession = openSession;
    await newer.say(w.hello());
    gate.resolve();
    await waiting;
    expect([older.session.end?.reason, newer.session.end]).toEqual(["SESSION_SUPERSEDED", undefined]);
  });

  test("fails if it cannot be made durable", async () => {
    const w = await world();
    w.start();
    const openSession = w.log.openSession;
    w.log.openSession = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
    const full = w.open();
    await full.say(w.hello());
    expect(full.session.end?.reason).toBe("STORAGE_UNAVAILABLE");
    w.log.openSession = openSession;
    await w.log.claim("c");
    const replaced = w.open();
    await replaced.say(w.hello());
    expect(replaced.session.end).toMatchObject({ reason: "COORDINATOR_FENCED", metadata: { coordinator_epoch: "2" } });
    const gone = w.open();
    const waiting = gone.session.receive({ sequence: 1, message: w.hello() });
    gone.session.disconnect();
    await waiting;
    expect(gone.received).toEqual([]);
  });
});

test("what waits to be handled keeps the next message of its stream waiting", async () => {
  const w = await world();
  w.start();
  const { session, say } = w.open();
  await say(w.hello());
  const { promise, resolve } = Promise.withResolvers<void>();
  w.handling.until = promise;
  let isTaken = false;
  const ack = { type: "decision-ack", transactionId: tx("t1"), outcome: "committed", reason: "" } as const;
  const taken = session.receive({ sequence: 2, message: ack }).then(() => {
    isTaken = true;
  });
  await flush();
  expect([w.events.at(-1), isTaken]).toEqual(["decision-ack a", false]);
  resolve();
  await taken;
});

describe("credit", () => {
  test("limits Prepares, never Decisions", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello({ prepareCredit: 1 }));
    for (const name of ["t1", "t2", "t3"]) w.sessions.send(id("a"), prepare(name, w.clock.nowMs()));
    w.sessions.send(id("a"), decision("t9"));
    await flush();
    expect(stream.types()).toEqual(["welcome", "prepare", "decision"]);
    const left = async () => (await w.sessions.find(id("a")))?.prepareCredit;
    expect(await left()).toBe(0);
    await w.clock.advance(1_000);
    await stream.say({ type: "vote", transactionId: tx("t1"), attempt: 1, value: "commit", reason: "" });
    expect(stream.received.at(-1)).toMatchObject({ type: "prepare", transactionId: "t2", voteWithinMs: 4_000 });
    await stream.say({ type: "credit", prepares: 1 });
    expect(stream.received.at(-1)).toMatchObject({ type: "prepare", transactionId: "t3" });
    await stream.say({ type: "credit", prepares: 3 });
    expect(await left()).toBe(3);
    // Whatever it says, it is heard.
    expect((await w.sessions.find(id("a")))?.lastSeenAtMs).toBe(w.clock.nowMs());
  });

  test("is given back by a Nack of the Prepare", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello({ prepareCredit: 1 }));
    for (const name of ["t1", "t2"]) w.sessions.send(id("a"), prepare(name, w.clock.nowMs()));
    await stream.say({ type: "nack", sequence: 1, reason: "that was Welcome" });
    expect(stream.types()).toEqual(["welcome", "prepare"]);
    await stream.say({ type: "nack", sequence: 2, reason: "too old" });
    expect(stream.received.at(-1)).toMatchObject({ type: "prepare", transactionId: "t2" });
    expect(w.events.slice(1)).toEqual(["nack a t1: too old"]);
  });

  test("is given back by a one-phase acknowledgement too", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello({ prepareCredit: 1 }));
    for (const name of ["t1", "t2"]) w.sessions.send(id("a"), { ...prepare(name, w.clock.nowMs()), onePhase: true });
    await flush();
    expect(stream.types()).toEqual(["welcome", "prepare"]);
    await stream.say({ type: "decision-ack", transactionId: tx("t1"), outcome: "committed", reason: "" });
    expect(stream.received.at(-1)).toMatchObject({ type: "prepare", transactionId: "t2" });
  });

  test("names the transaction of a Nack, of a Decision too, until that is acknowledged", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello());
    for (const name of ["t1", "t2"]) w.sessions.send(id("a"), decision(name));
    await stream.say({ type: "decision-ack", transactionId: tx("t1"), outcome: "aborted", reason: "" });
    for (const sequence of [2, 3]) await stream.say({ type: "nack", sequence, reason: "no" });
    expect(w.events.slice(1)).toEqual(["decision-ack a", "nack a t2: no"]);
  });

  // The participant still works on it, and has promised room for no more.
  test("is not given back by a Decision, but by the answer to the Prepare that it has overtaken", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello({ prepareCredit: 1 }));
    w.sessions.send(id("a"), prepare("t1", w.clock.nowMs()));
    w.sessions.send(id("a"), decision("t1"));
    w.sessions.send(id("a"), prepare("t2", w.clock.nowMs()));
    await flush();
    expect(stream.types()).toEqual(["welcome", "prepare", "decision"]);
    await stream.say({ type: "vote", transactionId: tx("t1"), attempt: 1, value: "abort", reason: "it is over" });
    expect(stream.received.at(-1)).toMatchObject({ type: "prepare", transactionId: "t2" });
  });

  test("a Prepare that still waits is dropped when its transaction is decided", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello({ prepareCredit: 1 }));
    for (const name of ["t1", "t2"]) w.sessions.send(id("a"), prepare(name, w.clock.nowMs()));
    w.sessions.send(id("a"), decision("t2"));
    await stream.say({ type: "credit", prepares: 8 });
    expect(stream.types()).toEqual(["welcome", "prepare", "decision"]);
  });

  describe("while a payload is read", () => {
    /** Each is read until the test gives it. */
    async function reading() {
      const w = await world();
      const reads: PromiseWithResolvers<Uint8Array>[] = [];
      w.log.payload = () => {
        const read = Promise.withResolvers<Uint8Array>();
        reads.push(read);
        return read.promise;
      };
      w.start();
      const stream = w.open();
      await stream.say(w.hello({ prepareCredit: 1 }));
      const send = (name: string, attempt = 1) =>
        w.sessions.send(id("a"), { ...prepare(name, w.clock.nowMs()), payload: undefined, attempt });
      const give = async (payload: string | undefined) => {
        const read = reads.shift();
        if (payload === undefined) read?.reject(new Error("cannot be read"));
        else read?.resolve(Buffer.from(payload));
        await flush();
      };
      return { ...w, ...stream, send, give, reads };
    }

    test("it is taken, and given back if that fails", async () => {
      const w = await reading();
      for (const name of ["t1", "t2"]) w.send(name);
      expect(w.reads).toHaveLength(1);
      await w.give(undefined);
      await w.give("of t2");
      expect(w.received.slice(1)).toMatchObject([{ type: "prepare", transactionId: "t2", payload: Buffer.from("of t2") }]);
    });

    // A Prepare behind its Decision would begin the work anew.
    test("a decision drops the Prepare", async () => {
      const w = await reading();
      w.send("t1");
      w.sessions.send(id("a"), decision("t1"));
      await w.give("of t1");
      expect(w.types()).toEqual(["welcome", "decision"]);
    });

    test("a later attempt takes its place", async () => {
      const w = await reading();
      w.send("t1");
      await w.say({ type: "credit", prepares: 1 });
      w.send("t1", 2);
      await w.give("of the first");
      await w.give("of the second");
      expect(w.received.slice(1)).toMatchObject([{ type: "prepare", attempt: 2, payload: Buffer.from("of the second") }]);
    });
  });

  test("of a slow reader holds no more than its queue, and delays nobody else", async () => {
    const w = await world();
    w.start();
    const slow = w.sessions.open("slow");
    await slow.receive({ sequence: 1, message: w.hello({ participantId: id("slow") }) });
    const quick = w.open();
    await quick.say(w.hello());
    for (let i = 0; i < outgoingCountMax + 100; i += 1) w.sessions.send(id("slow"), decision(`t${i}`));
    w.sessions.send(id("slow"), prepare("last", w.clock.nowMs()));
    w.sessions.send(id("a"), decision("t1"));
    await flush();
    expect(quick.types()).toEqual(["welcome", "decision"]);
    const all: Numbered<CoordinatorMessage>[] = [];
    for await (const numbered of (slow satisfies Session).outgoing) {
      all.push(numbered);
      if (numbered.message.type === "prepare") break;
    }
    // It has waited for room, and is not dropped.
    expect([all.length, all.at(-1)?.sequence]).toEqual([outgoingCountMax + 1, outgoingCountMax + 1]);
  });
});

// Without it the participant's log lines and spans belong to no call.
test("each message has the origin that it was sent with, however long it waits, and wherever its payload lies", async () => {
  const w = await world();
  w.log.payload = async () => Buffer.from("stored");
  w.start();
  const session = w.sessions.open("peer");
  await session.receive({ sequence: 1, message: w.hello({ prepareCredit: 1 }) });
  const named = (requestId: string) => ({ requestId });
  const stored = { ...prepare("stored", w.clock.nowMs()), payload: undefined };
  w.sessions.send(id("a"), stored, named("of stored"));
  await flush();
  w.sessions.send(id("a"), prepare("held", w.clock.nowMs()), named("of held"));
  w.sessions.send(id("a"), decision("stored"), named("of the decision"));
  await session.receive({ sequence: 2, message: { type: "credit", prepares: 1 } });
  const told: unknown[] = [];
  for await (const { message, origin } of session.outgoing) {
    if (message.type !== "welcome") told.push([message.type, origin?.requestId]);
    if (told.length === 3) break;
  }
  expect(told).toEqual([
    ["prepare", "of stored"],
    ["decision", "of the decision"],
    ["prepare", "of held"],
  ]);
});

describe("a session", () => {
  test("beats, and ends after silence", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello());
    await w.clock.advance(10_000);
    await stream.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 1 });
    expect(stream.types()).toEqual(["welcome", "heartbeat", "heartbeat"]);
    expect(stream.received.at(-1)).toMatchObject({ lastSequenceSeen: 1 });
    await w.clock.advance(14_000);
    expect(stream.session.end).toBeUndefined();
    await w.clock.advance(5_000);
    expect(stream.session.end).toMatchObject({ reason: "SESSION_TIMEOUT", metadata: { participant_id: "a" } });
    expect(w.events.at(-1)).toBe("disconnected a");
    expect((await w.sessions.list({ afterId: undefined, limit: 1 }))[0]).toMatchObject({
      connected: false,
      prepareCredit: 0,
      peer: "",
    });
  });

  test("goes on when somebody sets the wall clock, ahead or back", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello());
    const mute = w.open();
    for (const ms of [60_000, -120_000]) {
      w.clock.setBy(ms);
      await w.clock.advance(5_000);
      expect([stream.session.end, stream.types().at(-1)]).toEqual([undefined, "heartbeat"]);
      await stream.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 0 });
    }
    expect(mute.session.end?.reason).toBe("SESSION_TIMEOUT");
    await w.clock.advance(15_000);
    expect(stream.session.end).toMatchObject({ reason: "SESSION_TIMEOUT", message: "nothing was heard for 15000 ms" });
  });

  test("is heard again after the coordinator itself was stopped, before it is called silent", async () => {
    const w = await world();
    w.start();
    const [living, dead] = [w.open(), w.open()];
    await living.say(w.hello());
    await dead.say(w.hello({ participantId: id("dead") }));
    const greeting = w.open();
    // SIGSTOP, SIGCONT: all timers are due, and nothing that came meanwhile is read yet.
    w.clock.stall(60_000);
    await w.clock.advance(0);
    expect([living, dead, greeting].map(({ session }) => session.end)).toEqual([undefined, undefined, undefined]);
    await living.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 0 });
    await greeting.say(w.hello({ participantId: id("late") }));
    await w.clock.advance(5_000);
    expect([living, dead, greeting].map(({ session }) => session.end?.reason)).toEqual([undefined, "SESSION_TIMEOUT", undefined]);
  });

  test("that waited long for its Welcome is not silent by then", async () => {
    const w = await world();
    w.start();
    const { openSession } = w.log;
    const gate = Promise.withResolvers<void>();
    w.log.openSession = (...parameters) => gate.promise.then(() => openSession(...parameters));
    const stream = w.open();
    void stream.say(w.hello());
    await w.clock.advance(60_000);
    gate.resolve();
    await w.clock.advance(5_000);
    expect([stream.session.end, stream.types()]).toEqual([undefined, ["welcome", "heartbeat"]]);
  });

  test("after Goodbye takes no new work, but hears decisions", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello());
    await stream.say({ type: "goodbye", reason: "maintenance" });
    expect(w.sessions.connected.has(id("a"))).toBe(false);
    w.sessions.send(id("a"), decision("t1"));
    await flush();
    expect(stream.types()).toEqual(["welcome", "decision"]);
  });

  test("answers what it cannot take with Nack", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello());
    await stream.say({ type: "unreadable", reason: "unknown kind" });
    await stream.say({ type: "inquiry", transactionId: tx("t1"), coordinatorId: "c" });
    expect(stream.received.slice(1)).toEqual([
      { type: "nack", sequence: 2, reason: "unknown kind" },
      { type: "nack", sequence: 3, reason: "why not" },
    ]);
  });

  test("ends with all others when the coordinator closes, and none opens after it", async () => {
    const w = await world();
    w.start();
    const stream = w.open();
    await stream.say(w.hello());
    w.sessions.goAway("bye");
    w.sessions.close({ reason: "SHUTTING_DOWN", message: "bye" });
    await flush();
    expect(stream.types()).toEqual(["welcome", "go-away"]);
    expect([stream.session.end?.reason, w.open().session.end?.reason]).toEqual(["SHUTTING_DOWN", "SHUTTING_DOWN"]);
    w.sessions.send(id("a"), decision("t1"));
  });
});
