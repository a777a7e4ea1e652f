import { describe, expect, test } from "vitest";
import type { Prepare } from "../../../../src/commit/core/messages.ts";
import type { ParticipantInput } from "../../../../src/commit/core/participant-step.ts";
import { preparedPayloadBytesMax, volatileVoteCountMax } from "../../../../src/commit/limits.ts";
import { createBoxes } from "../../../../src/commit/participant/boxes.ts";
import type { Resource } from "../../../../src/commit/ports.ts";
import { createSeldomLog } from "../../../../src/kernel/seldom.ts";
import { createMemoryParticipantLog } from "../../../../src/storage/memory/participant-log.ts";
import { flush, id, memoryResource, silent, tx, virtualClock } from "../support.ts";

const from = { coordinatorId: "c", epochSeen: 1 };

const prepare = (name: string, payload = new Uint8Array(), attempt = 1): ParticipantInput => ({
  type: "prepare",
  message: {
    type: "prepare",
    transactionId: tx(name),
    attempt,
    payload,
    voteWithinMs: 5_000,
    onePhase: false,
    coordinatorEpoch: 1,
  } satisfies Prepare,
  from,
  nowMs: 0,
});

const decide = (name: string, coordinatorEpoch = 1): ParticipantInput => ({
  type: "decision",
  message: { type: "decision", transactionId: tx(name), outcome: "committed", coordinatorEpoch, inReply: false },
  from,
  logId: "log",
  nowMs: 0,
});

function world(votes?: Resource["prepare"], log = createMemoryParticipantLog(), mayCommit = Promise.resolve()) {
  const { resource } = memoryResource(votes);
  const committed: Uint8Array[] = [];
  const sent: string[] = [];
  const clock = virtualClock();
  const boxes = createBoxes({
    participantId: id("a"),
    instanceId: "i",
    clock,
    random: () => 0.5,
    logger: silent,
    seldom: createSeldomLog(silent, () => 0),
    trace: undefined,
    signal: new AbortController().signal,
    log,
    resource: {
      ...resource,
      commit: async ({ payload }) => {
        await mayCommit;
        committed.push(payload);
      },
    },
    onStep: undefined,
    send: (_, message) => void sent.push(`${message.type} ${message.transactionId}`),
  });
  return { boxes, log, clock, committed, sent };
}

describe("in memory", () => {
  test("10,000 refused prepares leave a bounded number of votes, without their work", async () => {
    const { boxes, sent } = world(async () => ({ value: "abort", reason: "no" }));
    const work = new Uint8Array(1_000);
    for (let count = 1; count <= 10_000; count += 1) {
      boxes.post(tx(`t${count}`), prepare(`t${count}`, work));
      if (count % 100 === 0) await flush();
    }
    expect(boxes.count).toBe(volatileVoteCountMax);
    expect(boxes.get(tx("t10000"))).toMatchObject({ state: "refused", payload: new Uint8Array() });
    sent.length = 0;
    boxes.post(tx("t10000"), prepare("t10000", work, 2));
    await flush();
    expect(sent).toEqual(["vote t10000"]);
  });

  test.each([
    { size: "small", bytes: preparedPayloadBytesMax, kept: preparedPayloadBytesMax },
    { size: "large", bytes: preparedPayloadBytesMax + 1, kept: 0 },
  ])("$size work that is prepared takes $kept bytes, and is carried out whole", async ({ bytes, kept }) => {
    const { boxes, committed, sent } = world();
    const work = new Uint8Array(bytes).fill(7);
    boxes.post(tx("t1"), prepare("t1", work));
    await flush();
    expect(boxes.get(tx("t1"))?.payload.byteLength).toBe(kept);
    boxes.post(tx("t1"), { type: "inquire", nowMs: 0 });
    await flush();
    expect(boxes.get(tx("t1"))?.payload.byteLength).toBe(kept);
    boxes.post(tx("t1"), decide("t1"));
    await flush();
    expect(committed).toEqual([work]);
    expect(sent).toEqual(["vote t1", "inquiry t1", "decision-ack t1"]);
    expect(boxes.count).toBe(0);
  });

  test("what is being committed is no vote without a record: it stays, with its work, however many of those there are", async () => {
    const gate = Promise.withResolvers<void>();
    const { boxes, sent } = world(
      async ({ transactionId }) => ({ value: transactionId === "t1" ? "commit" : "abort", reason: "" }),
      undefined,
      gate.promise,
    );
    const work = new Uint8Array(9);
    boxes.post(tx("t1"), prepare("t1", work));
    await flush();
    boxes.post(tx("t1"), decide("t1"));
    await flush();
    boxes.post(tx("t1"), { type: "inquire", nowMs: 0 });
    for (let count = 0; count <= volatileVoteCountMax; count += 1) boxes.post(tx(`n${count}`), prepare(`n${count}`));
    await flush();
    expect(boxes.get(tx("t1"))).toMatchObject({ state: "committing", payload: work });
    sent.length = 0;
    gate.resolve();
    await flush();
    expect(sent).toEqual(["decision-ack t1"]);
    await boxes.idle();
  });

  test("who asks what is in doubt hears of one coordinator, or of all, and of what has been quiet for so long", async () => {
    const log = createMemoryParticipantLog();
    // What was loaded is not read once more.
    log.get = () => Promise.reject(new Error("it is here already"));
    const { boxes, clock } = world(undefined, log);
    for (const [name, coordinatorId] of [
      ["t1", "c"],
      ["t2", "other"],
    ] as const) {
      const record = { state: "prepared", onePhase: false, coordinatorEpoch: 1, reason: "", updatedAtMs: 0 } as const;
      boxes.load({ ...record, transactionId: tx(name), coordinatorId, payload: new Uint8Array() });
    }
    const [one, another] = [
      { transactionId: "t1", coordinatorId: "c" },
      { transactionId: "t2", coordinatorId: "other" },
    ];
    expect([boxes.inDoubt(), boxes.inDoubt("c"), boxes.inDoubt("nobody")]).toEqual([[one, another], [one], []]);
    // A promise is nothing that is under way.
    await boxes.idle();
    boxes.post(tx("t1"), { type: "inquire", nowMs: 0 });
    await flush();
    clock.stall(999);
    expect([boxes.inDoubt(undefined, 999), boxes.inDoubt(undefined, 1_000)]).toEqual([[one, another], [another]]);
  });

  // Forgotten in between, it would prepare and never vote: the transaction waits out its time, and what is held is in doubt to nobody.
  test("a transaction stays while a message waits behind a refused one, though nothing was known of it", async () => {
    const log = createMemoryParticipantLog();
    const read = Promise.withResolvers<void>();
    const get: typeof log.get = async (transactionId) => {
      await read.promise;
      return log.get(transactionId);
    };
    const { boxes, sent } = world(undefined, { ...log, get });
    boxes.post(tx("t1"), decide("t1", from.epochSeen - 1));
    boxes.post(tx("t1"), prepare("t1"));
    await flush();
    expect(sent).toEqual([]);
    read.resolve();
    await flush();
    expect(sent).toEqual(["vote t1"]);
    expect(boxes.inDoubt()).toEqual([{ transactionId: "t1", coordinatorId: "c" }]);
  });
});
