import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SinkStore } from "../../src/events/ports.ts";
import { ok } from "../../src/kernel/result.ts";
import { createMemoryDecisionLog } from "../../src/storage/memory/decision-log.ts";
import { createMemoryRuleStore } from "../../src/storage/memory/rule-store.ts";
import { createMemorySinkStore } from "../../src/storage/memory/sink-store.ts";
import { createMemoryVerdictLog } from "../../src/storage/memory/verdict-log.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { openSqliteSinkStore, sinkSchema, sqliteSinkStore } from "../../src/storage/sqlite/sink-store.ts";
import { openOnSimulatedDisk } from "../support/simulated-store.ts";
import { deadLetter, sinkRecord, sourceEvent } from "../support/sink-values.ts";
import { storageDir } from "../support/storage-dir.ts";
import { requestId } from "../support/storage-values.ts";

async function openSqlite(path = join(storageDir(), "events.sqlite")): Promise<SinkStore> {
  const opened = await openSqliteSinkStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

const at = (sequence: number, sink = "bus") => deadLetter({ sink, event: { ...sourceEvent, sequence } });
const request = { id: requestId("r"), digest: "d", answer: '{"cursor":3}', atMs: 1_000 };

test("in memory, nothing is lost in a restore: what is kept so long is kept so long back from now", () => {
  const clock = () => 5_000;
  const creates = [
    createMemorySinkStore,
    createMemoryWorkflowStore,
    createMemoryRuleStore,
    createMemoryDecisionLog,
    createMemoryVerdictLog,
  ];
  for (const create of creates) expect(create(clock).keptBeforeMs(1_000)).toBe(4_000);
});

describe.each([
  ["sqlite", openSqlite],
  ["sqlite on a simulated disk", async () => openOnSimulatedDisk(sinkSchema, sqliteSinkStore)],
  ["memory", async () => createMemorySinkStore()],
] as const)("sink store: %s", (_, open) => {
  test("sinks are read as they were written last, by name", async () => {
    const store = await open();
    expect(store.writable).toBe(true);
    await store.apply({ puts: [sinkRecord("z"), sinkRecord("a")] });
    const moved = sinkRecord("z", { kind: "webhook", cursor: 7, isPaused: true, last: { sequence: 6, eventId: "e-6" } });
    expect(await store.apply({ puts: [moved] })).toEqual(ok(undefined));
    expect(await store.sinks()).toStrictEqual([sinkRecord("a"), moved]);
    const passing = { ...moved, passesPurgedUpTo: 9 };
    await store.apply({ puts: [passing] });
    expect(await store.sinks()).toStrictEqual([sinkRecord("a"), passing]);
    await store.apply({ puts: [moved] });
    expect(await store.sinks()).toStrictEqual([sinkRecord("a"), moved]);
    await store.close();
  });

  test("dead letters are read in order, by sink, in stretches, and can be dropped", async () => {
    const store = await open();
    await store.apply({ deadLetters: [at(3), at(1), at(2, "other"), at(10)] });
    await store.apply({ deadLetters: [{ ...at(3), cause: "HTTP 500", tries: 4, refusedAtMs: 77 }] });
    const first = await store.deadLetters({ sink: "bus", afterSequence: 0, limit: 2 });
    expect(first).toStrictEqual({
      rows: [at(1), { ...at(3), cause: "HTTP 500", tries: 4, refusedAtMs: 77 }],
      upTo: 3,
      looked: 2,
    });
    expect((await store.deadLetters({ sink: "bus", afterSequence: 3, limit: 2 })).rows).toStrictEqual([at(10)]);
    await store.apply({ dropped: { sink: "bus", sequences: [1, 2, 10] } });
    expect([await store.deadLetterCount("bus"), await store.deadLetterCount("other")]).toEqual([1, 1]);
    await store.close();
  });

  test("a new try of a dead letter changes it, and brings none back that was dropped", async () => {
    const store = await open();
    await store.apply({ deadLetters: [at(1), at(2), at(2, "other")] });
    const retried = { ...at(2), cause: "HTTP 500", tries: 4, refusedAtMs: 77 };
    await store.apply({ retried });
    await store.apply({ dropped: { sink: "bus", sequences: [1] } });
    await store.apply({ retried: at(1) });
    expect((await store.deadLetters({ sink: "bus", afterSequence: 0, limit: 9 })).rows).toStrictEqual([retried]);
    expect((await store.deadLetters({ sink: "other", afterSequence: 0, limit: 9 })).rows).toStrictEqual([at(2, "other")]);
    await store.close();
  });

  test("an answer is kept once, with all that is in its batch or with nothing of it, until it is purged", async () => {
    const store = await open();
    await store.apply({ puts: [sinkRecord("bus", { cursor: 3 })], request });
    const again = await store.apply({ puts: [sinkRecord("bus", { cursor: 9 })], request: { ...request, digest: "other" } });
    expect(again).toMatchObject({ ok: false, error: { type: "conflict", conflict: { type: "request-exists" } } });
    expect((await store.sinks())[0]?.cursor).toBe(3);
    expect(await store.answer(request.id)).toMatchObject({ digest: "d", answer: '{"cursor":3}' });
    expect(await store.purge({ olderThanMs: 1_000, limit: 9 })).toEqual(ok(0));
    expect(await store.purge({ olderThanMs: 1_001, limit: 9 })).toEqual(ok(1));
    expect(await store.answer(request.id)).toBeUndefined();
    await store.close();
  });

  test("the oldest answers are purged first", async () => {
    const store = await open();
    for (const atMs of [1, 2, 3]) await store.apply({ request: { ...request, id: requestId(`r${atMs}`), atMs } });
    expect(await store.purge({ olderThanMs: 3, limit: 1 })).toEqual(ok(1));
    const left = await Promise.all(["r1", "r2", "r3"].map(async (id) => (await store.answer(requestId(id))) !== undefined));
    expect(left).toEqual([false, true, true]);
    await store.close();
  });
});

test("a file that is opened again has all of it", async () => {
  const path = join(storageDir(), "events.sqlite");
  const first = await openSqlite(path);
  await first.apply({ puts: [sinkRecord("bus", { cursor: 5 })], deadLetters: [at(4)], request });
  await first.close();
  const second = await openSqlite(path);
  expect(await second.sinks()).toStrictEqual([sinkRecord("bus", { cursor: 5 })]);
  expect(await second.deadLetterCount("bus")).toBe(1);
  expect(await second.answer(request.id)).toMatchObject({ digest: "d" });
  await second.close();
});
