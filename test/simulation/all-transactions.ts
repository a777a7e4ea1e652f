import type { Transaction } from "../../src/commit/core/types.ts";
import type { ListPage, TransactionPage } from "../../src/commit/ports.ts";

/** Page after page: one has no more than a stretch of the log. */
export async function allTransactions(of: {
  readonly list: (page: ListPage) => Promise<TransactionPage>;
}): Promise<readonly Transaction[]> {
  const all: Transaction[] = [];
  let beforeId: ListPage["beforeId"];
  do {
    const page = await of.list({ beforeId, limit: 1_000 });
    all.push(...page.transactions);
    beforeId = page.nextBeforeId;
  } while (beforeId !== undefined);
  return all;
}
