import { addressShareMax } from "../kernel/limits.ts";
import type { Enlistment } from "./core/coordinator-step.ts";
import { partFootprint, type TransactionBytes } from "./footprint.ts";
import { owedCountMax, unacknowledgedBytesMax, undecidedBytesMax, undecidedCountMax } from "./limits.ts";
import type { Share } from "./shares.ts";

/** What transactions may take in memory before new work is refused: settings, with the defaults of limits.ts. */
export type Budgets = {
  readonly undecidedBytesMax: number;
  /** How much of the undecided ones, of their count and of their bytes, may be begun from one address. */
  readonly addressShare: number;
  readonly unacknowledgedBytesMax: number;
  /** Of one participant. */
  readonly owedCountMax: number;
};

export const defaultBudgets: Budgets = { undecidedBytesMax, addressShare: addressShareMax, unacknowledgedBytesMax, owedCountMax };

/** Too much is in memory: nothing was begun or enlisted. */
export type Overload = {
  readonly type: "overloaded";
  readonly of: "undecided" | "undecided-of-address" | "bytes-undecided" | "bytes-undecided-of-address" | "bytes-unacknowledged";
  readonly limit: number;
};

type Spending = { readonly budgets: Budgets; readonly bytes: TransactionBytes };

/** Why no transaction with these parts begins. Nothing, if it may. */
export function whyNotBegin(
  spending: Spending,
  undecidedCount: number,
  share: Share | undefined,
  parts: readonly Enlistment[],
): Overload | undefined {
  if (undecidedCount >= undecidedCountMax) return overload("undecided", undecidedCountMax);
  const ofAddress = perAddress(undecidedCountMax, spending.budgets);
  if (share && share.count >= ofAddress) return overload("undecided-of-address", ofAddress);
  return whyNotEnlist(spending, share, parts);
}

/** Why these parts are not added to a transaction that has begun. The share is that of who began it. */
export function whyNotEnlist(
  { budgets, bytes }: Spending,
  share: Share | undefined,
  parts: readonly Enlistment[],
): Overload | undefined {
  const more = parts.reduce((sum, part) => sum + partFootprint(part), 0);
  if (bytes.undecided + more > budgets.undecidedBytesMax) return overload("bytes-undecided", budgets.undecidedBytesMax);
  const ofAddress = perAddress(budgets.undecidedBytesMax, budgets);
  if (share && share.bytes + more > ofAddress) return overload("bytes-undecided-of-address", ofAddress);
  // A decision that nobody acknowledges stays: what is begun now would only add to these.
  if (bytes.decided > budgets.unacknowledgedBytesMax) return overload("bytes-unacknowledged", budgets.unacknowledgedBytesMax);
  return undefined;
}

/** New work is refused; and what there is, grows no longer where it can be helped. */
export const isUsedUp = ({ budgets, bytes }: Spending, share: Share | undefined): boolean =>
  bytes.undecided > budgets.undecidedBytesMax ||
  bytes.decided > budgets.unacknowledgedBytesMax ||
  (share !== undefined && share.bytes > perAddress(budgets.undecidedBytesMax, budgets));

const perAddress = (limit: number, { addressShare }: Budgets): number => Math.ceil(limit * addressShare);

const overload = (of: Overload["of"], limit: number): Overload => ({ type: "overloaded", of, limit });
