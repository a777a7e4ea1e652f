import { Rule, RuleOperation, RuleState } from "../../gen/concord/predicate/v1/rule_set.ts";
import { enumText, fieldLines, jsonText, type OutputFormat, print, timeText, whoText } from "../output.ts";
import { moveText } from "../rule-files/move.ts";

const ruleType = "concord.predicate.v1.Rule";

export const ruleJson = (rule: Rule): string => jsonText(ruleType, Rule, rule);

export function printRule(format: OutputFormat, rule: Rule | undefined): void {
  if (rule === undefined) throw new Error("the server answered without a rule");
  print(format !== "table" ? ruleJson(rule) : ruleLines(rule));
}

export function ruleLines(rule: Rule): readonly string[] {
  return fieldLines([
    ["rule", rule.ruleId],
    ["state", standingText(rule)],
    ["version", versionText(rule)],
    ["action", actionText(rule)],
    ...operationsFields(rule),
    ["moves", movesText(rule)],
    ["types", typesText(rule)],
    ["condition", rule.condition],
    ["expression", rule.expression],
    ["message", rule.message],
    ["priority", String(rule.priority)],
    ["description", rule.description],
    ["written", `${timeText(rule.createdAt)} by ${writerText(rule)}`],
    ["changed", `${timeText(rule.updatedAt)} by ${whoText(rule)}: ${rule.reason}`],
  ]).flatMap(withSourceLines);
}

/** Who wrote a version. */
export const writerText = ({ createdBy, createdAs }: { readonly createdBy: string; readonly createdAs: string }): string =>
  whoText({ requestedBy: createdBy, authenticatedAs: createdAs });

/** A value of several lines follows its name, its lines numbered as errors number them. */
function withSourceLines(field: string): readonly string[] {
  const [first = "", ...rest] = field.split(/\r\n|\r|\n/);
  if (rest.length === 0) return [field];
  const [, name = "", start = ""] = /^(\w+: *)(.*)$/.exec(first) ?? [];
  return [name.trimEnd(), ...[start, ...rest].map((line, index) => `${`${index + 1} | `.padStart(7)}${line}`.trimEnd())];
}

/** `ACTIVE`; which version it is, if not the one that is shown; and what is judged beside it. */
function standingText(rule: Rule): string {
  const { state, version, activeVersion, shadowVersion } = rule;
  const inState = state === RuleState.SHADOW ? shadowVersion : activeVersion;
  const told = [
    ...(inState > 0 && inState !== version ? [`version ${inState}`] : []),
    ...(activeVersion > 0 && shadowVersion > 0 ? [`version ${shadowVersion} in shadow`] : []),
  ];
  return `${stateText(rule)}${told.length === 0 ? "" : ` (${told.join(", ")})`}`;
}

const versionText = ({ version, latestVersion }: Rule): string =>
  version === latestVersion ? String(version) : `${version} (the newest is ${latestVersion})`;

/** `3`; `1, newest 3` if another version judges; `1, shadow 2, newest 3`. */
export function standingVersionsText({ latestVersion, activeVersion, shadowVersion }: Rule): string {
  const active = activeVersion > 0 ? [String(activeVersion)] : [];
  const shadow = shadowVersion > 0 ? [`shadow ${shadowVersion}`] : [];
  const isNamed = activeVersion === latestVersion || shadowVersion === latestVersion;
  const newest = isNamed ? [] : [active.length + shadow.length > 0 ? `newest ${latestVersion}` : String(latestVersion)];
  return [...active, ...shadow, ...newest].join(", ");
}

export const stateText = ({ state }: Rule): string => enumText("RULE_STATE_", state);

export const actionText = ({ action }: Rule): string => enumText("RULE_ACTION_", action);

/** Most rules judge moves, and nobody asks. */
const operationsFields = ({ operations }: Rule): readonly (readonly [string, string])[] =>
  operations.includes(RuleOperation.UPDATE)
    ? [["judges", operations.map((each) => enumText("RULE_OPERATION_", each)).join(" ")]]
    : [];

export const movesText = ({ moves }: Rule): string => (moves.length === 0 ? "all" : moves.map(moveText).join(" "));

export const typesText = ({ workflowTypes }: Rule): string => (workflowTypes.length === 0 ? "all" : workflowTypes.join(" "));

/** In a table one line is enough. */
const cellLength = 60;

export function cellText(text: string): string {
  const [line = "", ...rest] = text.split(/\r\n|\r|\n/);
  const characters = [...line];
  return rest.length > 0 || characters.length > cellLength ? `${characters.slice(0, cellLength).join("")}…` : line;
}
