import { expect, test } from "vitest";
import { rivalHelloCountMax } from "../../../src/commit/limits.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { flush, id, request, startCoordinator, world } from "./support.ts";

// An operator lets go of a participant that will not come back.

const ada = { reason: "replaced", requestedBy: "ada", request: undefined };
const kept = (...types: readonly string[]) => ({
  ok: false,
  error: { type: "participant-kept", participantId: "a", because: types.map((type) => expect.objectContaining({ type })) },
});

async function started() {
  const w = world();
  await w.start();
  const forget = (name: string) => w.coordinator().driver.forgetParticipant(id(name), ada);
  const known = async () => {
    const listed = await w.coordinator().sessions.list({ afterId: undefined, limit: 10 });
    return listed.map(({ participantId, sessionEpoch }) => `${participantId} ${sessionEpoch}`);
  };
  /** A session that says what the test says. */
  const join = async (name: string) => {
    const session = w.coordinator().sessions.open(name);
    const hello = { type: "hello", participantId: id(name), instanceId: "i", versionMin: 1, versionMax: 1, inDoubt: [] } as const;
    let sequence = 1;
    await session.receive({ sequence, message: { ...hello, prepareCredit: 8 } });
    await flush();
    return {
      vote: async (transactionId: TransactionId) => {
        await session.receive({
          sequence: ++sequence,
          message: { type: "vote", transactionId, attempt: 1, value: "commit", reason: "" },
        });
        await flush();
      },
      leave: async () => {
        session.disconnect();
        await flush();
      },
    };
  };
  return { ...w, forget, known, join };
}

test("one that is away and owes nothing is forgotten; a repeat finds nothing; one that comes back is new", async () => {
  const w = await started();
  for (let count = 0; count < 3; count += 1) await (await w.join("a")).leave();
  await (await w.join("b")).leave();
  expect(await w.known()).toEqual(["a 3", "b 1"]);
  expect(await w.forget("a")).toMatchObject({ ok: true, value: { participantId: "a", sessionEpoch: 3, connected: false } });
  expect(await w.forget("a")).toEqual({ ok: true, value: undefined });
  expect(await w.forget("never heard of")).toEqual({ ok: true, value: undefined });
  expect(await w.known()).toEqual(["b 1"]);
  expect(w.coordinator().sessions.lastSeenAtMs(id("a"))).toBeUndefined();
  await w.join("a");
  expect(await w.known()).toEqual(["a 1", "b 1"]);
});

test("whoever waits for it to be forgotten hears that the coordinator has ended", async () => {
  const w = await started();
  await (await w.join("a")).leave();
  w.log.forgetParticipants = () => new Promise(() => {});
  const forgotten = w.forget("a");
  await flush();
  w.coordinator().driver.close();
  expect(await forgotten).toEqual({ ok: false, error: { type: "shutting-down" } });
});

test("a log that cannot forget it now is told so, and nothing has ended; one that another has claimed ends it", async () => {
  const w = await started();
  await (await w.join("a")).leave();
  const { forgetParticipants } = w.log;
  w.log.forgetParticipants = async () => err({ type: "storage-unavailable", cause: "full", outcomeUnknown: false });
  expect(await w.forget("a")).toEqual({ ok: false, error: { type: "storage-unavailable", transactionId: undefined } });
  w.log.forgetParticipants = forgetParticipants;
  await w.log.claim("c");
  expect(await w.forget("a")).toEqual({ ok: false, error: { type: "fenced", coordinatorEpoch: 2 } });
  expect(await w.coordinator().driver.replaced).toEqual({ type: "fenced", coordinatorEpoch: 2 });
});

test("one that is in session is kept", async () => {
  const w = await started();
  const a = await w.join("a");
  expect(await w.forget("a")).toEqual(kept("CONNECTED"));
  await a.leave();
  expect(await w.forget("a")).toMatchObject({ ok: true });
});

test("one that takes part in what is not decided is kept, until it is aborted", async () => {
  const w = await started();
  await (await w.join("a")).leave();
  const running = w.coordinator().driver.execute(request(["a"], { waitForParticipantsMs: 5_000 }));
  expect(await w.forget("a")).toEqual(kept("UNDECIDED"));
  await w.clock.advance(5_000);
  expect(await running).toMatchObject({ value: { outcome: "aborted" } });
  expect(await w.forget("a")).toMatchObject({ ok: true });
});

test("one that owes an acknowledgement is kept, also over a restart, and by an operator's resolution; until it has spoken", async () => {
  const w = await started();
  const [a, b] = [await w.join("a"), await w.join("b")];
  const running = w.coordinator().driver.execute(request(["a", "b"]));
  await flush();
  const { transactions } = await w.coordinator().driver.list({ beforeId: undefined, limit: 1 });
  const transactionId = transactions[0]?.id as TransactionId;
  await a.vote(transactionId);
  await b.vote(transactionId);
  expect(await running).toMatchObject({ value: { outcome: "committed" } });
  await a.leave();
  expect(await w.forget("a")).toEqual(kept("UNACKNOWLEDGED"));
  w.stop();
  await w.start();
  await flush();
  expect(await w.forget("a")).toEqual(kept("UNACKNOWLEDGED"));
  await w.coordinator().driver.resolve(transactionId, "committed", ada);
  expect(await w.forget("a")).toEqual(kept("UNACKNOWLEDGED"));
  // A stand-in for it: its log is new, and has no promise.
  const standIn = await w.participant("a");
  await flush();
  const closed = standIn.participant.close(0);
  await w.clock.advance(5_000);
  await closed;
  expect(await w.forget("a")).toMatchObject({ ok: true, value: { participantId: "a" } });
});

test("nobody is forgotten before it is known what was unfinished at the start", async () => {
  const w = await started();
  await (await w.join("a")).leave();
  w.stop();
  const { unfinished } = w.log;
  const gate = Promise.withResolvers<void>();
  w.log.unfinished = async (page) => {
    await gate.promise;
    return unfinished(page);
  };
  const { driver } = await startCoordinator(w.log, w.clock, { turns: () => () => undefined });
  expect(await driver.forgetParticipant(id("a"), ada)).toEqual(kept("RECOVERING"));
  gate.resolve();
  await driver.recovered;
  expect(await driver.forgetParticipant(id("a"), ada)).toMatchObject({ ok: true });
});

test("one that says Hello meanwhile stays, and is forgotten by no clock that was set back", async () => {
  const w = await started();
  await (await w.join("a")).leave();
  w.clock.setBy(-3_600_000);
  const { forgetParticipants } = w.log;
  w.log.forgetParticipants = async (...asked) => {
    w.log.forgetParticipants = forgetParticipants;
    w.clock.setBy(7_200_000);
    await w.join("a");
    return forgetParticipants(...asked);
  };
  await w.forget("a");
  expect(await w.known()).toEqual(["a 2"]);
});

test("what it did against a rival is forgotten too", async () => {
  const w = await started();
  for (let count = 0; count < rivalHelloCountMax + 1; count += 1) await (await w.join("a")).leave();
  await w.forget("a");
  await w.join("a");
  expect(await w.known()).toEqual(["a 1"]);
});
