import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { ParticipantMessage } from "../../../src/commit/core/messages.ts";
import type { DriverOptions } from "../../../src/commit/driver.ts";
import { orEnd, promiseOrEnd } from "../../../src/commit/ends.ts";
import { ownershipCheckIntervalMs } from "../../../src/commit/limits.ts";
import { noMetrics } from "../../../src/commit/metrics.ts";
import { AssertionError } from "../../../src/kernel/assert.ts";
import type { RequestId, TransactionId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { allUntil, begun, collect, flush, id, request, silent, tx, vote as voteOf, world } from "./support.ts";

// Whatever waits for a coordinator hears why it ends, whether that is fenced, leaves, or has a defect.

type World = ReturnType<typeof world>;

const nobody = { reason: "", requestedBy: "", request: undefined };

/** A participant that says what the test says, with what it has heard. */
async function scripted(w: World, name: string, { instanceId = "i", wait = true } = {}) {
  const session = w.coordinator().sessions.open(name);
  const heard: unknown[] = [];
  void (async () => {
    for await (const { message } of session.outgoing) heard.push(message);
  })();
  let sequence = 0;
  const say = async (message: ParticipantMessage): Promise<void> => {
    await session.receive({ sequence: ++sequence, message });
    await flush();
  };
  const hello = { participantId: id(name), instanceId, versionMin: 1, versionMax: 1, prepareCredit: 8 };
  const greeted = say({ type: "hello", inDoubt: [], ...hello });
  if (wait) await greeted;
  else await flush();
  return { session, heard, say };
}

async function newest(w: World): Promise<TransactionId> {
  const [first] = (await w.coordinator().driver.list({ beforeId: undefined, limit: 1 })).transactions;
  return first?.id ?? tx("");
}

const vote = (transactionId: TransactionId): ParticipantMessage => ({
  type: "vote",
  transactionId,
  attempt: 1,
  value: "commit",
  reason: "",
});

/** Ends a coordinator, as an end would be told by its verbs and watches. */
const ends: Readonly<Record<string, (w: World) => Promise<unknown>>> = {
  fenced: async (w) => {
    await w.log.claim("c");
    await w.clock.advance(ownershipCheckIntervalMs);
    return { type: "fenced", coordinatorEpoch: 2 };
  },
  "shutting down": async (w) => {
    w.coordinator().driver.close();
    return { type: "shutting-down" };
  },
};

for (const [name, end] of Object.entries(ends)) {
  describe(`a coordinator that is ${name}`, () => {
    const never = <T>(): Promise<T> => new Promise(() => {});

    /** One transaction each: enlisting, waiting for a participant, and completed. */
    async function busy() {
      const w = world();
      await w.start();
      const { driver } = w.coordinator();
      const { enlistments: _, ...rest } = request([]);
      const begun = await driver.begin({ ...rest, idleTimeoutMs: 60_000 });
      if (!begun.ok) throw new Error(begun.error.type);
      const key = { request: { id: "r1" as RequestId, digest: "x" } };
      const waiting = request(["missing"], { waitForParticipantsMs: 60_000, ...key });
      const answer = driver.execute(waiting);
      await flush();
      const over = await w.run([]);
      await flush();
      return { ...w, driver, begun: begun.value.id, waiting, answer, over: over.id };
    }

    test("answers every verb, on what runs and on what is over", async () => {
      const { driver, begun, waiting, answer, over, ...w } = await busy();
      const left = await end(w);
      expect(await answer).toMatchObject({ error: left });
      const enlistment = { participantId: id("a"), payload: new Uint8Array() };
      for (const transactionId of [begun, over]) {
        expect(await driver.enlist(transactionId, enlistment, nobody)).toEqual(err(left));
        expect(await driver.commit(transactionId, nobody)).toEqual(err(left));
        expect(await driver.abort(transactionId, nobody)).toEqual(err(left));
        expect(await driver.retry(transactionId, nobody)).toEqual(err(left));
        expect(await driver.resolve(transactionId, "committed", nobody)).toEqual(err(left));
        expect(await driver.forget(transactionId, nobody)).toEqual(err(left));
      }
      expect(await driver.execute(waiting)).toEqual(err(left));
      expect(await driver.begin({ ...waiting, idleTimeoutMs: 1 })).toEqual(err(left));
    });

    test("ends watches at once, also where nothing happens, and begins none", async () => {
      const { driver, begun, ...w } = await busy();
      const watches = () => {
        const stay = new AbortController().signal;
        return [driver.watch(begun, stay), driver.watchAll(allUntil(stay))];
      };
      const all = watches();
      const seen = all.map(async (watch) => {
        for (let next = await watch.next(); ; next = await watch.next()) if (next.done) return next.value;
      });
      await flush();
      const left = await end(w);
      expect(await Promise.all(seen)).toEqual([left, left]);
      for (const watch of watches()) expect(await watch.next()).toEqual({ done: true, value: left });
    });

    test("answers what waits for a write that does not come back", async () => {
      const { driver, over, ...w } = await busy();
      const gate = Promise.withResolvers<void>();
      w.log.byRequest = () => gate.promise.then(() => undefined);
      const looked = driver.execute(request([], { request: { id: "r2" as RequestId, digest: "x" } }));
      w.log.openSession = never;
      const { session } = await scripted(w, "a", { wait: false });
      w.log.forget = never;
      w.log.record = never;
      const { id: unrecorded } = await w.run([]);
      const forgotten = [driver.forget(over, nobody), driver.forget(unrecorded, nobody)];
      await flush();
      const left = await end(w);
      expect(await Promise.all(forgotten)).toEqual([err(left), err(left)]);
      expect(session.end?.reason).toBe(name === "fenced" ? "COORDINATOR_FENCED" : "SHUTTING_DOWN");
      gate.resolve();
      expect(await looked).toEqual(err(left));
    });

    test("lets no Hello wait that was delayed, and leaves no timer", async () => {
      const w = world();
      await w.start();
      for (const instanceId of ["1", "2", "3"]) await scripted(w, "a", { instanceId });
      const { session, heard } = await scripted(w, "a", { instanceId: "4", wait: false });
      expect([session.end, heard]).toEqual([undefined, []]);
      await end(w);
      expect(session.end?.reason).toBe(name === "fenced" ? "COORDINATOR_FENCED" : "SHUTTING_DOWN");
      await flush();
      expect(w.clock.timerCount).toBe(0);
    });

    test("tries no write again", async () => {
      const w = world();
      await w.start();
      const a = await scripted(w, "a");
      const b = await scripted(w, "b");
      w.log.force = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: true });
      const answer = w.coordinator().driver.execute(request(["a", "b"]));
      await flush();
      const transactionId = await newest(w);
      for (const { say } of [a, b]) await say(vote(transactionId));
      expect(await answer).toEqual(err({ type: "storage-unavailable", transactionId }));
      const commit = w.coordinator().driver.commit(transactionId, nobody);
      await end(w);
      expect(await commit).toMatchObject({ ok: false });
      await flush();
      expect(w.clock.timerCount).toBe(0);
    });
  });
}

