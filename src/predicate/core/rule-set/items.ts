import { compare } from "../../../kernel/range.ts";
import type {
  Fact,
  FactSource,
  RuleSetContents,
  RuleSetItem,
  RuleSetItemKind,
  RuleTest,
  RuleTestSource,
  RuleVersion,
  WorkflowType,
  WorkflowTypeSource,
} from "../types.ts";
import { keyOf } from "./content.ts";

/** What is part of a rule set and no rule. */
export type ItemKind = Exclude<RuleSetItemKind, "RULE">;

export type Item = Exclude<RuleSetItem, { kind: "RULE" }>;

/** As it is to be written. */
export type ItemSource =
  | { readonly kind: "FACT"; readonly fact: FactSource }
  | { readonly kind: "WORKFLOW_TYPE"; readonly workflowType: WorkflowTypeSource }
  | { readonly kind: "TEST"; readonly test: RuleTestSource };

/** Where it stands in a rule set: at most once. */
export const placeOf = (item: RuleSetItem): string =>
  `${item.kind} ${item.kind === "RULE" ? `${item.role} ` : ""}${keyOf(item).name}`;

export const nameOf = (item: ItemSource): string => sourceOf(item).name;

export function sourceOf(item: ItemSource): FactSource | WorkflowTypeSource | RuleTestSource {
  switch (item.kind) {
    case "FACT":
      return item.fact;
    case "WORKFLOW_TYPE":
      return item.workflowType;
    case "TEST":
      return item.test;
  }
}

export const factItem = (fact: Fact): Item => ({ kind: "FACT", fact });
export const workflowTypeItem = (workflowType: WorkflowType): Item => ({ kind: "WORKFLOW_TYPE", workflowType });
export const testItem = (test: RuleTest): Item => ({ kind: "TEST", test });

export const itemsOf = ({ facts, workflowTypes, tests }: RuleSetContents): readonly Item[] => [
  ...facts.map(factItem),
  ...workflowTypes.map(workflowTypeItem),
  ...tests.map(testItem),
];

/** As they stand in contents, in the order of their names. */
export function placed(items: readonly Item[]): Pick<RuleSetContents, "facts" | "workflowTypes" | "tests"> {
  const sorted = items.toSorted((a, b) => compare(nameOf(a), nameOf(b)));
  return {
    facts: sorted.flatMap((item) => (item.kind === "FACT" ? [item.fact] : [])),
    workflowTypes: sorted.flatMap((item) => (item.kind === "WORKFLOW_TYPE" ? [item.workflowType] : [])),
    tests: sorted.flatMap((item) => (item.kind === "TEST" ? [item.test] : [])),
  };
}

export const activeItem = (rule: RuleVersion): RuleSetItem => ({ kind: "RULE", role: "ACTIVE", rule });
export const shadowItem = (rule: RuleVersion): RuleSetItem => ({ kind: "RULE", role: "SHADOW", rule });
export const draftItem = (rule: RuleVersion): RuleSetItem => ({ kind: "RULE", role: "DRAFT", rule });

/** All of them: rules, facts, types, tests. */
export const allItemsOf = (contents: RuleSetContents): readonly RuleSetItem[] => [
  ...contents.active.map(activeItem),
  ...contents.shadow.map(shadowItem),
  ...itemsOf(contents),
];
