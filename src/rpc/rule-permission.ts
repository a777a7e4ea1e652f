import type { Permission } from "../access/core/policy.ts";
import { hasAllOfType, mayHaveType } from "../access/core/scope.ts";
import type { RuleId } from "../kernel/ids.ts";
import type { Rule } from "../predicate/core/types.ts";
import type { Engine } from "../predicate/engine.ts";
import { permissionDenied } from "./errors.ts";
import { ruleNotFound } from "./predicate-errors.ts";

type Permitted = { readonly permission: Permission };

/** A rule is of those who write rules for all of its types. One without types judges everything. */
const isOwn = ({ permission: { workflows } }: Permitted, types: readonly string[]): boolean =>
  workflows === "all" || (types.length > 0 && types.every((type) => hasAllOfType(workflows, type)));

/** A rule may be read by whom it concerns: it judges some of their workflows. */
export const mayReadRule = ({ permission: { workflows } }: Permitted, { version: { workflowTypes } }: Rule): boolean =>
  workflows === "all" || workflowTypes.length === 0 || workflowTypes.some((type) => mayHaveType(workflows, type));

/** Of one that is asked about by name: whoever may not read it hears that there is none. */
export async function checkMayReadRule(engine: Engine, context: Permitted, ruleId: string): Promise<void> {
  if (context.permission.workflows === "all") return;
  const rule = await engine.rule(ruleId as RuleId);
  if (rule !== undefined && !mayReadRule(context, rule)) throw ruleNotFound(ruleId);
}

/** Of a rule as it is to be. */
export function checkRuleTypes(context: Permitted, types: readonly string[]): void {
  if (isOwn(context, types)) return;
  const judges = types.length === 0 ? "workflows of all types" : `workflows of types ${types.join(", ")}`;
  throw permissionDenied(`what you are granted is not for rules that judge ${judges}`);
}

/**
 * Of a rule that is there: what judges of it, and what is to. Returns the version that was looked at where none was named, so that
 * none that comes meanwhile is taken for it.
 */
export async function checkRule(
  engine: Engine,
  context: Permitted,
  { ruleId, version = 0 }: { readonly ruleId: string; readonly version?: number },
): Promise<number | undefined> {
  if (context.permission.workflows === "all") return version || undefined;
  const id = ruleId as RuleId;
  const rule = await engine.rule(id);
  // The engine says that there is none.
  if (rule === undefined) return version || undefined;
  const { activeVersion, shadowVersion, latestVersion } = rule.standing;
  const named = [version || undefined, activeVersion, shadowVersion].filter((each) => each !== undefined);
  const others = await Promise.all(named.map((each) => engine.rule(id, each)));
  if (![rule, ...others].every((each) => each === undefined || isOwn(context, each.version.workflowTypes))) {
    if (!mayReadRule(context, rule)) throw ruleNotFound(ruleId);
    throw permissionDenied(`what you are granted is not for rule "${ruleId}", which judges other types too`, { rule_id: ruleId });
  }
  return version || latestVersion;
}
