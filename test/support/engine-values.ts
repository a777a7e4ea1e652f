import type { CountQuota } from "../../src/kernel/count-quota.ts";
import type { RequestId, RuleId } from "../../src/kernel/ids.ts";
import type { OnJudged } from "../../src/predicate/answers.ts";
import { type RuleSetLimits, ruleSetLimits } from "../../src/predicate/core/rule-set/limits.ts";
import type { RuleRole, RuleSource, RuleTestSource } from "../../src/predicate/core/types.ts";
import { type ApplyRuleSet, createEngine, type Engine } from "../../src/predicate/engine.ts";
import type { RuleStore } from "../../src/predicate/ports.ts";
import { createRunTests } from "../../src/predicate/run-tests.ts";
import { createMemoryRuleStore } from "../../src/storage/memory/rule-store.ts";
import { pausing } from "./pausing.ts";
import { sampleCheck, simpleEvaluator } from "./rule-values.ts";

export const id = (name: string): RuleId => name as RuleId;
export const by = { reason: "season", requestedBy: "kurt", request: undefined };
export const request = (name: string, digest = "digest") => ({ id: name as RequestId, digest });

export const source = (changes: Partial<RuleSource> = {}): RuleSource => ({
  description: "keep it cold",
  operations: ["TRANSITION"],
  moves: [],
  workflowTypes: [],
  condition: "",
  expression: "workflow.metadata.temperature < 5",
  message: "",
  priority: 0,
  action: "DENY",
  ...changes,
});

export const create = (name: string, changes: Partial<RuleSource> = {}) => ({ id: id(name), ...source(changes), ...by });
export const fact = (name: string, expression: string) =>
  ({ kind: "FACT", fact: { name, description: "", expression } }) as const;
export const testOf = (name: string, verdict: "allowed" | "rule-denied"): RuleTestSource => ({
  name,
  check: sampleCheck,
  expect: { verdict, violations: [] },
});
export const described = (name: string, changes: Partial<RuleSource> = {}, role: RuleRole = "ACTIVE") => ({
  id: id(name),
  role,
  source: source(changes),
});
export const applying = (parts: Partial<ApplyRuleSet> = {}): ApplyRuleSet => ({
  rules: [],
  facts: [],
  workflowTypes: [],
  tests: [],
  dryRun: false,
  ...by,
  ...parts,
});

export async function engineOver(
  store: RuleStore = createMemoryRuleStore(),
  limits: Partial<RuleSetLimits> = {},
  onJudged?: OnJudged,
  quota?: CountQuota,
): Promise<Engine> {
  let nowMs = 1000;
  const turns = pausing();
  return createEngine({
    store,
    clock: { nowMs: () => ++nowMs },
    evaluator: simpleEvaluator,
    runTests: createRunTests({ evaluator: simpleEvaluator, turns }),
    turns,
    limits: { ...ruleSetLimits, ...limits },
    ...(onJudged && { onJudged }),
    ...(quota && { quota }),
  });
}
