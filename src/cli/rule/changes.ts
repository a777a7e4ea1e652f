import { formatPatch, OMIT_HEADERS, structuredPatch } from "diff";
import {
  RuleSetChange,
  type RuleSetDifference,
  type RuleSetItem,
  RuleSetItemKind,
} from "../../gen/concord/predicate/v1/rule_set.ts";
import { enumText, jsonText, type OutputFormat, print, tableLines, timeText, whoText } from "../output.ts";
import { itemYaml } from "../rule-files/to-yaml.ts";

export const changeJson = (change: RuleSetChange): string =>
  jsonText("concord.predicate.v1.RuleSetChange", RuleSetChange, change);

const omittedText = "(the contents are too large to be told: concord rule get, concord rule export)";

/** What a change has made different, or would make. */
export function printChange(
  format: OutputFormat,
  change: RuleSetChange,
  options: { readonly diff?: true; readonly dryRun?: true },
): void {
  if (format !== "table") {
    print(changeJson(change));
    return;
  }
  const { differences, ruleSetRevision, contentsOmitted } = change;
  if (differences.length === 0) {
    print(`nothing is different (rule set revision ${ruleSetRevision})`);
    return;
  }
  print(tableLines(["change", "what", "name", "version"], differences.map(differenceRow)));
  if (contentsOmitted) print(omittedText);
  else if (options.diff === true) print(["", ...patchLines(change)]);
  print(`rule set revision ${ruleSetRevision}${options.dryRun === true ? ", if it is done" : ""}`);
}

function differenceRow(difference: RuleSetDifference): readonly string[] {
  const { name, kind } = difference;
  return [verbOf(difference), kindText(kind), name, versionsText(difference)];
}

function verbOf({ before, after }: RuleSetDifference): string {
  // Both are left out where contents are.
  if (before === undefined) return after === undefined ? "different" : "added";
  return after === undefined ? "removed" : "changed";
}

const kindText = (kind: RuleSetItemKind): string => enumText("RULE_SET_ITEM_KIND_", kind).toLowerCase().replaceAll("_", " ");

/** `2`, or `1 -> 2`; a rule that judges no more, or not yet, says so. */
function versionsText({ before, after }: RuleSetDifference): string {
  const versions = [before, after].flatMap((item) => (item === undefined ? [] : [versionText(item)]));
  return [...new Set(versions)].join(" -> ");
}

function versionText({ item }: RuleSetItem): string {
  if (item === undefined) return "?";
  const role = item.$case === "rule" ? enumText("RULE_STATE_", item.value.state) : "ACTIVE";
  return `${item.value.version || "new"}${role === "ACTIVE" ? "" : ` ${role.toLowerCase()}`}`;
}

/** Unified diffs of the parts, as rule files have them. */
export function patchLines({ differences, contentsOmitted }: RuleSetChange): readonly string[] {
  if (contentsOmitted) return [omittedText];
  return differences.flatMap(({ kind, name, before, after }) => {
    const heads = [before, after].map((item) => (item === undefined ? "nothing" : `version ${versionText(item)}`));
    const [old, now] = [before, after].map((item) => (item === undefined ? "" : itemYaml(item)));
    const patch = formatPatch(structuredPatch("", "", old ?? "", now ?? ""), OMIT_HEADERS);
    return [`${kindText(kind)} ${name}`, `--- ${heads[0]}`, `+++ ${heads[1]}`, ...patch.trimEnd().split("\n")];
  });
}

export const changeHead = ["sequence", "time", "revision", "change", "what", "by", "reason"];

export function changeRow(change: RuleSetChange): readonly string[] {
  return [
    String(change.sequence),
    timeText(change.changedAt),
    String(change.ruleSetRevision),
    enumText("RULE_SET_CHANGE_KIND_", change.kind),
    summary(change),
    whoText(change),
    change.reason,
  ];
}

/** So many names are a line. */
const namesMax = 3;

function summary({ differences }: RuleSetChange): string {
  const named = differences.slice(0, namesMax).map((difference) => {
    const kind = difference.kind === RuleSetItemKind.RULE ? "" : `${kindText(difference.kind)} `;
    return `${kind}${difference.name} ${versionsText(difference)}`;
  });
  const more = differences.length - namesMax;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(", ");
}
