import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/runtime/clock.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { openSqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { createWatch } from "../../src/workflow/watch.ts";
import { loadBatch as loadRules, requestId as ruleRequest, versionOf } from "../support/rule-batches.ts";
import { storageDir } from "../support/storage-dir.ts";
import { startStorageProcess } from "../support/storage-process.ts";
import { expectSound } from "../support/storage-sound.ts";
import { contents, recount } from "../support/storage-values.ts";

const acknowledgedOf = (prefix: string, lines: readonly string[]): string[] =>
  lines.filter((line) => /^\d+$/.test(line)).map((index) => `${prefix}-${index}`);

/** Acknowledged batches before each kill. The file is kept from round to round, so later ones die in a grown file. */
const rounds = [0, 100, 2_500, 300];

test("after kill -9 in the middle of a flush, what was acknowledged is there and no batch is there by half", async () => {
  const path = join(storageDir(), "workflows.db");
  const acknowledged: string[] = [];
  for (const [round, count] of rounds.entries()) {
    const child = startStorageProcess("load", path, `round${round}`);
    await child.printed(1 + count);
    acknowledged.push(...acknowledgedOf(`round${round}`, await child.kill()));
    await expectSound(path, acknowledged, `after${round}`);
    acknowledged.push(`after${round}-0`);
  }
  expect(acknowledged.length).toBeGreaterThan(2_900);
});

/** Each change has put all rules into the version of its sequence. */
async function expectSoundRules(path: string, acknowledged: number): Promise<void> {
  const opened = await openSqliteRuleStore({ path, turns: createTurns() });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  const { sequence, contents, idleRuleCount } = await store.load();
  expect(sequence).toBeGreaterThanOrEqual(acknowledged);
  expect(idleRuleCount).toBe(0);
  const ids = loadRules(0)
    .standings.map(({ id }) => id)
    .sort();
  expect(contents.active).toStrictEqual(sequence === 0 ? [] : ids.map((id) => versionOf(id, sequence)));
  const last = loadRules(Math.max(0, sequence - 1));
  const { rows } = await store.changesBefore({ sequence: undefined, name: undefined, limit: 1 });
  expect(rows).toStrictEqual(sequence === 0 ? [] : [last.change]);
  expect(await store.contentsAt(sequence + 1)).toBeUndefined();
  expect((await store.answer(ruleRequest(`r${sequence - 1}`)))?.changeSequence).toBe(sequence || undefined);
  expect(await store.answer(ruleRequest(`r${sequence}`))).toBeUndefined();
  await store.close();
}

test("after kill -9 in the middle of a change of 50 rules, it is there whole or not at all", async () => {
  const path = join(storageDir(), "rules.db");
  for (const count of [1, 20, 7]) {
    const child = startStorageProcess("rules", path);
    await child.printed(count);
    await expectSoundRules(path, Number((await child.kill()).at(-1)));
  }
});

/** Reads on until there is no more, from the oldest if what follows was purged. Says what it was told, and from where on it was told all. */
async function watchOn(path: string, cursor: number): Promise<{ readonly told: readonly number[]; readonly from: number }> {
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  const found = await contents(store);
  expect(found.counts).toStrictEqual(recount(found));
  const { oldest, newest } = await store.sequences();
  expect(found.events.at(-1)?.sequence ?? oldest - 1).toBe(newest);
  // A workflow and its event stand and fall together.
  expect(found.workflows.map(({ id }) => id)).toStrictEqual(found.events.map(({ workflowId }) => workflowId).toSorted());
  const watch = createWatch({ clock: systemClock, store, turns: createTurns() });
  const told: number[] = [];
  const wanted = { workflowId: undefined, filter: undefined, progressIntervalMs: 1 };
  let from = cursor;
  for (let isThere = false; !isThere; ) {
    const stop = new AbortController();
    for await (const message of watch({ ...wanted, afterSequence: from + told.length, signal: stop.signal })) {
      if (message.type === "events") told.push(...message.events.map(({ sequence }) => sequence));
      else if (message.type === "purged") {
        expect(told).toStrictEqual([]);
        expect(message.oldest).toBe(oldest);
        from = oldest - 1;
      } else isThere = message.sequence === newest;
      if (isThere) break;
    }
    stop.abort();
  }
  await store.close();
  return { told, from };
}

test("a watch that resumes after kill -9, while purges run, is told each event once, or that it was purged before", async () => {
  const path = join(storageDir(), "workflows.db");
  let cursor = 0;
  let compacted = 0;
  for (const [round, keep] of [10_000, 300, 10_000, 0, 50, 10_000].entries()) {
    const child = startStorageProcess("purge", path, `round${round}:${keep}`);
    await child.printed(400 + 100 * round);
    const acknowledged = (await child.kill()).filter((line) => /^\d+$/.test(line)).map(Number);
    const { told, from } = await watchOn(path, cursor);
    expect(told).toStrictEqual(told.map((_, index) => from + 1 + index));
    expect(Math.max(...acknowledged)).toBeLessThanOrEqual(from + told.length);
    // None is given to two events: what this process was acknowledged came after all that was told before.
    expect(Math.min(...acknowledged)).toBeGreaterThan(cursor);
    if (from > cursor) compacted += 1;
    cursor = from + told.length;
  }
  expect(compacted).toBeGreaterThan(0);
  expect(compacted).toBeLessThan(6);
});

const canLimit = spawnSync("prlimit", ["--version"]).status === 0;

/** A write beyond the limit fails with EFBIG, which SQLite reports as an I/O error. */
const limitFileSize = (pid: number | undefined, limit: string): void => {
  expect(spawnSync("prlimit", ["--pid", String(pid), `--fsize=${limit}:unlimited`]).status).toBe(0);
};

test.skipIf(!canLimit)(
  "an I/O error while a flush is committed: outcome unknown, later writable again [needs prlimit]",
  async () => {
    const path = join(storageDir(), "workflows.db");
    const child = startStorageProcess("load", path, "load");
    await child.printed(1);
    limitFileSize(child.pid, "1000000");
    const failed = (await child.printed(1, /^failed/)).find((line) => line.startsWith("failed"));
    expect(failed).toBe('failed {"type":"storage-unavailable","cause":"disk I/O error","outcomeUnknown":true}');
    const before = (await child.printed(0)).length;
    limitFileSize(child.pid, "unlimited");
    await child.printed(before + 1_000, /^\d+$/);
    await expectSound(path, acknowledgedOf("load", await child.kill()), "after");
  },
  30_000,
);
