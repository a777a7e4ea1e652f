import { assert } from "../../../kernel/assert.ts";
import type { RuleId } from "../../../kernel/ids.ts";
import { provedOf } from "../../../kernel/principal.ts";
import { compare } from "../../../kernel/range.ts";
import { err, ok, type Result } from "../../../kernel/result.ts";
import type {
  ChangeToStore,
  Member,
  Rule,
  RuleSetChangeKind,
  RuleSetContents,
  RuleSetDifference,
  RuleSetItem,
  RuleStanding,
  RuleVersion,
  StoredVersion,
} from "../types.ts";
import { keyOf } from "./content.ts";
import type { DecisionFailure } from "./failure.ts";
import { allItemsOf, draftItem, type Item, placed, placeOf } from "./items.ts";
import type { RuleSetLimits } from "./limits.ts";
import { isIdle, type RuleStep, type Stamp, standingAfter } from "./standing.ts";

/** Upon which a change is decided. */
export type Present = {
  readonly contents: RuleSetContents;
  /** Of the last change. */
  readonly sequence: number;
  /** Rules that are neither active nor in shadow. */
  readonly idleRuleCount: number;
};

/** What a command is to make different. */
export type Plan = {
  readonly kind: RuleSetChangeKind;
  readonly steps: readonly RuleStep[];
  /** Facts, types and tests, all that there are to be, and those among them that are new versions. Undefined: as they are. */
  readonly items: { readonly all: readonly Item[]; readonly written: readonly Item[] } | undefined;
  /** Of one rule, the version that the answer shows. */
  readonly shown: RuleVersion | undefined;
};

/** Of who makes a change: how many rules that are there it has created, and how many it may. */
export type Own = { readonly principal: string; readonly count: number; readonly countMax: number };

/** What a change makes different, and how things are after it. */
export type Outcome = ChangeToStore & {
  readonly present: Present;
  /** Of the answer. */
  readonly rule: Rule | undefined;
};

/**
 * The one place where a plan becomes what is stored, judged and told: the parts cannot disagree. Without `own`: of one for whom it does not matter how many
 * rules it has created.
 */
export function outcomeOf(
  before: Present,
  plan: Plan,
  stamp: Stamp,
  limits: RuleSetLimits,
  own?: Own,
): Result<Outcome, DecisionFailure> {
  const excess = own && quotaExceeded(plan, own);
  if (excess !== undefined) return err(excess);
  const standings = new Map<RuleId, RuleStanding>();
  for (const step of plan.steps) {
    const standing = step.after && standingAfter(step, step.after, stamp);
    if (standing !== undefined && standing !== step.before?.standing) standings.set(step.id, standing);
  }
  const contents = contentsAfter(before.contents, plan);
  const members = differencesOf(before.contents, contents);
  const idleRuleCount = before.idleRuleCount + plan.steps.reduce((sum, step) => sum + idleGrowth(step, standings), 0);
  const limit = limitReached(before, contents, idleRuleCount, plan, limits);
  if (limit !== undefined) return err({ type: "rule-limit", ...limit });

  const differences = [...members, ...plan.steps.flatMap(draftDifference)].sort(inOrder);
  const revision = before.contents.revision + (members.length > 0 ? 1 : 0);
  const sequence = before.sequence + 1;
  const { atMs: changedAtMs, requestedBy, reason } = stamp;
  const said = { kind: plan.kind, changedAtMs, requestedBy, reason, ...provedOf(stamp) };
  const isSame = differences.length === 0;
  assert(!isSame || standings.size === 0, "how a rule stands is different only if the history says so");
  return ok({
    present: { contents: { ...contents, revision }, sequence: isSame ? before.sequence : sequence, idleRuleCount },
    change: isSame ? undefined : { sequence, revision, ...said, differences },
    standings: [...standings.values()],
    removedRules: plan.steps.flatMap(({ id, after }) => (after === undefined ? [id] : [])),
    versions: [
      ...plan.steps.flatMap(({ written }) => written.map((rule): StoredVersion => ({ kind: "RULE", rule }))),
      ...(plan.items?.written ?? []),
    ],
    removedVersions: plan.steps.flatMap(({ id, dropped }) => dropped.map((version) => ({ id, version }))),
    membersAdded: members.flatMap(({ after }) => memberOf(after)),
    membersRemoved: members.flatMap(({ before: item }) => memberOf(item)),
    rule: shownRule(plan, standings),
  });
}

function contentsAfter(before: RuleSetContents, { steps, items }: Plan): RuleSetContents {
  const stepped = new Set(steps.map(({ id }) => id));
  const after = (role: "active" | "shadow"): readonly RuleVersion[] => [
    ...before[role].filter(({ id }) => !stepped.has(id)),
    ...steps.flatMap(({ after: wanted }) => wanted?.[role] ?? []),
  ];
  const sorted = (rules: readonly RuleVersion[]) => rules.toSorted((a, b) => compare(a.id, b.id));
  return { ...before, active: sorted(after("active")), shadow: sorted(after("shadow")), ...(items && placed(items.all)) };
}

