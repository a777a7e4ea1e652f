import { describe, expect, test } from "vitest";
import { err, ok } from "../../../src/kernel/result.ts";
import { StorageUnavailableError } from "../../../src/kernel/write.ts";
import { createClosedVerdictLog } from "../../../src/predicate/closed-verdict-log.ts";
import {
  verdictAgeLookMs,
  verdictBatchBytesMax,
  verdictBatchCountMax,
  verdictDropCount,
  verdictGatherMs,
  verdictQueueBytesMax,
} from "../../../src/predicate/limits.ts";
import type { VerdictLog } from "../../../src/predicate/ports.ts";
import { createVerdictRecorder } from "../../../src/predicate/verdict-recorder.ts";
import { createMemoryVerdictLog } from "../../../src/storage/memory/verdict-log.ts";
import { checkOf, sampleCheck } from "../../support/rule-values.ts";
import { allowed, anyVerdict, denied, violationOf } from "../../support/verdict-values.ts";
import { virtualClock } from "../commit/support.ts";

type Settings = Parameters<typeof createVerdictRecorder>[0];

function world(changes: Partial<Settings> = {}, logChanges: (log: VerdictLog) => Partial<VerdictLog> = () => ({})) {
  const clock = virtualClock();
  const memory = createMemoryVerdictLog(clock.nowMs);
  const batches: number[] = [];
  const log: VerdictLog = {
    ...memory,
    append: (records) => {
      batches.push(records.length);
      return memory.append(records);
    },
    ...logChanges(memory),
  };
  const lines: object[] = [];
  const dropped: Record<string, number> = {};
  const write = (fields: object, message: string): void => void lines.push({ ...fields, message });
  const recorder = createVerdictRecorder({
    log,
    all: false,
    keepInput: false,
    bytesMax: 2 ** 30,
    retentionMs: 3_600_000,
    clock,
    // Nobody else has anything to do here.
    turns: () => () => undefined,
    logger: { info: write, warn: write, error: write },
    onDropped: (why, count) => {
      dropped[why] = (dropped[why] ?? 0) + count;
    },
    ...changes,
  });
  const kept = async () =>
    (await memory.list({ beforeSequence: undefined, limit: 10_000, wanted: anyVerdict })).rows.toReversed();
  return { clock, log: memory, recorder, batches, lines, dropped, kept };
}

const cold = denied(violationOf("cold"));
const long = checkOf({ reason: "x".repeat(300_000) });

