import { describe, expect, test } from "vitest";
import type { Claim } from "../../../../src/commit/core/claim.ts";
import type { CoordinatorMessage, Numbered, ParticipantMessage } from "../../../../src/commit/core/messages.ts";
import type { ParticipantRecord } from "../../../../src/commit/core/participant-step.ts";
import {
  inDoubtCountMax,
  inquiryIntervalMs,
  lingerMinMs,
  lingerMs,
  outgoingCountMax,
  purgeIntervalMs,
  reconnectBackoff,
  refusedBackoff,
  resentWithinMs,
  resourceBackoff,
  storageBackoff,
  welcomeTimeoutMs,
} from "../../../../src/commit/limits.ts";
import type { ParticipantOptions } from "../../../../src/commit/participant/participant.ts";
import { Refusal } from "../../../../src/commit/participant/refusal.ts";
import type { OldReceipts, ParticipantTransport, Resource, Told } from "../../../../src/commit/ports.ts";
import { createQueue, type Queue } from "../../../../src/commit/queue.ts";
import type { TransactionId } from "../../../../src/kernel/ids.ts";
import { participantRetentionMs, purgeBatchSize } from "../../../../src/kernel/limits.ts";
import type { Origin } from "../../../../src/kernel/origin.ts";
import type { Spans } from "../../../../src/kernel/spans.ts";
import { createMemoryParticipantLog } from "../../../../src/storage/memory/participant-log.ts";
import { failingLog, flush, memoryResource, silent, startParticipant, tx, virtualClock } from "../support.ts";

/** Of a log that was started so often, and never restored. */
const claimsTo = (epoch: number, firstEpoch = 1): readonly Claim[] =>
  Array.from({ length: epoch - firstEpoch + 1 }, (_, i) => ({ epoch: epoch - i, id: `claim ${epoch - i}` }));

/** The coordinator's end of the stream, in the test's hands. */
function scripted(coordinatorId = "c") {
  const received: ParticipantMessage[] = [];
  let incoming: Queue<Told> | undefined;
  let sequence = 0;
  let streams = 0;
  let open = false;
  /** What the coordinator does when the participant says no more. */
  let onHalfClose = (queue: Queue<Told>): void => queue.close();
  const transport: ParticipantTransport = {
    name: coordinatorId,
    async *open(outgoing, signal) {
      streams += 1;
      open = true;
      const queue = createQueue<Told>();
      incoming = queue;
      signal.addEventListener("abort", () => queue.close());
      void (async () => {
        for await (const { message } of outgoing) received.push(message);
        if (!signal.aborted) onHalfClose(queue);
      })();
      yield* queue.items;
      open = false;
    },
  };
  const say = async (message: CoordinatorMessage, origin?: Origin): Promise<void> => {
    incoming?.push({ sequence: ++sequence, message, origin });
    await flush();
  };
  return {
    transport,
    received,
    say,
    welcome: (coordinatorEpoch = 1, sessionTimeoutMs = 15_000, claims = claimsTo(coordinatorEpoch)) =>
      say({
        type: "welcome",
        sessionEpoch: 1,
        coordinatorId,
        coordinatorEpoch,
        version: 1,
        claims,
        heartbeatIntervalMs: 5_000,
        sessionTimeoutMs,
      }),
    prepare: (transactionId: string, change = {}, origin?: Origin) =>
      say(
        {
          type: "prepare",
          transactionId: tx(transactionId),
          attempt: 1,
          payload: new Uint8Array(),
          voteWithinMs: 5_000,
          onePhase: false,
          coordinatorEpoch: 1,
          ...change,
        },
        origin,
      ),
    decide: (transactionId: string, outcome: "committed" | "aborted", coordinatorEpoch = 1) =>
      say({ type: "decision", transactionId: tx(transactionId), outcome, coordinatorEpoch, inReply: false }),
    /** It reads what is said, and does not end the stream. */
    hang: () => {
      onHalfClose = () => {};
    },
    get open() {
      return open;
    },
    drop: async () => {
      incoming?.close();
      await flush();
    },
    get streams() {
      return streams;
    },
    /** What was said since the last look, without heartbeats, in short. */
    said() {
      return received
        .splice(0)
        .filter(({ type }) => type !== "heartbeat")
        .map((message) => {
          switch (message.type) {
            case "hello":
              return `hello [${message.inDoubt.map(({ transactionId }) => transactionId)}]`;
            case "vote":
              return `vote ${message.transactionId} ${message.value}`;
            case "decision-ack":
              return `ack ${message.transactionId} ${message.outcome}`;
            case "inquiry":
              return `inquiry ${message.transactionId}`;
            case "nack":
              return `nack: ${message.reason}`;
            default:
              return message.type;
          }
        });
    },
  };
}

async function world(votes?: Resource["prepare"], options: Partial<ParticipantOptions> = {}) {
  const clock = virtualClock();
  const log = createMemoryParticipantLog();
  const coordinator = scripted();
  const parts = memoryResource(votes);
  const start = (more: Partial<ParticipantOptions> = {}) =>
    startParticipant("a", clock, { log, resource: parts.resource, coordinators: [coordinator.transport], ...options, ...more });
  return { clock, log, coordinator, ...parts, start };
}

const prepared = (name: string, change: Partial<ParticipantRecord> = {}): ParticipantRecord => ({
  transactionId: tx(name),
  state: "prepared",
  onePhase: false,
  coordinatorId: "c",
  coordinatorEpoch: 1,
  payload: new Uint8Array(),
  reason: "",
  updatedAtMs: 0,
  ...change,
});

