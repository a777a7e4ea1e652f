import { stepCoordinator } from "../../src/commit/core/coordinator.ts";
import type { Transaction } from "../../src/commit/core/types.ts";
import type { DecisionLog } from "../../src/commit/ports.ts";
import { begun, tx, vote } from "../unit/commit/support.ts";

// What a coordinator leaves behind that stops while its participants are away.

/** Decided, and acknowledged by neither "a" nor "b". */
export const committing = (id: string): Transaction => ({
  ...[vote("a", "commit"), vote("b", "commit")].reduce(
    (transaction, input) => stepCoordinator(transaction, input).transaction,
    begun(["a", "b"]).transaction,
  ),
  id: tx(id),
});

/** Undecided here: the decision is that of "a". */
export function delegated(id: string, payload: Uint8Array = new Uint8Array(8)): Transaction {
  const { transaction } = begun(["a"]);
  return { ...transaction, id: tx(id), parts: transaction.parts.map((part) => ({ ...part, payload })) };
}

/** More than one flush takes, less than may wait for the disk. */
const atOnce = 2_000;

/** Every tenth is undecided. */
export async function fill(log: DecisionLog, count: number, payload?: Uint8Array): Promise<readonly Transaction[]> {
  await log.claim("c");
  const records = Array.from({ length: count }, (_, index) => {
    const id = `u${String(index).padStart(6, "0")}`;
    return index % 10 === 0 ? delegated(id, payload) : committing(id);
  });
  for (let from = 0; from < count; from += atOnce) {
    const written = await Promise.all(records.slice(from, from + atOnce).map((record) => log.force(record)));
    if (written.some(({ ok }) => !ok)) throw new Error("the log is not filled");
  }
  return records;
}
