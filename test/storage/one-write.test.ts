import { expect, test } from "vitest";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { decisionLogSchema, sqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { encodeOperations, keyValueSchema, sqliteKeyValueResource } from "../../src/storage/sqlite/key-value-resource.ts";
import { createStoreWorld, flushMs, watched } from "../support/simulated-store.ts";
import { begun } from "../unit/commit/support.ts";

// What must be one write: whatever is durable at the end of any commit is what the next process finds, if this one dies then.

test("a key-value store never has a change without its receipt, nor a promise or a held key beside it", async () => {
  const world = createStoreWorld(keyValueSchema);
  const { engine } = world.open();
  const store = sqliteKeyValueResource(engine);
  const seen: unknown[] = [];
  world.disk.onCommit(() => {
    const count = (table: string): number => Number(world.disk.rows(`SELECT count(*) AS n FROM ${table}`)[0]?.["n"]);
    const [promises, heldKeys, receipts, entries] = ["promises", "held_keys", "receipts", "entries"].map(count);
    seen.push({ promises, heldKeys, receipts, entries });
  });
  const work = {
    transactionId: "t1" as TransactionId,
    payload: encodeOperations(["a", "b"].map((key) => ({ type: "put", key, value: 1 }))),
    ...{ logId: "log", voteWithinMs: 1_000, coordinatorId: "c", coordinatorEpoch: 1 },
  };
  expect(await world.until(store.prepare(work))).toMatchObject({ value: "commit" });
  await world.until(store.commit(work));
  const [prepared, committed] = [
    { promises: 1, heldKeys: 2, receipts: 0, entries: 0 },
    { promises: 0, heldKeys: 0, receipts: 1, entries: 2 },
  ];
  expect(seen).toStrictEqual([prepared, committed]);
});

// specs/TwoPhaseCommit.tla: LogAppendByOwnerOnly. The successor has read the log by the time it begins anew: what comes in later is decided
// by nobody that it knows.
test("however the two meet, nothing is written by a coordinator once another has claimed its log", async () => {
  let fenced = 0;
  const worlds = 100;
  for (let seed = 1; seed <= worlds; seed += 1) {
    const world = createStoreWorld(decisionLogSchema, { seed });
    const [old, next] = [sqliteDecisionLog(world.open("old").engine), sqliteDecisionLog(world.open("next").engine)];
    await world.until(old.claim("c"));
    const transactions = (): unknown => world.disk.rows("SELECT * FROM transactions");
    let atClaim: unknown;
    world.disk.onCommit(() => {
      const claimed = world.disk.rows("SELECT epoch FROM coordinator WHERE epoch = 2").length > 0;
      if (claimed) atClaim ??= transactions();
    });
    const forced = watched(old.force(begun(["a", "b"]).transaction));
    await world.pass(seed % (2 * flushMs));
    await world.until(next.claim("c"));
    await world.pass(100);
    expect(transactions()).toStrictEqual(atClaim);
    const isForced = forced.value !== "no answer" && forced.value.ok;
    expect(isForced).toBe((atClaim as unknown[]).length > 0);
    if (!isForced) fenced += 1;
  }
  // Both happen.
  expect(fenced).toBeGreaterThan(0);
  expect(fenced).toBeLessThan(worlds);
});