describe("a shutdown", () => {
  test("aborts at once what only enlists, and does not wait for it", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const { enlistments: _, ...rest } = request([]);
    const begun = await driver.begin({ ...rest, idleTimeoutMs: 60_000 });
    if (!begun.ok) throw new Error(begun.error.type);
    const watched = collect(driver.watch(begun.value.id, new AbortController().signal));
    // No time passes.
    await driver.drain(60_000);
    expect((await watched).at(-1)).toMatchObject({ phase: "COMPLETED", abortReason: "the coordinator is shutting down" });
    expect(await driver.commit(begun.value.id, nobody)).toMatchObject({ ok: true, value: { outcome: "aborted" } });
  });

  test("waits for what participants can decide, and no longer", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const a = await scripted(w, "a");
    const b = await scripted(w, "b");
    const answer = driver.execute(request(["a", "b"]));
    await flush();
    const transactionId = await newest(w);
    let drained = false;
    const drain = driver.drain(60_000).then(() => {
      drained = true;
    });
    await a.say(vote(transactionId));
    expect(drained).toBe(false);
    await b.say(vote(transactionId));
    await drain;
    expect(await answer).toMatchObject({ ok: true, value: { outcome: "committed" } });
  });

  /** One transaction at a lone participant, which was asked when the shutdown began. */
  async function delegated(graceMs = 60_000) {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const a = await scripted(w, "a");
    const answer = driver.execute(request(["a"]));
    await flush();
    const transactionId = await newest(w);
    let drained = false;
    const drain = driver.drain(graceMs).then(() => {
      drained = true;
    });
    await flush();
    expect(drained).toBe(false);
    return { ...w, driver, a, answer, transactionId, drain };
  }

  test("waits for what a lone participant decides", async () => {
    const { a, answer, transactionId, drain } = await delegated();
    await a.say({ type: "decision-ack", transactionId, outcome: "committed", reason: "" });
    await drain;
    expect(await answer).toMatchObject({ ok: true, value: { outcome: "committed" } });
  });

  test("waits for a lone participant no longer than its callers do", async () => {
    const { answer, transactionId, drain, ...w } = await delegated();
    await w.clock.advance(10_000);
    await drain;
    expect(await answer).toEqual(err({ type: "pending", transactionId }));
    // Nobody waits for it any more, so neither does the next.
    await w.driver.drain(60_000);
  });

  test("names the transaction to whoever still waits for a lone participant when its time is over", async () => {
    const { driver, answer, transactionId, drain, ...w } = await delegated(1_000);
    await w.clock.advance(1_000);
    await drain;
    driver.close();
    expect(await answer).toEqual(err({ type: "shutting-down", transactionId }));
  });
});

