import { join } from "node:path";
import { expect, test } from "vitest";
import { stretchBytesMax, stretchLookMax } from "../../src/kernel/limits.ts";
import type { VerdictLog } from "../../src/predicate/ports.ts";
import { createMemoryVerdictLog } from "../../src/storage/memory/verdict-log.ts";
import { openSqliteVerdictLog, sqliteVerdictLog, verdictSchema } from "../../src/storage/sqlite/verdict-log.ts";
import { openOnSimulatedDisk } from "../support/simulated-store.ts";
import { storageDir } from "../support/storage-dir.ts";
import { allowed, anyVerdict, denied, recordAt, violationOf } from "../support/verdict-values.ts";
import { verdictLogSuite } from "./verdict-log-suite.ts";

async function openSqliteVerdicts(path = join(storageDir(), "verdicts.db"), pageCountMax?: number): Promise<VerdictLog> {
  const opened = await openSqliteVerdictLog({ path, ...(pageCountMax !== undefined && { pageCountMax }) });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

verdictLogSuite("sqlite", openSqliteVerdicts);
verdictLogSuite("sqlite on a simulated disk", async () => openOnSimulatedDisk(verdictSchema, sqliteVerdictLog));
verdictLogSuite("memory", async () => createMemoryVerdictLog());

test("a file that is opened again has the same verdicts, and goes on counting", async () => {
  const path = join(storageDir(), "verdicts.db");
  const first = await openSqliteVerdicts(path);
  await first.append([recordAt(1), recordAt(2)]);
  await first.drop({ olderThanMs: undefined, limit: 2 });
  await first.close();
  const second = await openSqliteVerdicts(path);
  await second.append([recordAt(3)]);
  const { rows } = await second.list({ beforeSequence: undefined, limit: 9, wanted: anyVerdict });
  expect(rows).toStrictEqual([{ ...recordAt(3), sequence: 3 }]);
  await second.close();
});

test("a stretch ends with enough text, and with enough that is passed over", async () => {
  const log = await openSqliteVerdicts();
  const large = denied(violationOf("cold", "x".repeat(stretchBytesMax / 8)));
  await log.append(Array.from({ length: 20 }, () => recordAt(1, large)));
  const stretch = await log.list({ beforeSequence: undefined, limit: 100, wanted: anyVerdict });
  expect(stretch.rows.length).toBeLessThan(10);
  expect(stretch.upTo).toBe(stretch.rows.at(-1)?.sequence);
  await log.append(Array.from({ length: stretchLookMax + 10 }, () => recordAt(2, allowed())));
  const wanted = { ...anyVerdict, ranges: { judgement: { oneOf: ["RULE_DENIED"] } } };
  const passing = await log.list({ beforeSequence: undefined, limit: 100, wanted });
  expect(passing).toMatchObject({ rows: [], upTo: 20 + 11 });
  const rest = await log.list({ beforeSequence: passing.upTo, limit: 1, wanted });
  expect(rest.rows.map(({ sequence }) => sequence)).toEqual([20]);
  await log.close();
});

test("a log without space takes nothing, and can be read", async () => {
  const log = await openSqliteVerdicts(undefined, 40);
  await log.append([recordAt(1)]);
  const large = Array.from({ length: 100 }, () => recordAt(2, denied(violationOf("cold", "x".repeat(3000)))));
  expect(await log.append(large)).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
  const { rows } = await log.list({ beforeSequence: undefined, limit: 9, wanted: anyVerdict });
  expect(rows.map(({ judgedAtMs }) => judgedAtMs)).toEqual([1]);
  await log.close();
});
