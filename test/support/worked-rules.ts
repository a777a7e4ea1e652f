import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import type { JsonObject } from "../../src/kernel/json.ts";
import { type WorkflowState, workflowStates } from "../../src/kernel/lifecycle.ts";
import { describeCompileError } from "../../src/predicate/core/compile.ts";
import { lastOf } from "../../src/predicate/core/compile-rule.ts";
import { judge } from "../../src/predicate/core/judge.ts";
import { compileContents } from "../../src/predicate/core/rule-set.ts";
import type { Check } from "../../src/predicate/core/types.ts";
import { checkOf, contentsOf, factOf, ruleOf, sampleCheck } from "./rule-values.ts";

const state = z.enum(workflowStates);
const time = z.iso.datetime().transform((text) => Date.parse(text));
const object = z.record(z.string(), z.json());

/** What differs from the check of test/support/rule-values.ts. `metadata` is that of the workflow. */
const input = z.strictObject({
  metadata: object.optional(),
  workflow: z
    .strictObject({
      type: z.string().optional(),
      state: state.optional(),
      previous_state: state.optional(),
      retry_count: z.int().optional(),
      created_by: z.string().optional(),
      updated_by: z.string().optional(),
      state_entered_at: time.optional(),
    })
    .default({}),
  request: z
    .strictObject({
      requested_by: z.string().optional(),
      reason: z.string().optional(),
      context: object.optional(),
      participants: z.array(z.string()).default([]),
    })
    .prefault({}),
  last_event: z.strictObject({ requested_by: z.string().optional(), metadata: object.optional() }).default({}),
  to: state.optional(),
  now: time.optional(),
  /** The message of a denial, or of a warning. */
  says: z.string().optional(),
});

const workedRule = z.strictObject({
  /** The rest of its rule set, as rule files have it. */
  with: z
    .strictObject({
      types: z.array(z.strictObject({ name: z.string(), schema: object })).default([]),
      facts: z.array(z.strictObject({ name: z.string(), expression: z.string() })).default([]),
    })
    .prefault({}),
  id: z.string(),
  types: z.array(z.string()).default([]),
  action: z.enum(["deny", "warn"]).default("deny"),
  moves: z.array(z.templateLiteral([state, ":", state])),
  expression: z.string(),
  message: z.string(),
  allowed: z.array(input).min(1),
  denied: z.array(input).min(1).optional(),
  warned: z.array(input).min(1).optional(),
  /** An expression that looks right. What comes out: `allowed`, `denied`, `warned`, or `failed` or `refused` with a part of why. */
  mistake: z.strictObject({ expression: z.string(), input, outcome: z.string() }).optional(),
});

export type WorkedRule = z.infer<typeof workedRule>;
type WorkedInput = z.infer<typeof input>;

/** The blocks of a page that are rules with their inputs. */
export function workedRules(page: string): readonly WorkedRule[] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  return [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = ""]) => workedRule.parse(parse(block)));
}

/** The move is the first of the rule's, if the input names no other. */
function checkFor({ moves: [move] }: WorkedRule, { metadata, workflow, request, last_event, to, now }: WorkedInput): Check {
  const [from, target] = (move?.split(":") ?? []) as WorkflowState[];
  const sample = sampleCheck.workflow;
  return checkOf({
    workflow: {
      type: workflow.type ?? sample.type,
      state: workflow.state ?? from ?? sample.state,
      previousState: workflow.previous_state ?? sample.previousState,
      retryCount: workflow.retry_count ?? sample.retryCount,
      createdBy: workflow.created_by ?? sample.createdBy,
      updatedBy: workflow.updated_by ?? sample.updatedBy,
      stateEnteredAtMs: workflow.state_entered_at ?? sample.stateEnteredAtMs,
      metadata: (metadata ?? {}) as JsonObject,
    },
    targetState: to ?? target ?? sampleCheck.targetState,
    requestedBy: request.requested_by ?? sampleCheck.requestedBy,
    reason: request.reason ?? sampleCheck.reason,
    context: (request.context ?? {}) as JsonObject,
    transaction: { id: "", participantIds: request.participants },
    lastEvent: {
      type: "TRANSITION",
      fromState: workflow.previous_state ?? sample.previousState,
      toState: workflow.state ?? from,
      occurredAtMs: workflow.state_entered_at ?? sample.stateEnteredAtMs,
      reason: "",
      requestedBy: last_event.requested_by ?? sample.updatedBy,
      metadata: (last_event.metadata ?? {}) as JsonObject,
    },
    atMs: now ?? sampleCheck.atMs,
  });
}

/** `allowed`; `denied: message`; `warned: message`; `failed: why`, if it could not be evaluated; `refused: why`, if it is none. */
export function outcomeOf(worked: WorkedRule, asked: WorkedInput, expression = worked.expression): string {
  const moves = worked.moves.map((move) => {
    const [from, to] = move.split(":") as [WorkflowState, WorkflowState];
    return { from, to };
  });
  const { id, message, types, action, with: rest } = worked;
  const authorship = { version: 1, createdAtMs: 1, createdBy: "lab" };
  const contents = contentsOf({
    active: [ruleOf({ id, message, moves, expression, workflowTypes: types, action: action === "warn" ? "WARN" : "DENY" })],
    facts: rest.facts.map(({ name, expression: text }) => factOf(name, text)),
    workflowTypes: rest.types.map(({ name, schema }) => ({
      name,
      description: "",
      metadataSchema: schema as JsonObject,
      ...authorship,
    })),
  });
  const { ruleSet, problems } = lastOf(compileContents(contents));
  if (problems[0] !== undefined) return `refused: ${describeCompileError(problems[0].error)}`;
  const verdict = judge(ruleSet, checkFor(worked, asked));
  if (verdict.type !== "rule-denied" && verdict.type !== "allowed") return verdict.type;
  const isDenied = verdict.type === "rule-denied";
  const [violation] = isDenied ? verdict.violations : verdict.warnings;
  if (violation === undefined) return verdict.type;
  return `${violation.evaluationFailed ? "failed" : isDenied ? "denied" : "warned"}: ${violation.message}`;
}
