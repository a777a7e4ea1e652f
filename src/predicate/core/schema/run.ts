import type { Json } from "../../../kernel/json.ts";
import { type Place, pathOf } from "./words.ts";

/** What a schema, or a part of one, asks of a value. */
export type Node = {
  /** `#/properties/temperature` */
  readonly pointer: string;
  readonly assertions: Assertion[];
  /** Those that the same value goes through, for their own sake or as one of several. */
  readonly inPlace: Node[];
};

/** Whether it holds. If not, and somebody wants to know, the run has found why. */
export type Assertion = (value: Json, at: Place, run: Run) => boolean;

/** `metadata.temperature`: `is 7.5, must be an integer` */
export type Violation = { readonly path: string; readonly message: string };

/** Of those found, the first, as many as are wanted, and how many there are. */
export type Findings = { readonly first: Violation[]; readonly wanted: number; count: number };

/**
 * What one validation may still take. Below 0 the steps stay: whatever is asked from then on fails, so that all of it ends. `names` are
 * those that are looked at to suggest one.
 */
export type Budget = { steps: number; names: number };

export type Run = { readonly budget: Budget; readonly findings: Findings | undefined };

/** The same, where only the answer counts: it ends with the first that does not hold. */
export const quietly = (run: Run): Run => ({ budget: run.budget, findings: undefined });

/** False: they are used up. */
export function spend(run: Run, steps: number): boolean {
  run.budget.steps -= steps;
  return run.budget.steps >= 0;
}

export const isOver = (run: Run): boolean => run.budget.steps < 0;

/** To put it into words. */
const findingSteps = 50;

export function fail(run: Run, at: Place, message: () => string): false {
  const { findings } = run;
  if (findings === undefined || isOver(run)) return false;
  findings.count += 1;
  const isWanted = findings.first.length < findings.wanted && spend(run, findingSteps);
  if (isWanted) findings.first.push({ path: pathOf(at), message: message() });
  return false;
}

export function holds(node: Node, value: Json, at: Place, run: Run): boolean {
  if (!spend(run, 1 + node.assertions.length)) return false;
  let all = true;
  for (const assertion of node.assertions) {
    if (assertion(value, at, run)) continue;
    if (run.findings === undefined) return false;
    all = false;
  }
  return all;
}