describe("a participant", () => {
  test("votes after it is durable, and acknowledges after it is done", async () => {
    const steps: string[] = [];
    const w = await world(undefined, { onStep: async ({ type, transactionId }) => void steps.push(`${type} ${transactionId}`) });
    const participant = await w.start();
    await w.coordinator.welcome();
    expect(participant.connected).toBe(true);
    await w.coordinator.prepare("t1");
    expect([w.coordinator.said(), (await w.log.get(tx("t1")))?.state]).toEqual([["hello []", "vote t1 commit"], "prepared"]);
    expect(participant.inDoubt()).toEqual(["t1"]);
    await w.coordinator.decide("t1", "committed");
    expect(w.coordinator.said()).toEqual(["ack t1 committed"]);
    expect(w.calls).toEqual(["prepare t1", "commit t1"]);
    expect(steps).toEqual(["before-vote-sent t1", "before-ack-sent t1"]);
    await w.coordinator.decide("t1", "committed");
    expect([w.coordinator.said(), w.calls.length]).toEqual([["ack t1 committed"], 2]);
  });

  test("refuses what does not come in time, and undoes it when it is prepared after all", async () => {
    const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
    const w = await world(() => gate.promise);
    await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    await w.clock.advance(5_000);
    expect(w.coordinator.said()).toEqual(["hello []", "vote t1 abort"]);
    gate.resolve({ value: "commit", reason: "" });
    await flush();
    expect(w.calls).toEqual(["prepare t1", "abort t1"]);
    await w.coordinator.prepare("t1", { attempt: 2 });
    expect(w.coordinator.said()).toEqual(["vote t1 abort"]);
  });

  test("votes no if its resource fails, and undoes it", async () => {
    const w = await world(() => Promise.reject(new Error("out of order")));
    await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    const reason = "prepare failed; the participant's log says why, at transaction t1";
    expect(w.coordinator.received.at(-1)).toMatchObject({ type: "vote", value: "abort", reason });
    expect(w.calls).toEqual(["prepare t1", "abort t1"]);
  });

  test("what a resource says besides its vote stays in the participant's log", async () => {
    const lines: object[] = [];
    const cause = new Error("duplicate key: Key (iban)=(DE02) already exists");
    const w = await world(async () => ({ value: "abort", reason: "prepare failed", cause }), {
      logger: { ...silent, warn: (fields: object) => void lines.push(fields) },
    });
    await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    expect(w.coordinator.received.at(-1)).toMatchObject({ type: "vote", value: "abort", reason: "prepare failed" });
    expect(JSON.stringify(w.coordinator.received)).not.toContain("DE02");
    expect(lines).toMatchObject([{ transaction: "t1", err: cause }]);
  });

  // Told ABORTED earlier, a client that tries again at once would meet the hold of its own first try.
  test("votes no, while there is time, only once what a prepare that failed may have left is undone", async () => {
    const failureCount = 2;
    const w = await world();
    const undoing = Promise.withResolvers<void>();
    let tries = 0;
    const resource: Resource = {
      ...w.resource,
      prepare: async (work) => {
        await w.resource.prepare(work);
        throw new Error("connection lost");
      },
      abort: async (work) => {
        tries += 1;
        if (tries <= failureCount) throw new Error("connection lost");
        await undoing.promise;
        return w.resource.abort(work);
      },
    };
    await w.start({ resource, logger: { ...silent, error() {} } });
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1", { voteWithinMs: 60_000 });
    for (let failures = 1; failures <= failureCount; failures += 1) {
      expect([tries, w.coordinator.said().filter((each) => each.startsWith("vote"))]).toEqual([failures, []]);
      await w.clock.advance(2 ** failures * resourceBackoff.firstMs);
    }
    expect([tries, w.coordinator.said(), w.state.get(tx("t1"))]).toEqual([failureCount + 1, [], "prepared"]);
    undoing.resolve();
    await flush();
    expect([w.coordinator.said(), w.state.get(tx("t1"))]).toEqual([["vote t1 abort"], "aborted"]);
  });

  test("says why in 1,000 whole characters at most", async () => {
    const w = await world(async () => ({ value: "abort", reason: "😀".repeat(1_001) }));
    await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    expect(w.coordinator.received.at(-1)).toMatchObject({ type: "vote", reason: "😀".repeat(1_000) });
  });

  test("keeps trying what it has promised", async () => {
    const w = await world();
    const failures = { count: 0 };
    const errors: object[] = [];
    const logger = { ...silent, error: (fields: object) => void errors.push(fields) };
    await w.start({ log: failingLog(w.log, failures), logger });
    await w.coordinator.welcome();
    failures.count = 2;
    await w.coordinator.prepare("t1");
    expect(w.coordinator.said()).toEqual(["hello []"]);
    await w.clock.advance(1_000);
    expect(w.coordinator.said()).toEqual(["vote t1 commit"]);
    const commit = w.resource.commit;
    w.resource.commit = () => Promise.reject(new Error("busy"));
    await w.coordinator.decide("t1", "committed");
    await w.clock.advance(1_000);
    expect(w.coordinator.said()).toEqual([]);
    w.resource.commit = commit;
    await w.clock.advance(1_000);
    expect(w.coordinator.said()).toEqual(["ack t1 committed"]);
    // The runbook goes by the transaction's id.
    expect(errors[0]).toMatchObject({ transaction: "t1", attempt: 1, err: new Error("disk full") });
    expect(errors.at(-1)).toMatchObject({ transaction: "t1", err: new Error("busy") });
  });
});

// A promise binds: whoever acknowledges what was not done lets the coordinator forget the one record that says what to do.
describe("however often it fails, nothing is acknowledged that is not done:", () => {
  const failureCount = 100;
  /** The coordinator need not beat. */
  const foreverMs = 1e12;

  test.each(["committed", "aborted"] as const)("%s, by the resource", async (outcome) => {
    const w = await world();
    const tries = { count: 0 };
    const attempt = async <T>(run: () => Promise<T>): Promise<T> => {
      tries.count += 1;
      if (tries.count <= failureCount) throw new Error("busy");
      return run();
    };
    const { commit, abort } = w.resource;
    const resource: Resource = {
      ...w.resource,
      commit: (work) => attempt(() => commit(work)),
      abort: (work) => attempt(() => abort(work)),
    };
    await w.start({ resource, logger: { ...silent, error() {} } });
    await w.coordinator.welcome(1, foreverMs);
    await w.coordinator.prepare("t1");
    await w.coordinator.decide("t1", outcome);
    expect(w.coordinator.said()).toEqual(["hello []", "vote t1 commit"]);
    while (tries.count < failureCount) {
      await w.clock.advance(resourceBackoff.maxMs);
      expect(w.coordinator.received.filter(({ type }) => type === "decision-ack")).toEqual([]);
      expect((await w.log.get(tx("t1")))?.state).toBe("prepared");
    }
    await w.clock.advance(resourceBackoff.maxMs);
    expect(w.coordinator.said().at(-1)).toBe(`ack t1 ${outcome}`);
    expect([tries.count, w.state.get(tx("t1")), (await w.log.get(tx("t1")))?.state]).toEqual([
      failureCount + 1,
      outcome,
      outcome,
    ]);
  });

  test("a vote, and an end, by its log", async () => {
    const w = await world();
    const failures = { count: failureCount };
    await w.start({ log: failingLog(w.log, failures), logger: { ...silent, error() {} } });
    await w.coordinator.welcome(1, foreverMs);
    /** It asks now and then, meanwhile. */
    const said = (): readonly string[] => w.coordinator.said().filter((each) => !each.startsWith("inquiry"));
    const saidWhileItFails = async (): Promise<readonly string[]> => {
      const all: string[] = [];
      for (let pauses = 0; failures.count > 0 && pauses < 100 * failureCount; pauses += 1) {
        all.push(...said());
        await w.clock.advance(storageBackoff.firstMs);
      }
      expect(failures.count).toBe(0);
      return all;
    };
    await w.coordinator.prepare("t1");
    expect(await saidWhileItFails()).toEqual(["hello []"]);
    await w.clock.advance(storageBackoff.maxMs);
    expect(said()).toEqual(["vote t1 commit"]);
    failures.count = failureCount;
    await w.coordinator.decide("t1", "committed");
    expect(await saidWhileItFails()).toEqual([]);
    await w.clock.advance(storageBackoff.maxMs);
    expect(said()).toEqual(["ack t1 committed"]);
  });
});