describe("what is written down", () => {
  test("are findings, with the time at which they were judged, some tenths of a second later and together", async () => {
    const { clock, recorder, batches, kept } = world();
    recorder.judged([sampleCheck, sampleCheck], [cold, allowed()]);
    await clock.advance(verdictGatherMs - 1);
    recorder.judged([sampleCheck], [allowed({ warnings: [violationOf("late")] })]);
    expect(batches).toEqual([]);
    await clock.advance(1);
    expect(batches).toEqual([2]);
    expect(await kept()).toMatchObject([
      {
        verdict: { type: "rule-denied" },
        judgedAtMs: 1_000_000,
        workflowId: "sample-17",
        fromState: "ACTIVE",
        toState: "COMPLETED",
      },
      { verdict: { type: "allowed" }, judgedAtMs: 1_000_000 + verdictGatherMs - 1, requestedBy: "ada", input: undefined },
    ]);
  });

  test("is everything that was judged, if that is wanted, and never what was put off", async () => {
    const { recorder, kept } = world({ all: true });
    const invalid = { type: "invalid-transition", ruleSetRevision: 1, allowedStates: [] } as const;
    recorder.judged(
      [sampleCheck, sampleCheck, sampleCheck, sampleCheck],
      [cold, allowed(), { type: "deferred", ruleSetRevision: 1 }, invalid],
    );
    await recorder.close();
    expect((await kept()).map(({ verdict }) => verdict.type)).toEqual(["rule-denied", "allowed", "invalid-transition"]);
  });

  test("has the question if that is wanted", async () => {
    const { recorder, kept } = world({ keepInput: true });
    recorder.judged([sampleCheck], [cold]);
    await recorder.close();
    expect(await kept()).toMatchObject([{ input: sampleCheck }]);
  });

  test("goes in batches that are bounded in count and in bytes", async () => {
    const { recorder, batches } = world();
    const count = verdictBatchCountMax + 1;
    recorder.judged(
      Array.from({ length: count }, () => sampleCheck),
      Array.from({ length: count }, () => cold),
    );
    recorder.judged([long, long, long, long], [cold, cold, cold, cold]);
    await recorder.close();
    // One that is larger than a batch may be goes alone.
    expect(300_000).toBeGreaterThan(verdictBatchBytesMax);
    expect(batches).toEqual([verdictBatchCountMax, 1, 1, 1, 1, 1]);
  });

  test("is written at the end, also what comes while the last ones are on their way", async () => {
    const { recorder, kept } = world();
    recorder.judged([sampleCheck], [cold]);
    const closing = recorder.close();
    recorder.judged([sampleCheck], [cold]);
    await closing;
    expect(await kept()).toHaveLength(2);
  });

  test("is written at the end, also what comes when the last batch is written and its writer has not yet said so", async () => {
    let late: (() => void) | undefined;
    const { recorder, kept } = world({}, (memory) => ({
      usedBytes: () => {
        const judge = late;
        late = undefined;
        // One turn later the writer sees that nothing is queued, and in the next one it ends.
        queueMicrotask(() => queueMicrotask(() => judge?.()));
        return memory.usedBytes();
      },
    }));
    late = () => recorder.judged([sampleCheck], [cold]);
    recorder.judged([sampleCheck], [cold]);
    await recorder.close();
    expect(await kept()).toHaveLength(2);
  });
});

describe("judging goes on", () => {
  test("while the disk is slow: what the queue has no room for is counted and lost, and told once a minute", async () => {
    const written = Promise.withResolvers<void>();
    const { clock, recorder, dropped, lines, kept } = world({}, (memory) => ({
      append: async (records) => {
        await written.promise;
        return memory.append(records);
      },
    }));
    const fitting = Math.floor(verdictQueueBytesMax / 300_000);
    for (let index = 0; index < fitting + 10; index += 1) recorder.judged([long], [cold]);
    await clock.advance(verdictGatherMs);
    // What is on its way has not left the queue's room.
    recorder.judged([long], [cold]);
    const lost = dropped["queue-full"] ?? 0;
    expect(lost).toBeGreaterThanOrEqual(11);
    expect(lines).toEqual([
      { cause: "more is judged than can be written down", message: "verdicts are not written down; judging goes on" },
    ]);
    written.resolve();
    await recorder.close();
    expect(await kept()).toHaveLength(fitting + 11 - lost);
    recorder.judged([long], [cold]);
    expect(dropped).toEqual({ "queue-full": lost });
  });

  test.each([
    {
      what: "cannot be written",
      append: async () => err({ type: "storage-unavailable", cause: "full", outcomeUnknown: false } as const),
    },
    { what: "throws", append: () => Promise.reject(new Error("full")) },
  ])("while the log $what: what is lost is counted, and what comes later is written", async ({ append }) => {
    let isFull = true;
    const { clock, recorder, dropped, lines, kept } = world({}, (memory) => ({
      append: (records) => (isFull ? append() : memory.append(records)),
    }));
    recorder.judged([sampleCheck, sampleCheck], [cold, cold]);
    await clock.advance(verdictGatherMs);
    recorder.judged([sampleCheck], [cold]);
    await clock.advance(verdictGatherMs);
    expect(dropped).toEqual({ "not-written": 3 });
    expect(lines).toHaveLength(1);
    isFull = false;
    recorder.judged([sampleCheck], [cold]);
    await clock.advance(verdictGatherMs);
    expect(await kept()).toHaveLength(1);
    await recorder.close();
  });

  test("without a log that could be opened", async () => {
    const closed = createClosedVerdictLog("the file is damaged");
    const { recorder, dropped, clock, lines } = world({ log: closed });
    recorder.judged([sampleCheck], [cold]);
    await clock.advance(verdictAgeLookMs);
    await recorder.close();
    expect(dropped).toEqual({ "not-written": 1 });
    expect(lines).toMatchObject([{ cause: "the file is damaged" }]);
    await expect(closed.list({ beforeSequence: undefined, limit: 1, wanted: anyVerdict })).rejects.toThrow(
      StorageUnavailableError,
    );
    await closed.close();
  });
});

