import { expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { listNewestFirst } from "../../../src/commit/list.ts";
import type { ListPage } from "../../../src/commit/ports.ts";
import type { Run } from "../../../src/commit/run.ts";
import { addRun, createRuns } from "../../../src/commit/runs.ts";
import type { Shell } from "../../../src/commit/shell.ts";
import { afterId, isInScope, nearer, type TransactionScope } from "../../../src/commit/transaction-scope.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { ack, begun, tx, vote, world } from "./support.ts";

const stepped = (transaction: Transaction, input: ReturnType<typeof vote>): Transaction =>
  stepCoordinator(transaction, input).transaction;

const committing = [vote("a", "commit"), vote("b", "commit")].reduce(stepped, begun(["a", "b"]).transaction);
const completed = [ack("a", "committed"), ack("b", "committed")].reduce(stepped, committing);

const named = (transaction: Transaction, id: string): Transaction => ({ ...transaction, id: tx(id) });
const numbered = (index: number): string => `t${String(index).padStart(6, "0")}`;

/** Follows the pages to the end. */
async function follow(list: (page: ListPage) => ReturnType<typeof listNewestFirst>, page: Omit<ListPage, "beforeId">) {
  const found: Transaction[] = [];
  let pages = 0;
  let beforeId: TransactionId | undefined;
  do {
    const { transactions, nextBeforeId } = await list({ ...page, beforeId });
    expect(transactions.length).toBeLessThanOrEqual(page.limit);
    found.push(...transactions);
    beforeId = nextBeforeId;
    pages += 1;
  } while (beforeId !== undefined);
  return { found, pages };
}

const ids = (found: readonly Transaction[]): readonly string[] => found.map(({ id }) => id);

test("a page of 20,000 unfinished transactions costs a page", async () => {
  const runs = createRuns();
  for (let i = 0; i < 20_000; i += 1) {
    const view = named(committing, numbered(i));
    addRun(runs, { core: view, view } as Run);
  }
  let visits = 0;
  const byId = new Map(runs.byId);
  byId.get = (id) => {
    visits += 1;
    return runs.byId.get(id);
  };
  for (const scan of ["values", "keys", "entries", "forEach", Symbol.iterator] as const) {
    byId[scan] = () => expect.fail("all of them are visited");
  }
  let rows = 0;
  const log = {
    async list({ limit }: ListPage) {
      rows += limit;
      return { transactions: [], nextBeforeId: undefined };
    },
  };
  const shell = { runs: { ...runs, byId }, log } as unknown as Shell;
  const page = await listNewestFirst(shell, { beforeId: tx(numbered(15_000)), limit: 1 });
  expect(page).toMatchObject({ transactions: [{ id: numbered(14_999) }], nextBeforeId: numbered(14_999) });
  expect({ visits, rows }).toEqual({ visits: 1, rows: 1 });
});

test("20,000 unfinished transactions, followed page by page, are told once each, newest first", async () => {
  const w = world();
  await w.log.claim("c");
  const expected = Array.from({ length: 20_000 }, (_, index) => numbered(index));
  for (const id of expected) await w.log.force(named(committing, id));
  await w.start();
  const { found } = await follow(w.coordinator().driver.list, { limit: 1_000 });
  expect(ids(found)).toEqual(expected.toReversed());
  w.stop();
});

test("what runs and what is stored are one list, in which a run knows better, and a scope leaves out", async () => {
  const log = createMemoryDecisionLog();
  await log.claim("c");
  const runs = createRuns();
  const expected: string[] = [];
  for (let i = 0; i < 60; i += 1) {
    const id = numbered(i);
    if (i % 3 !== 0) await log.force(named(i % 6 === 1 ? completed : committing, id));
    // Some of these are stored as well, in an older state.
    const view = named(i % 4 === 1 ? { ...completed, reason: "newest" } : begun(["a", "b"]).transaction, id);
    if (i % 3 === 0 || (i % 6 !== 1 && i % 2 === 1)) addRun(runs, { core: view, view } as Run);
    expected.unshift(id);
  }
  const list = (page: ListPage) => listNewestFirst({ runs, log } as unknown as Shell, page);
  const everything = (await follow(list, { limit: 100 })).found;
  expect(ids(everything)).toEqual(expected);
  for (const { id, reason } of everything) expect(reason, id).toBe(runs.byId.get(id)?.view.reason ?? "test");
  for (const limit of [1, 2, 7, 60]) {
    expect((await follow(list, { limit })).found).toEqual(everything);
    for (const scope of [
      { phases: ["COMPLETED"] },
      { phases: ["INIT", "COMMITTING"], fromId: tx(numbered(10)) },
      { outcomes: [undefined], beforeId: tx(numbered(31)) },
      { outcomes: ["committed"] },
    ] as const) {
      const wanted = everything.filter(({ id, phase, outcome }) => {
        const inPhase = !("phases" in scope) || (scope.phases as readonly string[]).includes(phase);
        const inOutcome = !("outcomes" in scope) || (scope.outcomes as readonly unknown[]).includes(outcome);
        return (
          inPhase &&
          inOutcome &&
          id >= ("fromId" in scope ? scope.fromId : "") &&
          id < ("beforeId" in scope ? scope.beforeId : "u")
        );
      });
      expect((await follow(list, { limit, scope })).found).toEqual(wanted);
    }
  }
});

test("a scope has its first id, and not its last", () => {
  const one = named(committing, "t1");
  const isIn = (scope: TransactionScope): boolean => isInScope(scope, one);
  expect([
    isIn({ fromId: tx("t1") }),
    isIn({ fromId: tx("t2") }),
    isIn({ beforeId: tx("t1") }),
    isIn({ beforeId: tx("t2") }),
  ]).toEqual([...[true, false, false, true]]);
  expect(isIn({ fromId: tx("t1"), beforeId: afterId(tx("t1")) })).toBe(true);
  expect([
    nearer(tx("t1"), tx("t2")),
    nearer(tx("t2"), tx("t1")),
    nearer(tx("t1"), undefined),
    nearer(undefined, tx("t2")),
  ]).toEqual([...["t1", "t1", "t1", "t2"]]);
});