// specs/Sessions.tla and specs/TwoPhaseCommit.tla are held against what is traced.
test("what is heard and said in a session is traced, each with whose session it was, before what it leads to", async () => {
  const traced: { readonly action?: string }[] = [];
  const w = await world(undefined, { trace: (event) => void traced.push(event) });
  await w.start();
  await w.coordinator.welcome(2);
  await w.coordinator.prepare("t1", { coordinatorEpoch: 2 });
  await w.coordinator.decide("t1", "committed", 2);
  const session = { coordinatorId: "c", epoch: 2, session: 1, participant: "a", instance: expect.any(String) };
  expect(traced.filter((event) => "session" in event)).toEqual([
    { action: "Admit", claim: "claim 2", ...session },
    { action: "HearPrepare", transaction: "t1", ...session },
    { action: "SayVote", transaction: "t1", value: "commit", ...session },
    { action: "HearDecision", transaction: "t1", ...session },
  ]);
  const inOrder = ["Start", "Admit", "HearPrepare", "RecvPrepare", "SayVote", "HearDecision", "RecvCommit"];
  expect(traced.map(({ action }) => action)).toEqual(inOrder);
});

describe("a trace of OpenTelemetry", () => {
  const origin = { requestId: "r-1", traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };

  /** Each span as it ended: its name, what it is about, its end. */
  function spansOf() {
    const ended: unknown[] = [];
    const spans: Spans = {
      start: (name, { kind, parent, attributes }) => ({
        origin: { ...parent, tracestate: `below ${name}` },
        run: (work) => work(),
        end: (how) => void ended.push([name, kind, parent, attributes, how]),
      }),
    };
    return { spans, ended };
  }
  const about = { "concord.transaction.id": "t1", "concord.participant.id": "a" };

  test("has what the resource does below it, with how that ended; and without one it is done as well", async () => {
    const { spans, ended } = spansOf();
    const given: unknown[] = [];
    const w = await world(async (work) => {
      given.push(work.origin);
      return { value: "commit", reason: "" };
    });
    await w.start({ spans });
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1", {}, origin);
    await w.coordinator.decide("t1", "committed");
    expect(given).toEqual([{ ...origin, tracestate: "below prepare" }]);
    expect(ended).toEqual([
      ["prepare", "server", origin, about, { attributes: { "concord.vote": "commit" } }],
      ["commit", "server", origin, about, { attributes: {} }],
    ]);
    await w.coordinator.prepare("t2");
    expect([given[1], w.coordinator.said().at(-1), ended.length]).toEqual([undefined, "vote t2 commit", 2]);
  });

  test("says what has failed by its name", async () => {
    for (const [thrown, error] of [
      [new TypeError("no table"), "TypeError"],
      ["no table", "_OTHER"],
    ] as const) {
      const { spans, ended } = spansOf();
      const w = await world(async () => {
        throw thrown;
      });
      await w.start({ spans });
      await w.coordinator.welcome();
      await w.coordinator.prepare("t1", {}, origin);
      expect(ended).toEqual([
        ["prepare", "server", origin, about, { error }],
        ["abort", "server", origin, about, { attributes: {} }],
      ]);
    }
  });
});

