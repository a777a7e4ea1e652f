import { counted, firstCharacters } from "../../kernel/text.ts";
import type { BranchCoverage, Coverage } from "../../predicate/core/explain-coverage.ts";
import type { RuleCoverage, RuleSays } from "../../predicate/core/rule-set/coverage.ts";
import type { RuleVersion } from "../../predicate/core/types.ts";
import { tableLines } from "../output.ts";
import type { PlaceOf } from "./problem.ts";

/** Where a text of an active rule stands. */
export type PlaceInRule = (
  rule: RuleVersion,
  field: "condition" | "expression",
  within: BranchCoverage["position"],
) => ReturnType<PlaceOf>;

/** Of each rule, what the tests have seen it say, and how many of the outcomes of its branches; then those that they have not. */
export function coverageLines(coverage: readonly RuleCoverage[], placeOf: PlaceInRule): readonly string[] {
  const rows = coverage.map(({ rule, counts, condition, expression }) => {
    const [seen, all] = [condition, expression].map(outcomesOf).reduce(([a, b], [c, d]) => [a + c, b + d]);
    return [
      rule.id,
      ...[counts.HOLDS, counts.DOES_NOT_HOLD, counts.CANNOT_BE_EVALUATED].map(String),
      rule.condition === "" ? "-" : String(counts.DOES_NOT_APPLY),
      all === 0 ? "-" : `${seen} of ${all}`,
    ];
  });
  const unseen = coverage.flatMap(({ rule, condition, expression }) => [
    ...unseenLines(rule, "condition", condition, placeOf),
    ...unseenLines(rule, "expression", expression, placeOf),
  ]);
  return [
    ...tableLines(["rule", "held", "did not hold", "not evaluated", "did not apply", "outcomes of branches"], rows),
    ...(unseen.length === 0 ? [] : ["", ...unseen]),
  ];
}

/** A branch is true or false; one that is no bool has a value only. */
function outcomesOf(coverage: Coverage | undefined): readonly [number, number] {
  const branches = coverage?.branches ?? [];
  const seen = branches.flatMap((branch) => (isBool(branch) ? [branch.seenTrue, branch.seenFalse] : [branch.seenOther]));
  return [seen.filter((count) => count > 0).length, seen.length];
}

const isBool = ({ seenTrue, seenFalse, seenOther }: BranchCoverage): boolean => seenOther === 0 || seenTrue + seenFalse > 0;

/** So much of a branch is shown. */
const shownLengthMax = 60;

function unseenLines(
  rule: RuleVersion,
  field: "condition" | "expression",
  coverage: Coverage | undefined,
  placeOf: PlaceInRule,
): readonly string[] {
  return (coverage?.branches ?? []).filter(isBool).flatMap((branch) => {
    const { offset, length, position, seenTrue, seenFalse } = branch;
    const missing = [...(seenTrue === 0 ? ["true"] : []), ...(seenFalse === 0 ? ["false"] : [])];
    if (missing.length === 0) return [];
    const text = rule[field].slice(offset, offset + length).replaceAll(/\s+/g, " ");
    const shown = firstCharacters(text, shownLengthMax);
    const place = placeOf(rule, field, position);
    const at = "line" in place ? `${place.file}:${place.line}:${place.column}` : place.file;
    return [`${at}: never ${missing.join(", never ")}: ${shown}${shown === text ? "" : "…"}`];
  });
}

/** A rule that no test has seen to hold, or not to hold, may be wrong without a word. */
export function summaryLines(coverage: readonly RuleCoverage[]): readonly string[] {
  const unseen = (says: RuleSays) => coverage.filter(({ counts }) => counts[says] === 0);
  const line = (what: string, rules: readonly RuleCoverage[]) =>
    rules.length === 0 ? [] : [`no test sees ${what}: ${named(rules)}`];
  const seen = coverage.filter(({ counts }) => counts.HOLDS > 0 && counts.DOES_NOT_HOLD > 0).length;
  return [
    `${counted(coverage.length, "rule")}: ${seen} seen both holding and not holding`,
    ...line("holding", unseen("HOLDS")),
    ...line("not holding", unseen("DOES_NOT_HOLD")),
    ...line(
      "not applying",
      unseen("DOES_NOT_APPLY").filter(({ rule }) => rule.condition !== ""),
    ),
  ];
}

/** Nobody reads more names in a line. */
const namedRuleCountMax = 20;

function named(rules: readonly RuleCoverage[]): string {
  const names = rules.slice(0, namedRuleCountMax).map(({ rule }) => rule.id);
  const more = rules.length - names.length;
  return `${names.join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}
