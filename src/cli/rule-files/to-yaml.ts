import { type RuleAction, type RuleSetItem, RuleState } from "../../gen/concord/predicate/v1/rule_set.ts";
import { yamlText } from "../yaml-text.ts";
import { type ActionOf, factShape, ruleShape, testShape, workflowTypeShape } from "./from-wire.ts";

/** A rule set as a rule file has it: read again, it is the same. */
export function ruleSetYaml(items: readonly RuleSetItem[]): string {
  const actions = new Map<string, RuleAction>();
  for (const { item } of items) {
    if (item?.$case === "rule" && item.value.state === RuleState.ACTIVE) actions.set(item.value.ruleId, item.value.action);
  }
  const lists: Record<(typeof listNames)[number], unknown[]> = { types: [], facts: [], rules: [], tests: [] };
  for (const each of items) {
    const { list, shape } = partOf(each, (ruleId) => actions.get(ruleId));
    lists[list].push(shape);
  }
  return yamlText(Object.fromEntries(listNames.flatMap((name) => (lists[name].length === 0 ? [] : [[name, lists[name]]]))));
}

const listNames = ["types", "facts", "rules", "tests"] as const;

/** One part of it, by itself. */
export const itemYaml = (item: RuleSetItem): string => yamlText(partOf(item, () => undefined).shape);

function partOf(
  { item }: RuleSetItem,
  actionOf: ActionOf,
): { readonly list: (typeof listNames)[number]; readonly shape: unknown } {
  switch (item?.$case) {
    case "rule":
      return { list: "rules", shape: ruleShape(item.value) };
    case "fact":
      return { list: "facts", shape: factShape(item.value) };
    case "workflowType":
      return { list: "types", shape: workflowTypeShape(item.value) };
    case "test":
      return { list: "tests", shape: testShape(item.value, actionOf) };
    default:
      throw new Error("the server answered with a part that this version does not know");
  }
}
