import type { Enlistment } from "./core/coordinator-step.ts";
import { partFootprint, type TransactionBytes } from "./footprint.ts";
import { owedCountMax, unacknowledgedBytesMax, undecidedBytesMax, undecidedCountMax } from "./limits.ts";

/** What transactions may take in memory before new work is refused: settings, with the defaults of limits.ts. */
export type Budgets = {
  readonly undecidedBytesMax: number;
  readonly unacknowledgedBytesMax: number;
  /** Of one participant. */
  readonly owedCountMax: number;
};

export const defaultBudgets: Budgets = { undecidedBytesMax, unacknowledgedBytesMax, owedCountMax };

/** Too much is in memory: nothing was begun or enlisted. */
export type Overload = {
  readonly type: "overloaded";
  readonly of: "undecided" | "bytes-undecided" | "bytes-unacknowledged";
  readonly limit: number;
};

type Spending = { readonly budgets: Budgets; readonly bytes: TransactionBytes };

/** Why no transaction with these parts begins. Nothing, if it may. */
export const whyNotBegin = (spending: Spending, undecidedCount: number, parts: readonly Enlistment[]): Overload | undefined =>
  undecidedCount >= undecidedCountMax ? overload("undecided", undecidedCountMax) : whyNotEnlist(spending, parts);

/** Why these parts are not added to a transaction that has begun. */
export function whyNotEnlist({ budgets, bytes }: Spending, parts: readonly Enlistment[]): Overload | undefined {
  const more = parts.reduce((sum, part) => sum + partFootprint(part), 0);
  if (bytes.undecided + more > budgets.undecidedBytesMax) return overload("bytes-undecided", budgets.undecidedBytesMax);
  // A decision that nobody acknowledges stays: what is begun now would only add to these.
  if (bytes.decided > budgets.unacknowledgedBytesMax) return overload("bytes-unacknowledged", budgets.unacknowledgedBytesMax);
  return undefined;
}

/** New work is refused; and what there is, grows no longer where it can be helped. */
export const isUsedUp = ({ budgets, bytes }: Spending): boolean =>
  bytes.undecided > budgets.undecidedBytesMax || bytes.decided > budgets.unacknowledgedBytesMax;

const overload = (of: Overload["of"], limit: number): Overload => ({ type: "overloaded", of, limit });
