import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { ParticipantRecord } from "../../src/commit/core/participant-step.ts";
import type { ParticipantLog } from "../../src/commit/ports.ts";
import { createMemoryParticipantLog } from "../../src/storage/memory/participant-log.ts";
import {
  openSqliteParticipantLog,
  participantLogSchema,
  sqliteParticipantLog,
} from "../../src/storage/sqlite/participant-log.ts";
import { temporaryFolder } from "../support/concord.ts";
import { openOnSimulatedDisk } from "../support/simulated-store.ts";
import { tx } from "../unit/commit/support.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openSqlite() {
  const folder = temporaryFolder();
  const opened = await openSqliteParticipantLog({ path: join(folder.path, "participant.db") });
  if (!opened.ok) throw new Error(opened.error.message);
  cleanups.push(folder.remove, () => opened.value.close());
  return opened.value;
}

const record = (name: string, change: Partial<ParticipantRecord> = {}): ParticipantRecord => ({
  transactionId: tx(name),
  state: "prepared",
  onePhase: false,
  coordinatorId: "c",
  coordinatorEpoch: 3,
  payload: new Uint8Array([1, 2, 3]),
  reason: "why",
  updatedAtMs: 1_000,
  ...change,
});

function participantLogSuite(name: string, open: () => Promise<ParticipantLog>): void {
  describe(name, () => {
    test("what is prepared is read as it was written", async () => {
      const log = await open();
      await log.persist(record("t1"));
      await log.persist(record("t2", { onePhase: true, coordinatorId: "other" }));
      expect(await log.get(tx("t1"))).toEqual(record("t1"));
      expect(await log.load()).toEqual([record("t1"), record("t2", { onePhase: true, coordinatorId: "other" })]);
      expect(await log.get(tx("t3"))).toBeUndefined();
    });

    test("what has ended is remembered without its work, and not loaded", async () => {
      const log = await open();
      await log.persist(record("t1"));
      await log.persist(record("t1", { state: "committed" }));
      expect(await log.get(tx("t1"))).toEqual(record("t1", { state: "committed", payload: new Uint8Array() }));
      expect(await log.load()).toEqual([]);
    });

    // A new coordinator asks again, and its epoch is what the next one is held against.
    test("what is written again is read as it was written last, all of it", async () => {
      const log = await open();
      await log.persist(record("t1"));
      const again = record("t1", {
        ...{ onePhase: true, coordinatorId: "other", coordinatorEpoch: 7, payload: new Uint8Array([4]), reason: "again" },
        updatedAtMs: 3_000,
      });
      await log.persist(again);
      expect(await log.load()).toEqual([again]);
      const ended = record("t1", { state: "aborted", reason: "over", updatedAtMs: 4_000, payload: new Uint8Array() });
      await log.persist(ended);
      expect(await log.get(tx("t1"))).toEqual(ended);
      const purge = (updatedBeforeMs: number) => log.purge({ coordinatorId: "c", updatedBeforeMs, limit: 10 });
      expect([await purge(3_500), await purge(4_500)]).toEqual([0, 1]);
    });

    test("a lost promise keeps its work, is not loaded, and is never purged", async () => {
      const log = await open();
      await log.persist(record("t1"));
      await log.persist(record("t1", { state: "lost" }));
      expect(await log.load()).toEqual([]);
      expect(await log.purge({ coordinatorId: "c", updatedBeforeMs: 9e15, limit: 10 })).toBe(0);
      expect(await log.get(tx("t1"))).toEqual(record("t1", { state: "lost" }));
    });

    test("the largest epoch of each coordinator is remembered, with the id of that claim", async () => {
      const log = await open();
      expect(await log.coordinators()).toEqual([]);
      const known = (coordinatorId: string, coordinatorEpoch: number, claimId = `claim ${coordinatorEpoch}`) => ({
        ...{ coordinatorId, coordinatorEpoch, claimId },
      });
      for (const epoch of [2, 5, 3]) await log.persistCoordinator(known("c", epoch));
      await log.persistCoordinator(known("c", 5, "other"));
      await log.persistCoordinator(known("d", 1));
      expect(await log.coordinators()).toEqual([known("c", 5), known("d", 1)]);
    });

    test("a purge drops what ended before with this coordinator, and never what is prepared", async () => {
      const log = await open();
      await log.persist(record("t1"));
      await log.persist(record("t2", { state: "committed" }));
      await log.persist(record("t3", { state: "aborted", updatedAtMs: 2_000 }));
      await log.persist(record("t4", { state: "committed", coordinatorId: "other" }));
      const purge = (updatedBeforeMs: number) => log.purge({ coordinatorId: "c", updatedBeforeMs, limit: 10 });
      expect(await purge(2_000)).toBe(1);
      expect(await purge(9e15)).toBe(1);
      expect(await log.get(tx("t4"))).toBeDefined();
      expect(await log.get(tx("t1"))).toBeDefined();
    });
  });
}

participantLogSuite("the participant log in SQLite", openSqlite);
participantLogSuite("the participant log in SQLite on a simulated disk", async () => {
  const log = openOnSimulatedDisk(participantLogSchema, sqliteParticipantLog);
  cleanups.push(() => log.close());
  return log;
});
participantLogSuite("the participant log in memory", async () => createMemoryParticipantLog());

test("the participant log in SQLite has its id for ever, and another file has another", async () => {
  const { path, remove } = temporaryFolder();
  cleanups.push(remove);
  async function idOf(file: string): Promise<string> {
    const opened = await openSqliteParticipantLog({ path: join(path, file) });
    if (!opened.ok) throw new Error(opened.error.message);
    await opened.value.close();
    return opened.value.id;
  }
  const id = await idOf("a.db");
  expect(id).not.toBe("");
  expect(await idOf("a.db")).toBe(id);
  expect(await idOf("b.db")).not.toBe(id);
});

test("the participant log in SQLite rejects what it cannot write", async () => {
  const log = await openSqlite();
  await log.close();
  await expect(log.persist(record("t1"))).rejects.toThrow("participant.db is closed");
});