describe("in doubt", () => {
  test("it says so in Hello, and asks on a timer", async () => {
    const w = await world();
    await w.log.persist(prepared("t1"));
    const participant = await w.start();
    await w.coordinator.welcome(1, 9e9);
    expect([w.coordinator.said(), participant.inDoubt()]).toEqual([["hello [t1]"], ["t1"]]);
    await w.clock.advance(inquiryIntervalMs - 1);
    expect(w.coordinator.said()).toEqual([]);
    await w.clock.advance(1);
    expect(w.coordinator.said()).toEqual(["inquiry t1"]);
    // The random number of the test makes the next interval three quarters of the first.
    await w.clock.advance(inquiryIntervalMs * 0.75 - 1_000);
    await w.coordinator.prepare("t2");
    await w.clock.advance(1_000);
    expect(w.coordinator.said(), "t2 was prepared a moment ago").toEqual(["vote t2 commit", "inquiry t1"]);
  });

  test("it asks nobody who is away, and says so nowhere; and its lines name the call that has led to the last message", async () => {
    const lines: object[] = [];
    const w = await world(undefined, {
      logger: { ...silent, info: (fields, text) => void (/^(in doubt|prepare rec|resource)/.test(text) && lines.push(fields)) },
    });
    await w.start();
    await w.coordinator.welcome(1, 9e9);
    const origin = { requestId: "r-1", traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };
    await w.coordinator.prepare("t1", {}, origin);
    const line = { transaction: "t1", participant: "a", request: "r-1", trace: "a".repeat(32) };
    expect(lines.splice(0)).toEqual([
      { ...line, attempt: 1, onePhase: false, voteWithinMs: 5_000 },
      { ...line, vote: "commit", tookMs: 0 },
    ]);
    await w.clock.advance(2 * inquiryIntervalMs);
    expect(lines.splice(0)).toEqual([line, line]);
    await w.coordinator.drop();
    await w.clock.advance(2 * inquiryIntervalMs);
    expect(lines).toEqual([]);
  });

  test("it asks the newest of two that say they are its coordinator", async () => {
    const w = await world();
    await w.log.persist(prepared("t1"));
    const newer = scripted("c");
    await w.start({ coordinators: [w.coordinator.transport, newer.transport] });
    await w.coordinator.welcome(2, 9e9);
    await newer.welcome(3, 9e9);
    for (const each of [w.coordinator, newer]) each.said();
    await w.clock.advance(inquiryIntervalMs);
    expect([w.coordinator.said(), newer.said()]).toEqual([[], ["inquiry t1"]]);
  });

  test("it traces what its Hello asks about", async () => {
    const traced: object[] = [];
    const w = await world(undefined, { trace: (event) => void traced.push(event) });
    await w.log.persist(prepared("t1"));
    await w.start();
    expect(traced.filter((event) => "action" in event && event.action === "Inquire")).toMatchObject([
      { participant: "a", transaction: "t1" },
    ]);
  });

  test("since its Hello it asks as soon as it is welcome, for its vote found no session", async () => {
    const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
    const w = await world(() => gate.promise);
    await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    await w.coordinator.drop();
    await w.clock.advance(1_000);
    gate.resolve({ value: "commit", reason: "" });
    await flush();
    expect(w.coordinator.said()).toEqual(["hello []", "hello []"]);
    await w.coordinator.welcome();
    expect(w.coordinator.said()).toEqual(["inquiry t1"]);
  });

  test("it believes the coordinator of the transaction, and no other", async () => {
    const w = await world();
    await w.log.persist(prepared("t1"));
    w.state.set(tx("t1"), "prepared");
    const other = scripted("other");
    const participant = await w.start({ coordinators: [other.transport, w.coordinator.transport] });
    expect([participant.connected, participant.connectedTo("other")]).toEqual([false, false]);
    await other.welcome();
    expect([participant.connected, participant.connectedTo("other"), participant.connectedTo("c")]).toEqual([true, true, false]);
    await w.coordinator.welcome();
    await other.decide("t1", "aborted");
    expect(other.said()).toEqual(["hello [t1]", 'nack: the transaction belongs to coordinator "c"']);
    await w.coordinator.decide("t1", "committed");
    expect(w.coordinator.said()).toEqual(["hello [t1]", "ack t1 committed"]);
    expect(w.state.get(tx("t1"))).toBe("committed");
  });

  test("whose coordinator is at none of the addresses is told of once all of them have answered", async () => {
    const w = await world();
    await w.log.persist(prepared("t1"));
    await w.log.persist(prepared("t2", { coordinatorId: "gone" }));
    const other = scripted("other");
    const warnings: object[] = [];
    await w.start({
      coordinators: [other.transport, w.coordinator.transport],
      logger: { ...silent, warn: (fields) => void warnings.push(fields) },
    });
    await other.welcome();
    expect(warnings).toEqual([]);
    await w.coordinator.welcome();
    expect(warnings).toEqual([
      { participant: "a", count: 1, transaction: "t2", coordinators: ["gone"], connectedTo: ["other", "c"] },
    ]);
  });

  test.each([
    { word: "committed", same: "ack t1 committed", contrary: "aborted", nack: "ABORTED, but it is committed here" },
    { word: "aborted", same: "ack t1 aborted", contrary: "committed", nack: "COMMITTED, but it is aborted here" },
  ] as const)(
    "what an operator has ended as $word in the log is not in doubt, and a contrary decision is an error",
    async ({ word, same, contrary, nack }) => {
      const errors: object[] = [];
      const w = await world(undefined, {
        logger: { ...silent, error: (fields, message) => void errors.push({ ...fields, message }) },
      });
      await w.log.persist(prepared("t1"));
      const participant = await w.start();
      expect(participant.connectedTo("c")).toBe(false);
      await w.log.persist(prepared("t1", { state: word }));
      participant.reread(tx("t1"));
      participant.reread(tx("never heard of"));
      await flush();
      expect(participant.inDoubt()).toEqual([]);
      await w.coordinator.drop();
      await w.clock.advance(1_000);
      await w.coordinator.welcome();
      expect([participant.connectedTo("c"), participant.connectedTo("d")]).toEqual([true, false]);
      await w.coordinator.decide("t1", word);
      expect([w.coordinator.said().slice(-2), w.calls, errors]).toEqual([["hello []", same], [], []]);
      await w.coordinator.decide("t1", contrary);
      expect([w.coordinator.said(), w.calls]).toEqual([[`nack: ${nack}`], []]);
      const message = "a decision contradicts what was done here";
      expect(errors).toEqual([{ transaction: "t1", participant: "a", reason: nack, message }]);
    },
  );

  test("what is being committed goes on to its end, whatever the log says meanwhile", async () => {
    const gate = Promise.withResolvers<void>();
    const w = await world();
    await w.log.persist(prepared("t1"));
    const participant = await w.start({ resource: { ...w.resource, commit: () => gate.promise } });
    await w.coordinator.welcome();
    await w.coordinator.decide("t1", "committed");
    participant.reread(tx("t1"));
    await flush();
    gate.resolve();
    await flush();
    expect(w.coordinator.said()).toEqual(["hello [t1]", "ack t1 committed"]);
  });

  test("it does not believe a coordinator that was replaced", async () => {
    const w = await world();
    await w.log.persist(prepared("t1"));
    await w.start();
    await w.coordinator.welcome(2);
    await w.coordinator.decide("t1", "aborted", 1);
    expect(w.coordinator.said()).toEqual(["hello [t1]", "nack: coordinator epoch 1 was replaced by 2"]);
  });
});

describe("a start", () => {
  test("finishes what was decided here, and undoes what was never promised", async () => {
    const w = await world();
    w.state.set(tx("t1"), "prepared").set(tx("t2"), "prepared");
    await w.log.persist(prepared("t1", { onePhase: true }));
    const resource: Resource = { ...w.resource, prepared: async () => [tx("t1"), tx("t2")] };
    await w.start({ resource });
    expect(w.calls.toSorted()).toEqual(["abort t2", "commit t1"]);
    expect((await w.log.get(tx("t1")))?.state).toBe("committed");
    expect(w.coordinator.said()).toEqual(["hello []"]);
  });

  test("ends as the log has it what a restored resource holds again", async () => {
    const w = await world();
    for (const name of ["t1", "t2", "t3"]) w.state.set(tx(name), "prepared");
    await w.log.persist(prepared("t1", { state: "committed" }));
    await w.log.persist(prepared("t2", { state: "aborted" }));
    await w.log.persist(prepared("t3"));
    const resource: Resource = { ...w.resource, prepared: async () => [...w.state.keys()] };
    await w.start({ resource });
    expect(w.calls.toSorted()).toEqual(["abort t2", "commit t1"]);
    expect(w.coordinator.said()).toEqual(["hello [t3]"]);
  });

  // Whoever says Hello is sent new work, and what still holds its keys would refuse that.
  test.each(["aborted", "committed"] as const)(
    "says nothing before what a restored resource holds again is %s",
    async (state) => {
      const w = await world();
      w.state.set(tx("t1"), "prepared");
      await w.log.persist(prepared("t1", { state }));
      const ended = Promise.withResolvers<void>();
      const resource: Resource = {
        ...w.resource,
        prepared: async () => [tx("t1")],
        commit: async (work) => {
          await ended.promise;
          return w.resource.commit(work);
        },
        abort: async (work) => {
          await ended.promise;
          return w.resource.abort(work);
        },
      };
      const starting = w.start({ resource });
      await flush();
      expect(w.coordinator.said()).toEqual([]);
      ended.resolve();
      await starting;
      expect(w.state.get(tx("t1"))).toBe(state);
      expect(w.coordinator.said()).toEqual(["hello []"]);
    },
  );

  test("names once, in one line, what the resource holds for another log", async () => {
    const w = await world();
    const warnings: object[] = [];
    const promises = [{ promise: "gid", owner: "ada", remedy: "ask ada" }];
    const resource: Resource = { ...w.resource, foreign: async (logId) => (logId === w.log.id ? promises : []) };
    await w.start({ resource, logger: { ...silent, warn: (fields) => void warnings.push(fields) } });
    expect(warnings.splice(0)).toEqual([{ participant: "a", log: w.log.id, count: 1, promises }]);
    expect(w.calls).toEqual([]);
    // Of very many the first hundred.
    const many = Array.from({ length: 101 }, (_, index) => ({ promise: `gid ${index}`, owner: "ada", remedy: "ask ada" }));
    await w.start({
      resource: { ...resource, foreign: async () => many },
      logger: { ...silent, warn: (fields) => void warnings.push(fields) },
    });
    expect(warnings).toEqual([{ participant: "a", log: w.log.id, count: 101, promises: many.slice(0, 100) }]);
  });
});

