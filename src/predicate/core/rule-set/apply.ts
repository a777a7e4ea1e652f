import { assert } from "../../../kernel/assert.ts";
import type { RuleId } from "../../../kernel/ids.ts";
import { err, ok, type Result } from "../../../kernel/result.ts";
import type { Rule, RuleRole, RuleSetContents, RuleSource, RuleVersion } from "../types.ts";
import type { DecisionFailure } from "./failure.ts";
import { itemAfter } from "./item-changes.ts";
import { type ItemSource, itemsOf, nameOf } from "./items.ts";
import type { RuleSetLimits } from "./limits.ts";
import type { Plan } from "./outcome.ts";
import { asItStands, droppedVersions, unknownMove, versionOf } from "./rule-changes.ts";
import { saysSame } from "./same.ts";
import type { RuleStep, RuleWanted, Stamp } from "./standing.ts";

/** A rule as it is to be. */
export type RuleDescribed = { readonly id: RuleId; readonly role: RuleRole; readonly source: RuleSource };

/** A rule set as it is to be, whole. */
export type Description = { readonly rules: readonly RuleDescribed[]; readonly items: readonly ItemSource[] };

/** What the store says of what is described. */
export type Known = {
  /** Of each rule that is described, or part of the rule set, the newest version. */
  readonly rules: ReadonlyMap<RuleId, Rule>;
  /** A kept version that says the same. */
  readonly sameVersion: ReadonlyMap<RuleDescribed, RuleVersion>;
  readonly neverUsed: ReadonlyMap<RuleId, readonly number[]>;
  /** The newest version of each item that is described, that there ever was. */
  readonly latestVersion: ReadonlyMap<ItemSource, number>;
};

/** What can be seen without the store. */
export function descriptionProblem({ rules, items }: Description): DecisionFailure | undefined {
  const names = new Set<string>();
  const isNew = (key: string): boolean => names.size < names.add(key).size;
  // Of a rule, one version judges, and one other is kept beside it.
  const twice = rules.find(({ id, role }) => !isNew(`RULE ${role === "ACTIVE"} ${id}`));
  if (twice !== undefined) return { type: "duplicate", kind: "RULE", name: twice.id };
  const again = items.find((item) => !isNew(`${item.kind} ${nameOf(item)}`));
  if (again !== undefined) return { type: "duplicate", kind: again.kind, name: nameOf(again) };
  for (const [index, { id, source }] of rules.entries()) {
    const field = unknownMove(source);
    if (field !== undefined) return { type: "move-unknown", ruleId: id, field: `rules[${index}].${field}` };
  }
  return undefined;
}

export function applyDescription(
  contents: RuleSetContents,
  { rules, items }: Description,
  known: Known,
  stamp: Stamp,
  limits: RuleSetLimits,
): Result<Plan, DecisionFailure> {
  const described = Map.groupBy(rules, ({ id }) => id);
  const steps: RuleStep[] = [];
  for (const id of new Set([...described.keys(), ...contents.active.map(idOf), ...contents.shadow.map(idOf)])) {
    const step = stepOf(id, described.get(id) ?? [], contents, known, stamp, limits);
    if (!step.ok) return step;
    steps.push(step.value);
  }
  const present = new Map(itemsOf(contents).map((item) => [`${item.kind} ${nameOf(item)}`, item]));
  const all = items.map((source) => {
    const before = present.get(`${source.kind} ${nameOf(source)}`);
    return itemAfter(before, source, known.latestVersion.get(source) ?? 0, stamp);
  });
  const old = new Set(present.values());
  return ok({ kind: "APPLIED", steps, items: { all, written: all.filter((item) => !old.has(item)) }, shown: undefined });
}

const idOf = ({ id }: RuleVersion): RuleId => id;

function stepOf(
  id: RuleId,
  described: readonly RuleDescribed[],
  contents: RuleSetContents,
  known: Known,
  stamp: Stamp,
  limits: RuleSetLimits,
): Result<RuleStep, DecisionFailure> {
  const before = known.rules.get(id);
  const written: RuleVersion[] = [];
  const versionFor = (role: RuleRole): RuleVersion | undefined => {
    const wanted = described.find((each) => each.role === role);
    if (wanted === undefined) return undefined;
    const same = known.sameVersion.get(wanted) ?? written.find((version) => saysSame(wanted.source, version));
    if (same !== undefined) return same;
    const next = (before?.standing.latestVersion ?? 0) + written.length + 1;
    const version = versionOf(id, next, wanted.source, stamp);
    written.push(version);
    return version;
  };
  // In this order, so that what does not judge yet is the newest version.
  const [active, shadow] = [versionFor("ACTIVE"), versionFor("SHADOW")];
  versionFor("DRAFT");
  if (active !== undefined && active.version === shadow?.version) return err({ type: "duplicate", kind: "RULE", name: id });
  const newest = written.at(-1) ?? before?.version;
  assert(newest !== undefined, "a rule that is not described is known");
  const givenUp = described.length === 0 && before !== undefined && asItStands({ rule: before, contents }).givenUp;
  const after: RuleWanted = { newest, active, shadow, givenUp };
  const dropped = droppedVersions(known.neverUsed.get(id) ?? [], written, after, limits);
  return ok({ id, before, after, written, dropped: written.length === 0 ? [] : dropped });
}
