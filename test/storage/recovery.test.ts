import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { recoveryBatchSize } from "../../src/commit/limits.ts";
import type { Turns } from "../../src/kernel/turns.ts";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { temporaryFolder } from "../support/concord.ts";
import { fill } from "../support/decision-log-rows.ts";
import { found, id, startCoordinator, tx, virtualClock } from "../unit/commit/support.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("30,000 unfinished transactions are taken over one by one, while the coordinator serves", async () => {
  const folder = temporaryFolder();
  cleanups.push(folder.remove);
  const opened = await openSqliteDecisionLog({ path: join(folder.path, "commit.db") });
  if (!opened.ok) throw new Error(opened.error.message);
  const log = opened.value;
  cleanups.push(() => log.close());
  const count = 30_000;
  await fill(log, count);

  /** What is read between two chances for others. */
  const stretch = { records: 0, ids: 0 };
  const longest = { records: 0, ids: 0 };
  let steps = 0;
  const turns: Turns = () => () => {
    longest.records = Math.max(longest.records, stretch.records);
    longest.ids = Math.max(longest.ids, stretch.ids);
    Object.assign(stretch, { records: 0, ids: 0 });
    steps += 1;
    return steps % 64 === 0 ? nextTurn() : undefined;
  };
  const counted = {
    ...log,
    get: (transactionId: Parameters<typeof log.get>[0]) => {
      stretch.records += 1;
      return log.get(transactionId);
    },
    async unfinished(page: Parameters<typeof log.unfinished>[0]) {
      const ids = await log.unfinished(page);
      stretch.ids += ids.length;
      return ids;
    },
  };
  const { driver } = await startCoordinator(counted, virtualClock(), { turns });
  cleanups.push(() => driver.close());
  // It serves, and has taken over a few at most.
  expect(driver.owed(id("a")).unacknowledged).toBeLessThan(64);
  expect(await found(driver, tx("u029999"))).toMatchObject({ phase: "COMMITTING" });
  expect(await found(driver, tx("u029990"))).toMatchObject({ phase: "PREPARING", outcome: undefined });
  const asked = { reason: "", requestedBy: "ada", request: undefined };
  expect(await driver.retry(tx("u029998"), asked)).toMatchObject({ ok: true, value: { coordinatorEpoch: 2 } });
  // What was asked here does not count.
  Object.assign(stretch, { records: 0, ids: 0 });
  Object.assign(longest, stretch);
  await driver.recovered;
  expect(longest).toEqual({ records: 1, ids: recoveryBatchSize });
  expect(driver.owed(id("a")).unacknowledged).toBe((count * 9) / 10);
  expect(driver.owed(id("b")).unacknowledged).toBe((count * 9) / 10);
});
