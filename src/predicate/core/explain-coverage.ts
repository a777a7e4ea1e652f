import { assert } from "../../kernel/assert.ts";
import type { Result } from "../../kernel/result.ts";
import type { Purse } from "./budget.ts";
import { type Bindings, evaluateBool } from "./evaluate.ts";
import type { Explainable } from "./explain.ts";
import { placeOf } from "./explain-sites.ts";
import type { Watcher } from "./explain-walk.ts";
import type { Span } from "./parse.ts";
import type { Position } from "./position.ts";

/** How often a part that decides came to what: an operand of `&&`, `||`, `!`, or of a condition, or the whole. */
export type BranchCoverage = Span & {
  readonly position: Position;
  readonly seenTrue: number;
  readonly seenFalse: number;
  /** Neither: an error, or a value that is no bool, as the branches of a condition may have. */
  readonly seenOther: number;
};

/** Plain data, so that it can be sent and merged. */
export type Coverage = {
  /** How often the whole was true, false, or could not be evaluated. */
  readonly allowed: number;
  readonly denied: number;
  readonly failed: number;
  /** In the order of the source. What is never seen was never evaluated. */
  readonly branches: readonly BranchCoverage[];
};

export type CoverageRecorder = {
  /** See `evaluateBool`. */
  readonly evaluate: (bindings: Bindings, purse: Purse) => Result<boolean, string>;
  readonly report: () => Coverage;
};

export function createCoverage({ expression, walk, sites }: Explainable): CoverageRecorder {
  const branches = sites.sites
    .filter(({ isBranch }) => isBranch)
    .map(({ expr, span }) => ({
      expr,
      branch: { ...span, position: placeOf(expr, expression), seenTrue: 0, seenFalse: 0, seenOther: 0 },
    }));
  const byExpr = new Map(branches.map(({ expr, branch }) => [expr, branch]));
  const counts = { allowed: 0, denied: 0, failed: 0 };
  const watcher: Watcher = {
    seen: (expr, outcome) => {
      const branch = byExpr.get(expr);
      if (branch === undefined) return;
      if (outcome === true) branch.seenTrue += 1;
      else if (outcome === false) branch.seenFalse += 1;
      else branch.seenOther += 1;
    },
    enter: () => undefined,
    leave: () => undefined,
  };
  return {
    evaluate: (bindings, purse) => {
      const result = evaluateBool({ ...expression, run: (values) => walk(values, watcher) }, bindings, purse);
      counts[result.ok ? (result.value ? "allowed" : "denied") : "failed"] += 1;
      return result;
    },
    report: () => ({ ...counts, branches: branches.map(({ branch }) => ({ ...branch })) }),
  };
}

/** Of one expression, seen in different places. */
export function mergeCoverage(one: Coverage, other: Coverage): Coverage {
  assert(one.branches.length === other.branches.length, "both are of one expression");
  return {
    allowed: one.allowed + other.allowed,
    denied: one.denied + other.denied,
    failed: one.failed + other.failed,
    branches: one.branches.map((branch, at) => {
      const { seenTrue = 0, seenFalse = 0, seenOther = 0 } = other.branches[at] ?? {};
      return {
        ...branch,
        seenTrue: branch.seenTrue + seenTrue,
        seenFalse: branch.seenFalse + seenFalse,
        seenOther: branch.seenOther + seenOther,
      };
    }),
  };
}
