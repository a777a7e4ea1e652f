import type { RuleId } from "../../../kernel/ids.ts";
import { isMove, workflowStates } from "../../../kernel/lifecycle.ts";
import { err, ok, type Result } from "../../../kernel/result.ts";
import type { Rule, RuleMove, RuleSetChangeKind, RuleSetContents, RuleSource, RuleVersion } from "../types.ts";
import type { DecisionFailure } from "./failure.ts";
import type { RuleSetLimits } from "./limits.ts";
import type { Plan } from "./outcome.ts";
import { saysSame } from "./same.ts";
import { authorshipOf, type RuleStep, type RuleWanted, type Stamp } from "./standing.ts";

type Decision = Result<Plan, DecisionFailure>;

/** A rule as a change finds it. */
export type Found = {
  /** In its newest version. */
  readonly rule: Rule;
  readonly contents: RuleSetContents;
};

export function createRule(id: RuleId, before: Rule | undefined, source: RuleSource, stamp: Stamp): Decision {
  if (before !== undefined) return err({ type: "rule-exists", ruleId: id });
  const field = unknownMove(source);
  if (field !== undefined) return err({ type: "move-unknown", ruleId: id, field });
  const written = versionOf(id, 1, source, stamp);
  const after: RuleWanted = { newest: written, active: undefined, shadow: undefined, givenUp: false };
  return ok(planOf("RULE_CREATED", { id, before, after, written: [written], dropped: [] }, written));
}

export function updateRule(
  { rule, contents }: Found,
  source: RuleSource,
  { expectedVersion, neverUsed }: { readonly expectedVersion: number | undefined; readonly neverUsed: readonly number[] },
  stamp: Stamp,
  limits: RuleSetLimits,
): Decision {
  const { id, latestVersion: current } = rule.standing;
  if (expectedVersion !== undefined && expectedVersion !== current) {
    return err({ type: "rule-version-mismatch", ruleId: id, expected: expectedVersion, current });
  }
  const field = unknownMove(source);
  if (field !== undefined) return err({ type: "move-unknown", ruleId: id, field });
  const wanted = { ...asItStands({ rule, contents }), givenUp: false };
  if (saysSame(source, rule.version)) return changed("RULE_UPDATED", rule, wanted, rule.version);
  const written = versionOf(id, current + 1, source, stamp);
  const after = { ...wanted, newest: written };
  const dropped = droppedVersions(neverUsed, [written], after, limits);
  return ok(planOf("RULE_UPDATED", { id, before: rule, after, written: [written], dropped }, written));
}

export function activateRule(found: Found, version: RuleVersion): Decision {
  const { rule } = found;
  const wanted = asItStands(found);
  if (wanted.givenUp) return refused(rule);
  const shadow = wanted.shadow?.version === version.version ? undefined : wanted.shadow;
  return changed("RULE_ACTIVATED", rule, { ...wanted, active: version, shadow }, version);
}

export function deactivateRule(found: Found): Decision {
  const { rule } = found;
  return rule.standing.state === "ACTIVE" || rule.standing.state === "INACTIVE"
    ? changed("RULE_DEACTIVATED", rule, { ...asItStands(found), active: undefined }, rule.version)
    : refused(rule);
}

/** Of no version: it is in shadow no more. */
export function shadowRule(found: Found, version: RuleVersion | undefined): Decision {
  const { rule } = found;
  const wanted = asItStands(found);
  if (version === undefined) return changed("RULE_SHADOWED", rule, { ...wanted, shadow: undefined }, rule.version);
  if (wanted.givenUp || version.version === rule.standing.activeVersion) return refused(rule);
  return changed("RULE_SHADOWED", rule, { ...wanted, shadow: version }, version);
}

export function deprecateRule(found: Found): Decision {
  const { rule } = found;
  return rule.standing.state === "INACTIVE" || rule.standing.state === "DEPRECATED"
    ? changed("RULE_DEPRECATED", rule, { ...asItStands(found), givenUp: true }, rule.version)
    : refused(rule);
}

export function deleteRule({ rule }: Found): Decision {
  if (rule.standing.hasJudged) return refused(rule);
  const step = { id: rule.standing.id, before: rule, after: undefined, written: [], dropped: [] };
  return ok(planOf("RULE_DELETED", step, rule.version));
}

/** The first of its moves that the lifecycle does not have, or that the rule, which is for updates, is not asked about: `moves[0]`. */
export function unknownMove({ moves, operations }: RuleSource): string | undefined {
  const index = operations.includes("TRANSITION") ? moves.findIndex((move) => !exists(move)) : Math.min(moves.length, 1) - 1;
  return index < 0 ? undefined : `moves[${index}]`;
}

export const unknownMoveWords =
  "the lifecycle has no such move, or the rule judges no moves, so it would never be asked about it";

function exists({ from, to }: RuleMove): boolean {
  return workflowStates.some((a) => (from ?? a) === a && workflowStates.some((b) => (to ?? b) === b && isMove(a, b)));
}

export function versionOf(id: RuleId, version: number, source: RuleSource, stamp: Stamp): RuleVersion {
  return { ...source, id, ...authorshipOf(version, stamp) };
}

export function asItStands({ rule, contents }: Found): RuleWanted {
  const { id, state } = rule.standing;
  return {
    newest: rule.version,
    active: contents.active.find((each) => each.id === id),
    shadow: contents.shadow.find((each) => each.id === id),
    givenUp: state === "DEPRECATED",
  };
}

/** The oldest of those that were never used, as far as there are too many. The newest version is never among them. */
export function droppedVersions(
  neverUsed: readonly number[],
  written: readonly RuleVersion[],
  after: RuleWanted,
  { unusedVersions }: RuleSetLimits,
): readonly number[] {
  const isUsed = (version: number): boolean => version === after.active?.version || version === after.shadow?.version;
  const unused = [...neverUsed, ...written.map(({ version }) => version)].filter((version) => !isUsed(version));
  return unused.slice(0, Math.max(0, unused.length - unusedVersions));
}

function changed(kind: RuleSetChangeKind, before: Rule, after: RuleWanted, shown: RuleVersion): Decision {
  return ok(planOf(kind, { id: before.standing.id, before, after, written: [], dropped: [] }, shown));
}

function planOf(kind: RuleSetChangeKind, step: RuleStep, shown: RuleVersion): Plan {
  return { kind, steps: [step], items: undefined, shown };
}

function refused({ standing }: Rule): { readonly ok: false; readonly error: DecisionFailure } {
  return err({ type: "rule-state", ruleId: standing.id, state: standing.state });
}
