import type { CelInput } from "@bufbuild/cel";
import { bindingsOf } from "./bindings.ts";
import type { Bindings } from "./evaluate.ts";
import { factMap } from "./facts.ts";
import type { RuleSet } from "./rule-set.ts";
import type { Check, RuleVersion } from "./types.ts";

/** What facts see: as rules for all types. */
export function factBindingsOf({ facts }: RuleSet, check: Check): Bindings {
  const plain: Bindings = bindingsOf(check, undefined, () => factMap(facts, plain));
  return plain;
}

/** What a rule sees: one for all types what every workflow has, one for certain types what the schema of this one says of its metadata. */
export type RuleBindings = (rule: RuleVersion) => Bindings;

export function ruleBindings(ruleSet: RuleSet, check: Check): RuleBindings {
  const { workflowTypes } = ruleSet;
  const plain = factBindingsOf(ruleSet, check);
  const metadata = workflowTypes.get(check.workflow.type)?.metadata;
  if (metadata === undefined) return () => plain;
  const typed = bindingsOf(check, metadata, () => plain["facts"] as CelInput);
  return ({ workflowTypes: types }) => (types.length === 0 ? plain : typed);
}
