import type { TransactionId } from "../kernel/ids.ts";
import { compare } from "../kernel/range.ts";
import type { Transaction } from "./core/types.ts";
import type { ListPage, TransactionPage } from "./ports.ts";
import type { Shell } from "./shell.ts";
import { isInScope, nearer } from "./transaction-scope.ts";

/** A page of what runs, and of what is stored. A run knows better what has become of its transaction. */
export async function listNewestFirst({ log, runs }: Shell, page: ListPage): Promise<TransactionPage> {
  const { limit, scope = {} } = page;
  const { fromId } = scope;
  // Before the log is asked: what ends meanwhile is there by then, so that no list misses it.
  const ids = runs.ids.before(nearer(page.beforeId, scope.beforeId), limit).filter((id) => fromId === undefined || id >= fromId);
  const running = new Map(ids.flatMap((id) => runs.byId.get(id)?.view ?? []).map((view) => [view.id, view]));
  const stored = await log.list(page);
  const reached = later(ids.length === limit ? ids.at(-1) : undefined, stored.nextBeforeId);
  const found: readonly Transaction[] = [
    ...[...running.values()].filter((view) => isInScope(scope, view)),
    ...stored.transactions.filter(({ id }) => !running.has(id)),
  ];
  const newestFirst = found.filter(({ id }) => reached === undefined || id >= reached).sort((a, b) => compare(b.id, a.id));
  const transactions = newestFirst.slice(0, limit);
  return { transactions, nextBeforeId: newestFirst.length > limit ? transactions.at(-1)?.id : reached };
}

const later = (a: TransactionId | undefined, b: TransactionId | undefined): TransactionId | undefined =>
  a === undefined || (b !== undefined && b > a) ? b : a;
