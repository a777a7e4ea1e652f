import { describe, expect, test } from "vitest";
import type { ParticipantMessage } from "../../../src/commit/core/messages.ts";
import type { DriverOptions } from "../../../src/commit/driver.ts";
import { noMetrics } from "../../../src/commit/metrics.ts";
import { AssertionError } from "../../../src/kernel/assert.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { collect, flush, id, request, silent, tx, world } from "./support.ts";

// Whatever waits for a coordinator hears why it ends, whether that is fenced, leaves, or has a defect.

type World = ReturnType<typeof world>;

const nobody = { reason: "", requestedBy: "", request: undefined };

/** A participant that says what the test says, with what it has heard. */
async function scripted(w: World, name: string) {
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
  const hello = { participantId: id(name), instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 8 };
  await say({ type: "hello", inDoubt: [], ...hello });
  return { session, heard, say };
}

async function newest(w: World): Promise<TransactionId> {
  const [first] = await w.coordinator().driver.list({ beforeId: undefined, limit: 1 });
  return first?.id ?? tx("");
}

describe("a defect", () => {
  const vote = (transactionId: TransactionId): ParticipantMessage => ({
    type: "vote",
    transactionId,
    attempt: 1,
    value: "commit",
    reason: "",
  });

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
    "the trace": (fail) => ({ trace: fail }),
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
    w.log.force = async (transaction) => {
      await force(transaction);
      throw new Error("a damaged page");
    };
    await a.say(vote(transactionId));
    await b.say(vote(transactionId));
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
    expect(await w.coordinator().driver.retry(transactionId, nobody)).toEqual(err({ type: "defect", transactionId }));
  });
});
