import type { RuleId, WorkflowId } from "../../src/kernel/ids.ts";
import { ok } from "../../src/kernel/result.ts";
import type { Question } from "../../src/predicate/answers.ts";
import { lastOf } from "../../src/predicate/core/compile-rule.ts";
import { explainCheck } from "../../src/predicate/core/explain-check.ts";
import { judge } from "../../src/predicate/core/judge.ts";
import { compileContents, type RuleSet } from "../../src/predicate/core/rule-set.ts";
import type { Check, Fact, RuleSetContents, RuleVersion, Verdict } from "../../src/predicate/core/types.ts";
import type { Engine } from "../../src/predicate/engine.ts";
import type { Evaluator } from "../../src/predicate/ports.ts";

/** A sample in a laboratory, about to be reported. 2023-11-14T22:13:20Z. */
export const sampleCheck: Check = {
  workflow: {
    id: "sample-17" as WorkflowId,
    type: "sample",
    state: "ACTIVE",
    previousState: "CREATED",
    version: 2,
    retryCount: 0,
    createdAtMs: 1_699_990_000_000,
    createdBy: "kurt",
    updatedAtMs: 1_699_996_400_000,
    updatedBy: "robot-2",
    stateEnteredAtMs: 1_699_996_400_000,
    metadata: { temperature: 7.5, qc: { passed: true, operators: ["ada", "kurt"] }, note: null },
  },
  lastEvent: {
    type: "TRANSITION",
    fromState: "CREATED",
    toState: "ACTIVE",
    occurredAtMs: 1_699_996_400_000,
    requestedBy: "robot-2",
    reason: "on the tray",
    metadata: { tray: 4 },
  },
  targetState: "COMPLETED",
  reason: "analysis done",
  requestedBy: "ada",
  authenticatedAs: "",
  context: { instrument: "lc-3" },
  transaction: { id: "", participantIds: ["inventory"] },
  atMs: 1_700_000_000_000,
};

export function checkOf(changes: Partial<Omit<Check, "workflow">> & { workflow?: Partial<Check["workflow"]> }): Check {
  return { ...sampleCheck, ...changes, workflow: { ...sampleCheck.workflow, ...changes.workflow } };
}

export function ruleOf(changes: Omit<Partial<RuleVersion>, "id"> & { readonly id?: string }): RuleVersion {
  return {
    version: 1,
    description: "",
    operations: ["TRANSITION"],
    moves: [],
    workflowTypes: [],
    condition: "",
    expression: "true",
    message: "",
    priority: 0,
    action: "DENY",
    createdAtMs: 1,
    createdBy: "lab",
    ...changes,
    id: (changes.id ?? "rule") as RuleId,
  };
}

export const factOf = (name: string, expression: string, version = 1): Fact => ({
  name,
  version,
  description: "",
  expression,
  createdAtMs: 1,
  createdBy: "lab",
});

export function contentsOf(parts: Partial<RuleSetContents> = {}): RuleSetContents {
  return { revision: 1, active: [], shadow: [], facts: [], workflowTypes: [], tests: [], ...parts };
}

export function ruleSetWith(parts: Partial<RuleSetContents>, before?: RuleSet): RuleSet {
  const { ruleSet, problems } = lastOf(compileContents(contentsOf(parts), before));
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return ruleSet;
}

export const ruleSetOf = (revision: number, ...active: readonly RuleVersion[]): RuleSet => ruleSetWith({ revision, active });

/** Judges on the spot, whatever it costs. */
export const simpleEvaluator: Evaluator = {
  prepare: () => {},
  judge: async (ruleSet, checks) => ok(checks.map((check) => judge(ruleSet, check))),
  explain: async (ruleSet, check, { ruleIds }) =>
    ok({ verdict: judge(ruleSet, check), explanation: explainCheck(ruleSet, check, ruleIds) }),
  close: async () => {},
};

export async function verdictsOf(engine: Engine, ...questions: readonly Question[]): Promise<readonly Verdict[]> {
  const outcome = await engine.check(questions, { signal: new AbortController().signal, promptOnly: false });
  if (!outcome.ok) throw new Error(outcome.error.type);
  return outcome.value;
}

export async function verdictOf(engine: Engine, question: Question = sampleCheck): Promise<Verdict | undefined> {
  return (await verdictsOf(engine, question))[0];
}