describe("the connection", () => {
  // Whoever answers on the new stream has not said who it is: it may be a coordinator that was replaced.
  test("that is new carries nothing before its Welcome, though the coordinator was known before", async () => {
    const w = await world();
    await w.start();
    await w.coordinator.welcome();
    await w.coordinator.drop();
    await w.clock.advance(60_000);
    w.coordinator.said();
    await w.coordinator.prepare("t1");
    expect([w.coordinator.said(), w.calls]).toEqual([["nack: the first message must be Welcome"], []]);
  });

  test("is opened again, with a growing pause, or when the coordinator said", async () => {
    const w = await world();
    await w.start();
    expect(w.coordinator.streams).toBe(1);
    await w.coordinator.drop();
    await w.clock.advance(150);
    expect(w.coordinator.streams).toBe(2);
    await w.coordinator.drop();
    await w.clock.advance(150);
    expect(w.coordinator.streams).toBe(2);
    await w.clock.advance(150);
    expect(w.coordinator.streams).toBe(3);
    await w.coordinator.welcome();
    await w.coordinator.say({ type: "go-away", reason: "restart", reconnectAfterMs: 4_000 });
    await w.coordinator.drop();
    await w.clock.advance(3_999);
    expect(w.coordinator.streams).toBe(3);
    await w.clock.advance(1);
    expect(w.coordinator.streams).toBe(4);
    // One that has lasted is followed by the next as if it had been the first.
    await w.coordinator.welcome(1, 9e9);
    await w.clock.advance(reconnectBackoff.maxMs);
    await w.coordinator.drop();
    await w.clock.advance(150);
    expect(w.coordinator.streams).toBe(5);
  });

  test("is given up after silence", async () => {
    const w = await world();
    const participant = await w.start();
    await w.coordinator.welcome();
    await w.clock.advance(14_000);
    expect(participant.connected).toBe(true);
    await w.clock.advance(6_000);
    expect(w.coordinator.streams).toBe(2);
  });

  test("is not given up because somebody sets the clock", async () => {
    const w = await world();
    const participant = await w.start();
    await w.coordinator.welcome();
    for (const jumpMs of [60_000, -3_600_000]) {
      w.clock.setBy(jumpMs);
      await w.clock.advance(5_000);
      await w.coordinator.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 1 });
    }
    await w.clock.advance(5_000);
    expect([participant.connected, w.coordinator.streams]).toEqual([true, 1]);
  });

  test("is not given up because this process stood still: what has come meanwhile is read first", async () => {
    const w = await world();
    const participant = await w.start();
    await w.coordinator.welcome();
    w.clock.stall(60_000);
    await w.clock.advance(1);
    await w.coordinator.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 1 });
    await w.clock.advance(14_000);
    expect([participant.connected, w.coordinator.streams]).toEqual([true, 1]);
    await w.clock.advance(7_000);
    expect(w.coordinator.streams, "now it is silence").toBe(2);
  });

  test("may deliver a Prepare long after its time: the abort behind it, or the next inquiry, undoes it", async () => {
    const w = await world();
    const participant = await w.start();
    await w.coordinator.welcome();
    w.clock.stall(12_000);
    void w.coordinator.prepare("t1");
    await w.coordinator.decide("t1", "aborted");
    expect([w.calls, w.state.get(tx("t1")), participant.inDoubt()]).toEqual([["prepare t1", "abort t1"], "aborted", []]);
    await w.coordinator.prepare("t2");
    await w.coordinator.drop();
    await w.clock.advance(1_000);
    expect(w.coordinator.said().at(-1)).toBe("hello [t2]");
    await w.coordinator.welcome();
    await w.coordinator.decide("t2", "aborted");
    expect(w.state.get(tx("t2"))).toBe("aborted");
  });

  test("is given up if no Welcome comes", async () => {
    const w = await world();
    await w.start();
    await w.clock.advance(welcomeTimeoutMs - 1);
    expect(w.coordinator.streams).toBe(1);
    await w.clock.advance(1_000);
    expect(w.coordinator.streams).toBe(2);
  });

  test("that is refused for good is told loudly once, and tried again rarely", async () => {
    const errors: string[] = [];
    const told: string[] = [];
    let attempts = 0;
    let refusal: Refusal | undefined = new Refusal("UNIMPLEMENTED: no such service", "check the address");
    const w = await world();
    const { transport } = w.coordinator;
    const participant = await w.start({
      logger: { ...silent, error: (fields, message) => errors.push(`${message}: ${(fields as { remedy?: string }).remedy}`) },
      onRefused: ({ message }) => told.push(message),
      coordinators: [
        {
          name: "c",
          open(outgoing, signal) {
            attempts += 1;
            if (refusal) throw refusal;
            return transport.open(outgoing, signal);
          },
        },
      ],
    });
    // The random number of the test makes each pause three quarters of a minute.
    await w.clock.advance(10 * refusedBackoff.maxMs);
    expect(attempts).toBe(14);
    expect(errors).toEqual(["the coordinator refuses this participant: check the address"]);
    expect(told).toEqual(["UNIMPLEMENTED: no such service"]);
    expect(participant.standings()).toEqual([{ coordinator: "c", isOpen: false, why: refusal }]);
    refusal = undefined;
    await w.clock.advance(30_000);
    await w.coordinator.welcome();
    expect(participant.standings()).toEqual([{ coordinator: "c", isOpen: true }]);
    expect(w.coordinator.said(), "somebody has mended it").toEqual(["hello []"]);
    refusal = new Refusal("UNIMPLEMENTED: no such service", "check the address");
    await w.coordinator.drop();
    await w.clock.advance(10_000);
    expect(errors.length, "a new one").toBe(2);
  });

  test("refuses what comes before Welcome or cannot be read", async () => {
    const w = await world();
    await w.start();
    await w.coordinator.prepare("t1");
    await w.coordinator.welcome();
    await w.coordinator.welcome();
    await w.coordinator.say({ type: "unreadable", reason: "unknown kind" });
    await w.coordinator.say({ type: "nack", sequence: 1, reason: "no" });
    expect(w.coordinator.said()).toEqual([
      "hello []",
      "nack: the first message must be Welcome",
      "nack: a second Welcome",
      "nack: unknown kind",
    ]);
  });

  test("logs once a minute what a coordinator repeats", async () => {
    const lines: object[] = [];
    const say = (fields: object, message: string) => void lines.push({ message, ...fields });
    const w = await world();
    await w.log.persist(prepared("t1", { state: "committed" }));
    await w.start({ logger: { ...silent, warn: say, error: say } });
    await w.coordinator.welcome();
    const repeat = async () => {
      await w.coordinator.say({ type: "nack", sequence: 1, reason: "no" });
      await w.coordinator.decide("t1", "aborted");
    };
    for (let i = 0; i < 20; i += 1) await repeat();
    const contradicts = { message: "a decision contradicts what was done here", transaction: "t1" };
    expect(lines).toMatchObject([{ message: "message was refused", coordinator: expect.any(String) }, contradicts]);
    for (let i = 0; i < 12; i += 1) {
      await w.clock.advance(5_000);
      await w.coordinator.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 0 });
    }
    await repeat();
    expect(lines.slice(2)).toMatchObject([
      { message: "message was refused", leftOut: 19 },
      { ...contradicts, leftOut: 19 },
    ]);
  });
});