test("whoever has waited leaves nothing behind, whichever way it ended", async () => {
  const ending = new AbortController();
  const listeners = () => getEventListeners(ending.signal, "abort").length;
  let undone = 0;
  const undo = (): void => {
    undone += 1;
  };
  const settled = orEnd<string, string>(ending.signal, (settle) => {
    settle("settled");
    return undo;
  });
  const waits = orEnd<string, string>(ending.signal, () => undo);
  expect([await settled, listeners(), undone]).toEqual(["settled", 1, 1]);
  await expect(promiseOrEnd(ending.signal, Promise.reject(new Error("no")))).rejects.toThrow("no");
  ending.abort("over");
  expect([await waits, listeners(), undone]).toEqual(["over", 0, 2]);
  expect(await orEnd<string, string>(ending.signal, () => undo)).toBe("over");
});

test("a thousand who wait are one listener, and each hears the end", async () => {
  const ending = new AbortController();
  const waits = Array.from({ length: 1_000 }, () => orEnd<string, string>(ending.signal, () => {}));
  expect(getEventListeners(ending.signal, "abort").length).toBe(1);
  ending.abort("over");
  expect(new Set(await Promise.all(waits))).toEqual(new Set(["over"]));
});

describe("a defect", () => {
  /** A coordinator with one transaction under way at "a" and "b". The next thing that this option does is a defect. */
  async function defective(broken: (fail: () => void) => Partial<DriverOptions>) {
    let armed = false;
    const logged: object[] = [];
    const logger = { ...silent, error: (fields: object) => void logged.push(fields) };
    const fail = (): void => {
      if (!armed) return;
      armed = false;
      throw new AssertionError("TypeOK");
    };
    const w = world({ ...broken(fail), logger });
    await w.start();
    const a = await scripted(w, "a");
    const b = await scripted(w, "b");
    const answer = w.coordinator().driver.execute(request(["a", "b"]));
    await flush();
    const transactionId = await newest(w);
    const arm = (): void => {
      armed = true;
    };
    return { ...w, logged, a, b, answer, transactionId, arm };
  }

  const places: Readonly<Record<string, (fail: () => void) => Partial<DriverOptions>>> = {
    "an assertion in a step": (fail) => ({
      random: () => {
        fail();
        return 0.5;
      },
    }),
    "the trace": (fail) => ({ trace: ({ action }) => action === "RecvVote" && fail() }),
    "the metrics": (fail) => ({ metrics: { ...noMetrics, forced: fail } }),
  };
  for (const [place, broken] of Object.entries(places)) {
    test(`in ${place} ends its transaction only: logged, answered, and later inputs are refused`, async () => {
      const { logged, a, b, answer, transactionId, arm, ...w } = await defective(broken);
      const { driver } = w.coordinator();
      const watched = collect(driver.watch(transactionId, new AbortController().signal));
      await a.say(vote(transactionId));
      arm();
      await b.say(vote(transactionId));
      const defect = err({ type: "defect", transactionId });
      expect(await answer).toEqual(defect);
      expect(logged).toMatchObject([{ transaction: transactionId, err: { message: "TypeOK" } }]);
      await b.say(vote(transactionId));
      expect(b.heard.at(-1)).toMatchObject({ type: "nack", sequence: 3 });
      expect(await driver.abort(transactionId, nobody)).toEqual(defect);
      expect(await driver.commit(transactionId, nobody)).toEqual(defect);
      expect((await watched).at(-1)?.outcome).toBeUndefined();
      // Others go on, and nothing waits for what will not come.
      expect(await driver.execute(request([]))).toMatchObject({ ok: true, value: { outcome: "committed" } });
      await driver.drain(60_000);
    });
  }

  test("in a rejected write of the decision leaves the record to the next start", async () => {
    const { a, b, answer, transactionId, ...w } = await defective(() => ({}));
    const { force } = w.log;
    const gate = Promise.withResolvers<void>();
    w.log.force = async (transaction) => {
      await force(transaction);
      await gate.promise;
      throw new Error("a damaged page");
    };
    await a.say(vote(transactionId));
    await b.say(vote(transactionId));
    await a.say({ type: "inquiry", transactionId, coordinatorId: "c" });
    gate.resolve();
    await flush();
    // What waited behind it is refused too.
    expect(a.heard.at(-1)).toMatchObject({ type: "nack", sequence: 3 });
    expect(await answer).toEqual(err({ type: "defect", transactionId }));
    w.log.force = force;
    w.stop();
    await w.start();
    const again = await scripted(w, "a");
    expect(again.heard).toMatchObject([{ type: "welcome" }, { type: "decision", transactionId, outcome: "committed" }]);
  });

  test("in a rejected record of history leaves it to the next start", async () => {
    const { a, b, answer, transactionId, logged, ...w } = await defective(() => ({}));
    const { record } = w.log;
    w.log.record = () => Promise.reject(new Error("a damaged page"));
    await a.say({ ...vote(transactionId), value: "abort" } as ParticipantMessage);
    await b.say({ type: "decision-ack", transactionId, outcome: "aborted", reason: "" });
    expect(await answer).toMatchObject({ ok: true, value: { outcome: "aborted" } });
    expect(logged).toMatchObject([{ transaction: transactionId, err: { message: "a damaged page" } }]);
    w.log.record = record;
    const { driver } = w.coordinator();
    for (const answered of [driver.retry(transactionId, nobody), driver.forget(transactionId, nobody)]) {
      expect(await answered).toEqual(err({ type: "defect", transactionId }));
    }
  });

  test("in a record that is taken over leaves that one alone, and the coordinator starts", async () => {
    const logged: object[] = [];
    const w = world({ logger: { ...silent, error: (fields: object) => void logged.push(fields) } });
    await w.log.claim("c");
    const { transaction } = begun(["a", "b"]);
    await w.log.force({ ...transaction, id: tx("impossible") });
    const votes = [voteOf("a", "commit"), voteOf("b", "commit")];
    const decided = votes.reduce((each, input) => stepCoordinator(each, input).transaction, transaction);
    await w.log.force({ ...decided, id: tx("decided") });
    await w.start();
    expect(logged).toMatchObject([{ transaction: "impossible", err: { name: "AssertionError" } }]);
    const a = await scripted(w, "a");
    await a.say({ type: "inquiry", transactionId: tx("impossible"), coordinatorId: "c" });
    expect(a.heard).toMatchObject([
      { type: "welcome" },
      { type: "decision", transactionId: "decided" },
      { type: "nack", sequence: 2 },
    ]);
  });

  test("in its first step is told to who begins it", async () => {
    const { arm, ...w } = await defective((fail) => ({ metrics: { ...noMetrics, begun: fail } }));
    arm();
    const { enlistments: _, ...rest } = request([]);
    const begun = await w.coordinator().driver.begin({ ...rest, idleTimeoutMs: 60_000 });
    expect(begun).toEqual(err({ type: "defect", transactionId: await newest(w) }));
  });
});