/** What judges, or goes with it, and is not the same version in both. */
function differencesOf(before: RuleSetContents, after: RuleSetContents): readonly RuleSetDifference[] {
  const [old, fresh] = [before, after].map((contents) => new Map(allItemsOf(contents).map((item) => [placeOf(item), item])));
  const keys = new Set([...(old?.keys() ?? []), ...(fresh?.keys() ?? [])]);
  return [...keys].flatMap((key) => {
    const difference = { before: old?.get(key), after: fresh?.get(key) };
    const [from, to] = [difference.before, difference.after];
    return from !== undefined && to !== undefined && keyOf(from).version === keyOf(to).version ? [] : [difference];
  });
}

/** Of a rule, what happens to it beside what judges. */
function draftDifference({ before, after, written }: RuleStep): RuleSetDifference[] {
  const old = before && draftItem(before.version);
  if (after === undefined) return [{ before: old, after: undefined }];
  const { newest, active, shadow, givenUp } = after;
  const judges = newest === active || newest === shadow;
  if (written.includes(newest) && !judges) return [{ before: old, after: draftItem(newest) }];
  const isTurned = givenUp !== (before?.standing.state === "DEPRECATED");
  return isTurned && active === undefined && shadow === undefined ? [{ before: old, after: draftItem(newest) }] : [];
}

const kinds = ["RULE", "FACT", "WORKFLOW_TYPE", "TEST"] as const;
const roles = ["ACTIVE", "SHADOW", "DRAFT"] as const;

function inOrder(left: RuleSetDifference, right: RuleSetDifference): number {
  const [a, b] = [left.after ?? left.before, right.after ?? right.before];
  assert(a !== undefined && b !== undefined, "a difference is of something");
  const byName = kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || compare(keyOf(a).name, keyOf(b).name);
  return byName !== 0 || a.kind !== "RULE" || b.kind !== "RULE" ? byName : roles.indexOf(a.role) - roles.indexOf(b.role);
}

function memberOf(item: RuleSetItem | undefined): Member[] {
  if (item === undefined) return [];
  const role = item.kind === "RULE" && item.role === "SHADOW" ? "SHADOW" : "ACTIVE";
  return [{ ...keyOf(item), role }];
}

function idleGrowth({ id, before, after }: RuleStep, standings: ReadonlyMap<RuleId, RuleStanding>): number {
  const standing = after && (standings.get(id) ?? before?.standing);
  return Number(standing !== undefined && isIdle(standing)) - Number(before !== undefined && isIdle(before.standing));
}

/** What there is too much of, and more than before: whoever takes something away is not refused because of the rest. */
function limitReached(
  before: Present,
  after: RuleSetContents,
  idleRuleCount: number,
  { steps }: Plan,
  limits: RuleSetLimits,
): Pick<Extract<DecisionFailure, { type: "rule-limit" }>, "what" | "limit"> | undefined {
  const { contents } = before;
  const counts = [
    ["active rules", contents.active.length, after.active.length],
    ["rules in shadow", contents.shadow.length, after.shadow.length],
    ["facts", contents.facts.length, after.facts.length],
    ["tests", contents.tests.length, after.tests.length],
  ] as const;
  const reached = counts.find(([what, old, fresh]) => fresh > limits[what] && fresh > old);
  if (reached !== undefined) return { what: reached[0], limit: limits[reached[0]] };
  const typeCountMax = limits["workflow types"];
  const named = typeCount(after, typeCountMax + 1);
  if (named > typeCountMax && typeCount(after) > typeCount(contents)) return { what: "workflow types", limit: typeCountMax };
  // Rules that judge no more are idle, and always find room; new ones must leave it to them.
  const makesNew = steps.some((step) => step.before === undefined);
  return makesNew && idleRuleCount > limits.drafts ? { what: "drafts", limit: limits.drafts } : undefined;
}

/** Who has more than it may, because it may have fewer now, can change those as before. */
function quotaExceeded({ steps }: Plan, { principal, count, countMax: limit }: Own): DecisionFailure | undefined {
  const wanted = steps.filter((step) => step.before === undefined).length;
  return wanted > 0 && count + wanted > limit ? { type: "rule-quota", principal, limit, count, wanted } : undefined;
}

/** Of types that are described, or that rules name which judge. Counts no further than `enough`: there can be 70,000 names, of few types. */
function typeCount({ active, shadow, workflowTypes }: RuleSetContents, enough = Infinity): number {
  const names = new Set(workflowTypes.map(({ name }) => name));
  for (const rule of [...active, ...shadow]) {
    if (names.size >= enough) break;
    for (const name of rule.workflowTypes) names.add(name);
  }
  return names.size;
}

function shownRule({ steps, shown }: Plan, standings: ReadonlyMap<RuleId, RuleStanding>): Rule | undefined {
  const step = steps[0];
  const standing = step && (standings.get(step.id) ?? step.before?.standing);
  return shown && standing && { version: shown, standing };
}