describe("leaving", () => {
  test("with Goodbye, after what is under way has come to its vote", async () => {
    const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
    const w = await world(() => gate.promise);
    const participant = await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    const closed = participant.close(60_000);
    await flush();
    expect(w.coordinator.said()).toEqual(["hello []", "goodbye"]);
    gate.resolve({ value: "commit", reason: "" });
    await closed;
    expect(w.coordinator.said()).toEqual(["vote t1 commit"]);
    expect((await w.log.get(tx("t1")))?.state).toBe("prepared");
  });

  test("takes no more work, and finishes what it has", async () => {
    const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
    const w = await world(({ transactionId }) =>
      transactionId === "t2" ? gate.promise : Promise.resolve({ value: "commit", reason: "" }),
    );
    const participant = await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    await w.coordinator.prepare("t2");
    const closed = participant.close(60_000);
    await w.coordinator.prepare("t3");
    expect(w.coordinator.received.at(-1)).toMatchObject({ type: "vote", reason: "the participant is shutting down" });
    await w.coordinator.prepare("t4", { onePhase: true });
    await w.coordinator.decide("t1", "committed");
    gate.resolve({ value: "commit", reason: "" });
    await closed;
    expect(w.coordinator.said()).toEqual([
      "hello []",
      "vote t1 commit",
      "goodbye",
      "vote t3 abort",
      "ack t4 aborted",
      "ack t1 committed",
      "vote t2 commit",
    ]);
    expect(w.calls).not.toContain("prepare t3");
  });

  test("waits for every coordinator, but not long for one that hangs", async () => {
    const w = await world();
    const other = scripted("other");
    const participant = await w.start({ coordinators: [w.coordinator.transport, other.transport] });
    await w.coordinator.welcome();
    await other.welcome();
    w.coordinator.hang();
    let left = false;
    const closed = participant.close(60_000).then(() => {
      left = true;
    });
    await flush();
    expect([w.coordinator.open, other.open, left]).toEqual([true, false, false]);
    await w.coordinator.prepare("t1");
    expect(w.coordinator.said(), "what comes now is the next process's work").toEqual(["hello []", "goodbye"]);
    await w.clock.advance(lingerMs - 1);
    expect(left).toBe(false);
    await w.clock.advance(1);
    await closed;
    expect(w.coordinator.open).toBe(false);
  });

  test("waits no longer than it was given, but for a moment", async () => {
    const w = await world();
    const participant = await w.start();
    await w.coordinator.welcome();
    w.coordinator.hang();
    const closed = participant.close(0);
    await flush();
    expect(w.coordinator.open).toBe(true);
    await w.clock.advance(lingerMinMs);
    expect(w.coordinator.open).toBe(false);
    await closed;
  });

  test("does not wait for what takes too long, nor act on its answer", async () => {
    const gate = Promise.withResolvers<{ readonly value: "abort"; readonly reason: string }>();
    const steps: string[] = [];
    const info = (_: object, message: string) => void (message === "resource prepared" && steps.push(message));
    const logger = { ...silent, info };
    const w = await world(() => gate.promise, { logger, onStep: async ({ type }) => void steps.push(type) });
    const participant = await w.start();
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    const closed = participant.close(3_000);
    await w.clock.advance(3_000);
    await closed;
    gate.resolve({ value: "abort", reason: "too late" });
    await flush();
    expect([w.coordinator.said(), steps]).toEqual([["hello []", "goodbye"], []]);
  });

  test("does not hear what comes too late", async () => {
    const lines: string[] = [];
    const w = await world();
    await w.log.persist(prepared("t1"));
    const participant = await w.start({ logger: { ...silent, info: (_, message) => lines.push(message) } });
    void w.coordinator.welcome();
    await participant.close(60_000);
    await flush();
    expect([w.coordinator.said(), lines]).toEqual([["hello [t1]"], ["participant started"]]);
  });

  // Its caller has been told that it closes: a resource that is used after that may be gone, and what it prepared then nobody would end.
  test("while a first Welcome is still being written takes none of the work behind it, and is not connected any more", async () => {
    const w = await world();
    const written = Promise.withResolvers<void>();
    const log: typeof w.log = {
      ...w.log,
      persistCoordinator: async (coordinator) => {
        await written.promise;
        await w.log.persistCoordinator(coordinator);
      },
    };
    const lines: string[] = [];
    const participant = await w.start({ log, logger: { ...silent, info: (_, message) => lines.push(message) } });
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    const closed = participant.close(60_000);
    written.resolve();
    await closed;
    expect([w.coordinator.said(), w.calls, lines]).toEqual([["hello []"], [], ["participant started"]]);
    expect(participant.connected).toBe(false);
  });

  test("ends a pause at once", async () => {
    const w = await world();
    const participant = await w.start();
    await w.coordinator.drop();
    await participant.close(60_000);
    expect(w.coordinator.streams).toBe(1);
  });
});

