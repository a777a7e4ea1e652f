import { err, ok, type Result } from "../../kernel/result.ts";
import { evaluationCostMax } from "./limits.ts";

/** Why an evaluation ended early. */
export type Exhausted = "expression" | "purse" | "stopped";

/** What evaluations may still cost, all together. */
export type Purse = {
  /** Below 0: one of them was ended because it would have cost more. */
  left: number;
  /** Asked again and again. True: whoever asked has gone, and evaluation ends. */
  readonly stopped?: () => boolean;
};

const never = (): boolean => false;

/**
 * What the evaluation under way may still cost. Below 0 it stays: every further charge fails too, so that no `… || true` of the
 * expression can swallow the failure. Evaluations never overlap, as none of them waits.
 */
let budget = 0;
let isStopped = never;

/** The node whose function has used it up. */
let spentAt: number | undefined;

/** The cost depends on the expression and the data only, never on time or the machine. It is taken from the purse. */
export function withinBudget<T>(purse: Purse, baseCost: number, evaluate: () => T): Result<T, Exhausted> {
  const granted = Math.min(evaluationCostMax, purse.left);
  budget = granted - baseCost;
  isStopped = purse.stopped ?? never;
  spentAt = undefined;
  if (isWithin()) {
    const value = evaluate();
    if (budget >= 0) {
      purse.left -= granted - budget;
      return ok(value);
    }
  }
  if (isStopped()) {
    purse.left = -1;
    return err("stopped");
  }
  const exhausted = granted === evaluationCostMax ? "expression" : "purse";
  // What is charged comes before what is done, so no more is spent than was granted.
  purse.left = exhausted === "expression" ? purse.left - granted : -1;
  return err(exhausted);
}

/** Throws if that is more than is left. What costs less than nothing costs nothing. */
export function charge(units: number): void {
  budget -= Math.max(0, units);
  if (!isWithin()) throw new Error("the budget is used up");
}

export function isWithin(): boolean {
  if (isStopped()) budget = -1;
  return budget >= 0;
}

/** What the evaluation under way may still cost. */
export const budgetLeft = (): number => budget;

/** A function of this node has failed: if it is the first to find the budget used up, that is where this is told. */
export function noteFailure(id: number): void {
  if (budget < 0) spentAt ??= id;
}

/** Where the budget of the evaluation before was used up, if that was within a function. */
export const placeOfExhaustion = (): bigint | undefined => (spentAt === undefined ? undefined : BigInt(spentAt));
