import { err, ok, type Result } from "../../../kernel/result.ts";
import type { RuleSetContents } from "../types.ts";
import type { DecisionFailure } from "./failure.ts";
import {
  factItem,
  type Item,
  type ItemKind,
  type ItemSource,
  itemsOf,
  nameOf,
  sourceOf,
  testItem,
  workflowTypeItem,
} from "./items.ts";
import type { Plan } from "./outcome.ts";
import { saysSame } from "./same.ts";
import { authorshipOf, type Stamp } from "./standing.ts";

/** `latestVersion`: the newest of this kind and name that there ever was; 0: none. */
export function setItem(contents: RuleSetContents, source: ItemSource, latestVersion: number, stamp: Stamp): Plan {
  const items = itemsOf(contents);
  const before = items.find((item) => item.kind === source.kind && nameOf(item) === nameOf(source));
  const after = itemAfter(before, source, latestVersion, stamp);
  const written = after === before ? [] : [after];
  const all = [...items.filter((item) => item !== before), after];
  return { kind: "ITEM_SET", steps: [], items: { all, written }, shown: undefined };
}

export function deleteItem(contents: RuleSetContents, kind: ItemKind, name: string): Result<Plan, DecisionFailure> {
  const items = itemsOf(contents);
  const all = items.filter((item) => item.kind !== kind || nameOf(item) !== name);
  if (all.length === items.length) return err({ type: "item-not-found", kind, name });
  return ok({ kind: "ITEM_DELETED", steps: [], items: { all, written: [] }, shown: undefined });
}

/** The same, if it says the same. */
export function itemAfter(before: Item | undefined, source: ItemSource, latestVersion: number, stamp: Stamp): Item {
  if (before !== undefined && saysSame(sourceOf(source), sourceOf(before))) return before;
  const authorship = authorshipOf(latestVersion + 1, stamp);
  switch (source.kind) {
    case "FACT":
      return factItem({ ...source.fact, ...authorship });
    case "WORKFLOW_TYPE":
      return workflowTypeItem({ ...source.workflowType, ...authorship });
    case "TEST":
      return testItem({ ...source.test, ...authorship });
  }
}