test("receipts that are old are dropped with the records, except those of what is prepared", async () => {
  const w = await world();
  await w.log.persist(prepared("t1"));
  const asked: OldReceipts[] = [];
  const resource: Resource = {
    ...w.resource,
    forget: async (old) => {
      asked.push(old);
      return asked.length === 1 ? old.limit : 0;
    },
  };
  await w.start({ resource });
  await w.clock.advance(3_600_000);
  const recordedBeforeMs = w.clock.nowMs() - participantRetentionMs;
  const old = { logId: w.log.id, recordedBeforeMs, keep: [tx("t1")], limit: purgeBatchSize };
  expect(asked).toEqual([old, old]);
});

test("a resource that keeps no receipts is asked to drop none, and nothing is wrong with that", async () => {
  const warned: string[] = [];
  const w = await world();
  await w.start({ logger: { ...silent, warn: (_, message) => warned.push(message) } });
  await w.clock.advance(3_600_000);
  expect(warned.filter((message) => !message.includes("disconnected"))).toEqual([]);
});

test("receipts that cannot be dropped are told of, and dropped another time", async () => {
  const warned: string[] = [];
  const w = await world();
  let asked = 0;
  const resource: Resource = {
    ...w.resource,
    forget: async () => {
      asked += 1;
      throw new Error("the table is locked");
    },
  };
  await w.start({ resource, logger: { ...silent, warn: (_fields, message) => void warned.push(message) } });
  await w.clock.advance(7_200_000);
  expect([asked, warned.filter((message) => message.includes("purged"))]).toEqual([
    2,
    Array(2).fill("what ended long ago is not purged"),
  ]);
});

test.each([
  { sinceMs: resentWithinMs - 1, kept: 1 },
  { sinceMs: resentWithinMs, kept: 0 },
])(
  "records are kept until their coordinator has been there for a while: after $sinceMs ms $kept of them",
  async ({ sinceMs, kept }) => {
    const w = await world();
    await w.log.persist(prepared("t1", { state: "committed", updatedAtMs: -participantRetentionMs }));
    await w.start();
    await w.clock.advance(purgeIntervalMs - sinceMs);
    await w.coordinator.welcome(1, 9e9);
    await w.clock.advance(sinceMs);
    expect(Number((await w.log.get(tx("t1"))) !== undefined)).toBe(kept);
  },
);

test("records that ended long ago are dropped, once their coordinator is there", async () => {
  const w = await world();
  await w.log.persist(prepared("t1", { state: "committed", updatedAtMs: w.clock.nowMs() - participantRetentionMs }));
  await w.start();
  await w.clock.advance(3_600_000 - 10_000);
  expect(await w.log.get(tx("t1"))).toBeDefined();
  await w.coordinator.welcome(1, 7_200_000);
  await w.clock.advance(10_000);
  expect(await w.log.get(tx("t1")), "its session is new").toBeDefined();
  await w.clock.advance(3_600_000);
  expect(await w.log.get(tx("t1"))).toBeUndefined();
});

describe("a defect", () => {
  test("ends one transaction, and a restart recovers it", async () => {
    const errors: unknown[] = [];
    const logger = { ...silent, error: (fields: object) => errors.push(fields) };
    const w = await world();
    let mended = false;
    const broken = { ...prepared("t1"), state: "unheard-of" as never };
    const log = {
      ...w.log,
      get: async (transactionId: TransactionId) => (transactionId === "t1" && !mended ? broken : w.log.get(transactionId)),
    };
    const participant = await w.start({ log, logger });
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    await w.coordinator.prepare("t2");
    await w.coordinator.decide("t1", "committed");
    const defect =
      "nack: a defect of the participant has ended its part in this transaction: its log has the cause, a restart takes it up again";
    expect(w.coordinator.said()).toEqual(["hello []", defect, "vote t2 commit", defect]);
    expect(errors).toMatchObject([{ transaction: "t1", participant: "a", err: { name: "AssertionError" } }]);
    await participant.close(60_000);
    mended = true;
    await w.start({ log });
    await w.coordinator.welcome();
    await w.coordinator.prepare("t1");
    expect(w.coordinator.said()).toEqual(["goodbye", "hello [t2]", "vote t1 commit"]);
  });
});

describe("the epoch of a coordinator", () => {
  test("is durable before anything of its session is acted on, and outlives the process", async () => {
    const w = await world();
    const gate = Promise.withResolvers<void>();
    const { persistCoordinator } = w.log;
    const log = {
      ...w.log,
      persistCoordinator: async (coordinator: Parameters<typeof persistCoordinator>[0]) => {
        await gate.promise;
        await persistCoordinator(coordinator);
      },
    };
    const participant = await w.start({ log });
    await w.coordinator.welcome(2);
    await w.coordinator.prepare("t1", { coordinatorEpoch: 2 });
    expect([w.coordinator.said(), participant.connected]).toEqual([["hello []"], false]);
    gate.resolve();
    await flush();
    expect(w.coordinator.said()).toEqual(["vote t1 commit"]);
    expect(await w.log.coordinators()).toEqual([{ coordinatorId: "c", coordinatorEpoch: 2, claimId: "claim 2" }]);
  });

  // Two processes claim to be the same coordinator. The older one would presume aborted what the newer one has committed.
  test("never goes back: a Welcome that was believed is not any more, if a newer one was seen while its claim was written", async () => {
    const w = await world();
    const [older, newer] = [scripted(), scripted()];
    const gate = Promise.withResolvers<void>();
    const { persistCoordinator } = w.log;
    const log: typeof w.log = {
      ...w.log,
      persistCoordinator: async (coordinator) => {
        if (coordinator.coordinatorEpoch === 2) await gate.promise;
        await persistCoordinator(coordinator);
      },
    };
    const participant = await w.start({ log, coordinators: [older.transport, newer.transport] });
    older.hang();
    await older.welcome(2);
    await newer.welcome(3);
    await newer.prepare("t1", { coordinatorEpoch: 3 });
    expect(newer.said()).toEqual(["hello []", "vote t1 commit"]);
    gate.resolve();
    await flush();
    await older.decide("t1", "aborted", 2);
    expect(older.said()).toEqual(["hello []", expect.stringMatching("nack: the decision log .* does not have its claim 3")]);
    expect(participant.inDoubt()).toEqual(["t1"]);
    expect(await w.log.coordinators()).toEqual([{ coordinatorId: "c", coordinatorEpoch: 3, claimId: "claim 3" }]);
  });

  test("is tried again until it is written, and let go when the participant closes meanwhile", async () => {
    const w = await world();
    let failures = 1;
    const log = {
      ...w.log,
      persistCoordinator: (coordinator: Parameters<typeof w.log.persistCoordinator>[0]) =>
        failures-- > 0 ? Promise.reject(new Error("disk full")) : w.log.persistCoordinator(coordinator),
    };
    const participant = await w.start({ log });
    await w.coordinator.welcome();
    expect(participant.connected).toBe(false);
    await w.clock.advance(1_000);
    expect(participant.connected).toBe(true);
    const stuck = await w.start({
      log: { ...w.log, coordinators: async () => [], persistCoordinator: () => new Promise(() => {}) },
    });
    await w.coordinator.welcome();
    const closed = stuck.close(1_000);
    await w.clock.advance(60_000);
    await closed;
    expect(stuck.connected).toBe(false);
  });
});

