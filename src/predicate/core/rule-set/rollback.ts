import { assert } from "../../../kernel/assert.ts";
import type { RuleId } from "../../../kernel/ids.ts";
import type { Rule, RuleSetContents, RuleVersion } from "../types.ts";
import { itemsOf } from "./items.ts";
import type { Plan } from "./outcome.ts";
import type { RuleStep } from "./standing.ts";

/** Those that judge otherwise in one than in the other. */
export function rulesToRollBack(present: RuleSetContents, target: RuleSetContents): readonly RuleId[] {
  const ids = new Set<RuleId>();
  for (const role of ["active", "shadow"] as const) {
    const [from, to] = [versionsOf(present[role]), versionsOf(target[role])];
    for (const id of [...from.keys(), ...to.keys()]) if (from.get(id)?.version !== to.get(id)?.version) ids.add(id);
  }
  return [...ids];
}

/** `rules`: those of `rulesToRollBack`, in their newest version. */
export function rollBack(target: RuleSetContents, rules: ReadonlyMap<RuleId, Rule>, ids: readonly RuleId[]): Plan {
  const [active, shadow] = [versionsOf(target.active), versionsOf(target.shadow)];
  const steps = ids.map((id): RuleStep => {
    const before = rules.get(id);
    assert(before !== undefined, "a rule that has judged is never deleted");
    const after = { newest: before.version, active: active.get(id), shadow: shadow.get(id), givenUp: false };
    return { id, before, after, written: [], dropped: [] };
  });
  return { kind: "ROLLED_BACK", steps, items: { all: itemsOf(target), written: [] }, shown: undefined };
}

const versionsOf = (rules: readonly RuleVersion[]): ReadonlyMap<RuleId, RuleVersion> =>
  new Map(rules.map((rule) => [rule.id, rule]));
