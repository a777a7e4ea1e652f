import type { TransactionId } from "../kernel/ids.ts";
import type { Outcome, Phase, Transaction } from "./core/types.ts";

/**
 * Which transactions a list is about, as far as a log can tell without reading them: what is given must hold of each. It only leaves out;
 * whoever lists judges what comes.
 */
export type TransactionScope = {
  readonly fromId?: TransactionId | undefined;
  /** Not itself. One id alone: from it, before `afterId`. */
  readonly beforeId?: TransactionId | undefined;
  readonly phases?: readonly Phase[] | undefined;
  /** Undefined: not decided. */
  readonly outcomes?: readonly (Outcome | undefined)[] | undefined;
};

/** The next id that there could be. */
export const afterId = (id: TransactionId): TransactionId => `${id}\0` as TransactionId;

export function isInScope({ fromId, beforeId, phases, outcomes }: TransactionScope, transaction: Transaction): boolean {
  const { id, phase, outcome } = transaction;
  return (
    (fromId === undefined || id >= fromId) &&
    (beforeId === undefined || id < beforeId) &&
    (phases === undefined || phases.includes(phase)) &&
    (outcomes === undefined || outcomes.includes(outcome))
  );
}

/** The nearer of two places where a list, newest first, may begin. */
export const nearer = (a: TransactionId | undefined, b: TransactionId | undefined): TransactionId | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a;
