import type { Fact, RuleSetItem, RuleSetItemKind, RuleTest, RuleVersion, StoredVersion, WorkflowType } from "../types.ts";

/** What a part of a rule set says, whatever its kind. */
export type VersionContent = RuleVersion | Fact | WorkflowType | RuleTest;

/** Kind, name and version tell it from all other parts that are there. */
export type VersionKey = { readonly kind: RuleSetItemKind; readonly name: string; readonly version: number };

export function contentOf(part: StoredVersion | RuleSetItem): VersionContent {
  switch (part.kind) {
    case "RULE":
      return part.rule;
    case "FACT":
      return part.fact;
    case "WORKFLOW_TYPE":
      return part.workflowType;
    case "TEST":
      return part.test;
  }
}

export function keyOf(part: StoredVersion | RuleSetItem): VersionKey {
  const { kind } = part;
  const name = kind === "RULE" ? part.rule.id : (contentOf(part) as Exclude<VersionContent, RuleVersion>).name;
  return { kind, name, version: contentOf(part).version };
}
