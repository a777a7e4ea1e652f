import type { RuleId } from "../../../kernel/ids.ts";
import { type AnalysedRule, analyseSteps, type Finding } from "../analysis/analyse.ts";
import { type CompiledRule, compileRuleSteps, type RuleError, type RuleField } from "../compile-rule.ts";
import { estimate } from "../estimate.ts";
import type { Position } from "../position.ts";
import type { RuleSet } from "../rule-set.ts";
import { snippetAt } from "../snippet.ts";
import type { RuleVersion } from "../types.ts";
import { unknownMove, unknownMoveWords } from "./rule-changes.ts";

/** One thing to be said of a rule. */
export type Diagnostic = {
  /** ERROR: such a rule cannot be stored. */
  readonly severity: "ERROR" | "WARNING";
  readonly field: RuleField | "moves";
  /** Undefined: in all of it. */
  readonly position: Position | undefined;
  readonly message: string;
  /** The line of the source, and below it a caret at the place. Empty: there is no place. */
  readonly snippet: string;
  readonly relatedRuleIds: readonly RuleId[];
};

export type Review = {
  /** Errors first. */
  readonly diagnostics: readonly Diagnostic[];
  /** In units, of an evaluation that ends. */
  readonly costMin: number;
  /** Undefined: not known. Each evaluation is metered, so it need not be. */
  readonly costMax: number | undefined;
};

/** Of one rule. Nobody reads more before mending some. */
const warningsMax = 100;

/** What is to be said of a rule beside the active rules of this set. Each step takes some milliseconds at most. */
export function* reviewSteps(rule: RuleVersion, ruleSet: RuleSet): Generator<void, Review> {
  const { compiled, errors } = yield* compileRuleSteps(rule, ruleSet);
  const wrong = [...moveDiagnostics(rule), ...errors.flatMap(errorsOf)];
  const { condition, expression, message } = compiled;
  const parts = [condition, expression.ok ? expression.value : undefined, message].filter((part) => part !== undefined);
  const costMax = parts.reduce((sum, part) => sum + (estimate(part).max ?? Infinity), 0);
  return {
    diagnostics: wrong.length > 0 ? wrong : (yield* warningsOf(compiled, ruleSet)).slice(0, warningsMax),
    // Where the condition is false, no more is evaluated; and no message where the rule holds.
    costMin: parts[0] === undefined ? 0 : Math.floor(estimate(parts[0]).min),
    costMax: wrong.length === 0 && Number.isFinite(costMax) ? Math.ceil(costMax) : undefined,
  };
}

/** What is to be said of the active rules of a set, and of each two of them. */
export function* lintSteps(ruleSet: RuleSet): Generator<void, readonly Diagnostic[]> {
  const sources = new Map(ruleSet.contents.active.map((rule) => [rule.id as string, rule]));
  const findings = yield* analyseSteps(analysedRules(ruleSet));
  return findings.map((finding) => warningOf(finding, sources.get(finding.ruleIds[0] ?? ""), finding.ruleIds));
}

/** As if the rule judged instead of the version that does. */
function* warningsOf(rule: CompiledRule, ruleSet: RuleSet): Generator<void, readonly Diagnostic[]> {
  const { id } = rule.rule;
  const others = analysedRules(ruleSet).filter((each) => each.id !== id);
  const findings = yield* analyseSteps([...others, ...analysed(rule)], id);
  return findings.map((finding) => {
    const related = finding.ruleIds.filter((each) => each !== id);
    return warningOf(finding, rule.rule, related);
  });
}

/** The active rules, but for those that do not compile. */
export const analysedRules = ({ contents, compiled }: RuleSet): readonly AnalysedRule[] =>
  contents.active.flatMap((rule) => analysed(compiled.get(rule)));

function analysed(compiled: CompiledRule | undefined): readonly AnalysedRule[] {
  if (!compiled?.expression.ok) return [];
  const { rule, condition, expression } = compiled;
  const { id, operations, moves, workflowTypes: types, action } = rule;
  return [{ id, operations, moves, types, condition, expression: expression.value, action }];
}

function warningOf({ message, place }: Finding, rule: RuleVersion | undefined, ruleIds: readonly string[]): Diagnostic {
  const { field = "expression", position } = place ?? {};
  return {
    severity: "WARNING",
    field,
    position,
    message,
    snippet: position === undefined || rule === undefined ? "" : snippetOf(rule[field], position),
    relatedRuleIds: ruleIds as readonly RuleId[],
  };
}

function moveDiagnostics(rule: RuleVersion): Diagnostic[] {
  const field = unknownMove(rule);
  if (field === undefined) return [];
  const message = `${field}: ${unknownMoveWords}`;
  return [{ severity: "ERROR", field: "moves", position: undefined, message, snippet: "", relatedRuleIds: [] }];
}

/** With all that was found beside the first. */
function errorsOf({ field, others, ...first }: RuleError): readonly Diagnostic[] {
  return [first, ...others].map(({ line, column, message, snippet }) => ({
    severity: "ERROR",
    field,
    position: { line, column },
    message,
    snippet,
    relatedRuleIds: [],
  }));
}

function snippetOf(source: string, { line, column }: Position): string {
  const before = source.split(/(?<=\r\n|\r(?!\n)|\n)/).slice(0, line - 1);
  const characters = [...source.slice(before.join("").length)];
  return snippetAt(source, before.join("").length + characters.slice(0, column - 1).join("").length);
}