test("what is judged in the very moment in which nothing is left to write is written by itself, too", async () => {
  for (let moment = 0; moment < 30; moment += 1) {
    let isFirst = true;
    const { clock, recorder, kept } = world({}, (memory) => ({
      append: async (records) => {
        if (isFirst) void later();
        isFirst = false;
        return memory.append(records);
      },
    }));
    const later = async (): Promise<void> => {
      for (let turn = 0; turn < moment; turn += 1) await Promise.resolve();
      recorder.judged([sampleCheck], [cold]);
    };
    recorder.judged([sampleCheck], [cold]);
    await clock.advance(verdictGatherMs);
    await clock.advance(verdictGatherMs);
    expect(await kept(), `judged ${moment} turns after the first was written`).toHaveLength(2);
    await recorder.close();
  }
});

describe("what is kept", () => {
  test("is bounded in bytes: the oldest go", async () => {
    const { recorder, kept, log } = world({ bytesMax: 100_000 });
    const said = denied(violationOf("cold", "x".repeat(1_000)));
    for (let index = 0; index < 1_000; index += 1) recorder.judged([sampleCheck], [said]);
    await recorder.close();
    expect(log.usedBytes()).toBeLessThanOrEqual(100_000);
    const sequences = (await kept()).map(({ sequence }) => sequence);
    expect(sequences.at(-1)).toBe(1_000);
    expect(sequences.length).toBeGreaterThan(10);
  });

  test("is bounded in time, also if nothing is written any more, and however much is too old", async () => {
    const { clock, recorder, kept } = world({ retentionMs: 2 * verdictAgeLookMs });
    const count = 3 * verdictDropCount;
    recorder.judged(
      Array.from({ length: count }, () => sampleCheck),
      Array.from({ length: count }, () => cold),
    );
    await clock.advance(2 * verdictAgeLookMs);
    expect(await kept()).toHaveLength(count);
    await clock.advance(verdictAgeLookMs);
    expect(await kept()).toHaveLength(0);
    await recorder.close();
    await clock.advance(10 * verdictAgeLookMs);
    expect(clock.timerCount).toBe(0);
  });

  test("is looked at no more after the end, also if somebody was just looking", async () => {
    const dropped = Promise.withResolvers<ReturnType<typeof ok<number>>>();
    const { clock, recorder } = world({}, () => ({ drop: () => dropped.promise }));
    await clock.advance(verdictAgeLookMs);
    await recorder.close();
    dropped.resolve(ok(0));
    await clock.advance(verdictAgeLookMs);
    expect(clock.timerCount).toBe(0);
  });

  test("stays where it cannot be dropped, which is told", async () => {
    const { clock, recorder, lines } = world({}, () => ({ drop: () => Promise.reject(new Error("damaged")) }));
    await clock.advance(2 * verdictAgeLookMs);
    expect(lines).toMatchObject([{ message: "old verdicts cannot be dropped" }, { message: "old verdicts cannot be dropped" }]);
    await recorder.close();
  });
});

test("others have their turn before each part of a digest is made", async () => {
  let turnsOfOthers = 0;
  const turns = () => async () => {
    turnsOfOthers += 1;
  };
  const { recorder, kept } = world({ turns });
  for (let index = 0; index < 40; index += 1) recorder.judged([sampleCheck], [cold]);
  await recorder.close();
  expect(turnsOfOthers).toBeGreaterThanOrEqual(4 * 40);
  expect(await kept()).toHaveLength(40);
});