describe("a decision log that was restored from an older copy", () => {
  /** In doubt about t1, with the second claim seen; connected then to a log with these claims. */
  async function meet(claims: readonly Claim[]) {
    const lines: object[] = [];
    const note = (level: string) => (fields: object, message: string) => void lines.push({ level, message, ...fields });
    const logger = { ...silent, error: note("error"), warn: note("warn") };
    const w = await world();
    const first = await w.start();
    await w.coordinator.welcome(2);
    await w.coordinator.prepare("t1", { coordinatorEpoch: 2 });
    await first.close(0);
    const second = await w.start({ logger });
    w.coordinator.said();
    w.coordinator.hang();
    const epoch = claims[0]?.epoch as number;
    await w.coordinator.welcome(epoch, 15_000, claims);
    await w.coordinator.decide("t1", "aborted", epoch);
    return { ...w, participant: second, lines };
  }

  test.each([
    ["has another claim with the epoch that was seen", [{ epoch: 2, id: "other" }, ...claimsTo(1)]],
    ["has another one, and has gone on since", [...claimsTo(3, 3), { epoch: 2, id: "other" }, ...claimsTo(1)]],
    ["does not have the claim though it has older ones", [...claimsTo(3, 3), ...claimsTo(1)]],
    ["has a smaller epoch", claimsTo(1)],
  ])("is not believed: it %s", async (_, claims) => {
    const w = await meet(claims);
    const reason =
      'the decision log of coordinator "c" does not have its claim 2 (claim 2), which was seen here: it was restored from an older copy, or is another one';
    expect(w.coordinator.said()).toEqual([`nack: ${reason}`]);
    expect(w.participant.inDoubt()).toEqual(["t1"]);
    expect([w.participant.connected, w.coordinator.open]).toEqual([false, true]);
    expect(w.participant.standings()).toMatchObject([{ isOpen: undefined }]);
    // It ends the stream also if the coordinator does not.
    await w.clock.advance(lingerMs);
    expect(w.coordinator.open).toBe(false);
    const remedy = expect.stringMatching(/put the newer decision log back; in doubt here: 1 \(t1\)/);
    expect(w.participant.standings()).toMatchObject([{ isOpen: false, why: { message: reason, remedy } }]);
    const error = { level: "error", message: "this participant does not believe the coordinator", reason, remedy };
    expect(w.lines).toMatchObject([error]);

    // It tries again rarely, and says the same less loudly.
    await w.clock.advance(refusedBackoff.maxMs);
    await w.coordinator.welcome(claims[0]?.epoch, 15_000, claims);
    await w.clock.advance(lingerMs);
    expect([w.coordinator.streams, w.lines]).toMatchObject([3, [error, { level: "warn", reason }]]);
    expect(await w.log.coordinators()).toMatchObject([{ coordinatorEpoch: 2, claimId: "claim 2" }]);

    // The right one is back.
    await w.clock.advance(refusedBackoff.maxMs);
    await w.coordinator.welcome(3);
    await w.coordinator.decide("t1", "committed", 3);
    expect(w.participant.connected).toBe(true);
    expect(w.coordinator.said().at(-1)).toBe("ack t1 committed");
  });

  test("cannot be told from one that has been started more often since than claims are listed, which is believed", async () => {
    const w = await meet(claimsTo(70, 7));
    expect([w.participant.connected, w.participant.inDoubt(), w.lines]).toEqual([true, [], []]);
  });

  test("ends no close: nothing is waited for", async () => {
    const w = await meet(claimsTo(1));
    await w.participant.close(10_000);
    expect(w.coordinator.open).toBe(false);
  });
});

describe("bounds", () => {
  test("more transactions in doubt than Hello holds are asked about one by one", async () => {
    const w = await world();
    for (let i = 0; i < inDoubtCountMax + 2; i += 1) await w.log.persist(prepared(`t${i}`));
    await w.start();
    await w.coordinator.welcome();
    const [hello, ...rest] = w.coordinator.said();
    expect([hello?.split(",").length, rest]).toEqual([
      inDoubtCountMax,
      [`inquiry t${inDoubtCountMax}`, `inquiry t${inDoubtCountMax + 1}`],
    ]);
  });

  test("a log that cannot be purged or read is tried again", async () => {
    const w = await world();
    let broken = true;
    let purges = 0;
    const log = {
      ...w.log,
      purge: () => {
        purges += 1;
        return Promise.reject(new Error("disk full"));
      },
      get: (transactionId: TransactionId) => (broken ? Promise.reject(new Error("cannot read")) : w.log.get(transactionId)),
    };
    await w.start({ log });
    await w.coordinator.welcome(1, 9e9);
    await w.clock.advance(7_200_000);
    expect(purges).toBe(2);
    await w.coordinator.prepare("t1");
    expect(w.coordinator.said()).toEqual(["hello []"]);
    broken = false;
    await w.clock.advance(1_000);
    expect(w.coordinator.said()).toEqual(["vote t1 commit"]);
  });
});

test("what it says to a coordinator that does not read is bounded", async () => {
  const w = await world(() => Promise.resolve({ value: "abort", reason: "no" }));
  const heard: ParticipantMessage[] = [];
  let incoming: Queue<Told> | undefined;
  let outgoing: AsyncIterable<Numbered<ParticipantMessage>> | undefined;
  const transport: ParticipantTransport = {
    name: "deaf",
    async *open(said) {
      outgoing = said;
      incoming = createQueue<Told>();
      yield* incoming.items;
    },
  };
  await w.start({ coordinators: [transport] });
  const [claim] = claimsTo(1);
  const welcome = { sessionEpoch: 1, coordinatorId: "c", coordinatorEpoch: 1, version: 1, claims: claim ? [claim] : [] };
  incoming?.push({ sequence: 1, message: { type: "welcome", ...welcome, heartbeatIntervalMs: 5_000, sessionTimeoutMs: 9e9 } });
  await flush();
  for (let sequence = 2; sequence < outgoingCountMax + 1_000; sequence += 1) {
    incoming?.push({ sequence, message: { type: "unreadable", reason: "what?" } });
  }
  while (incoming && incoming.count > 0) await flush();
  incoming?.close();
  await flush();
  for await (const { message } of outgoing ?? []) heard.push(message);
  expect(heard).toHaveLength(outgoingCountMax);
});
