import {
  type Fact,
  type Rule,
  RuleAction,
  RuleOperation,
  RuleState,
  type RuleTest,
  type RuleTestExpectation,
  type WorkflowType,
} from "../../gen/concord/predicate/v1/rule_set.ts";
import { Judgement, type TransitionCheck } from "../../gen/concord/predicate/v1/verdict.ts";
import { type Workflow, type WorkflowEvent, WorkflowEventType, WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import { moveText } from "./move.ts";

/** The other way round than to-wire.ts: what a rule file would say. What it need not say is left out, for people will read it. */

type Json = Readonly<Record<string, unknown>>;

/** What is not empty. */
const said = (fields: Json): Json => Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));

function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === "" || value === 0;
}

const nameIn = <Value extends string>(names: Readonly<Record<string, Value>>, value: Value, none: Value): string | undefined =>
  value === none ? undefined : Object.keys(names).find((name) => names[name] === value);

/** As a rule is that does not say. */
const isForMovesOnly = ({ operations }: Rule): boolean => operations.every((operation) => operation === RuleOperation.TRANSITION);

export const ruleShape = (rule: Rule): Json => ({
  id: rule.ruleId,
  ...said({
    description: rule.description,
    operations: isForMovesOnly(rule)
      ? []
      : rule.operations.map((each) => nameIn(RuleOperation, each, RuleOperation.UNSPECIFIED)?.toLowerCase()),
    moves: rule.moves.map(moveText),
    types: rule.workflowTypes,
    condition: rule.condition,
  }),
  expression: rule.expression,
  ...said({
    message: rule.message,
    priority: rule.priority,
    action: nameIn(RuleAction, rule.action, RuleAction.DENY)?.toLowerCase(),
    state: nameIn(RuleState, rule.state, RuleState.ACTIVE)?.toLowerCase(),
  }),
});

export const factShape = ({ name, description, expression }: Fact): Json => ({ name, ...said({ description }), expression });

export const workflowTypeShape = ({ name, description, metadataSchema: schema }: WorkflowType): Json => ({
  name,
  ...said({ description }),
  // An empty schema is one.
  ...(schema !== undefined && { schema }),
});

export type ActionOf = (ruleId: string) => RuleAction | undefined;

/** `actionOf`: of the active rules, to say whether a rule denies, warns or audits. */
export function testShape({ name, check, expect }: RuleTest, actionOf: ActionOf): Json {
  if (check?.workflow === undefined || expect === undefined)
    throw new Error("the contract requires a workflow and an expectation");
  return {
    name,
    workflow: workflowShape(check.workflow),
    // Also if it is empty.
    ...(check.proposedMetadata === undefined
      ? { to: stateName(check.targetState) }
      : { proposed: { metadata: check.proposedMetadata } }),
    ...said({ request: requestShape(check) }),
    // Also if it is empty: there was one.
    ...(check.lastEvent && { last_event: lastEventShape(check.lastEvent) }),
    ...said({
      now: check.at?.getTime() === defaultNowMs ? undefined : time(check.at),
    }),
    expect: expectationShape(expect, actionOf),
  };
}

// What the server puts in where a test says nothing (rule_set.proto, RuleTest).
const defaultWorkflowId = "test";
const defaultVersion = 1n;
const defaultNowMs = Date.UTC(2026, 0, 1);

const workflowShape = (workflow: Workflow): Json => ({
  ...said({ id: workflow.workflowId === defaultWorkflowId ? "" : workflow.workflowId, type: workflow.type }),
  state: stateName(workflow.state),
  ...said({
    previous_state: stateName(workflow.previousState),
    version: workflow.version === defaultVersion ? 0 : Number(workflow.version),
    retry_count: workflow.retryCount,
    created_at: time(workflow.createdAt),
    created_by: workflow.createdBy,
    updated_at: time(workflow.updatedAt),
    updated_by: workflow.updatedBy,
    state_entered_at: time(workflow.stateEnteredAt),
    recoverable_at: time(workflow.recoverableAt),
    metadata: workflow.metadata,
  }),
});

const requestShape = ({ transaction, ...check }: TransitionCheck): Json =>
  said({
    reason: check.reason,
    requested_by: check.requestedBy,
    authenticated_as: check.authenticatedAs,
    context: check.context,
    transaction: said({ id: transaction?.transactionId, participants: transaction?.participantIds }),
  });

const lastEventShape = (event: WorkflowEvent): Json =>
  said({
    type: nameIn(WorkflowEventType, event.type, WorkflowEventType.UNSPECIFIED),
    from_state: stateName(event.fromState),
    to_state: stateName(event.toState),
    occurred_at: time(event.occurredAt),
    requested_by: event.requestedBy,
    authenticated_as: event.authenticatedAs,
    reason: event.reason,
    metadata: event.metadata,
  });

const stateName = (state: WorkflowState): string | undefined => nameIn(WorkflowState, state, WorkflowState.UNSPECIFIED);

/** 1970 is what is read of a time that nobody has set. */
const time = (date: Date | undefined): string | undefined => (date?.getTime() ? date.toISOString() : undefined);

function expectationShape({ judgement, violations }: RuleTestExpectation, actionOf: ActionOf): string | Json {
  if (judgement === Judgement.INVALID_TRANSITION) return "invalid";
  if (judgement === Judgement.METADATA_INVALID) return "metadata_invalid";
  const denies = judgement === Judgement.RULE_DENIED;
  if (violations.length === 0) return denies ? "denied" : "allowed";
  const by = (action: RuleAction) =>
    violations.filter(({ ruleId }) => (actionOf(ruleId) ?? (denies ? RuleAction.DENY : RuleAction.WARN)) === action);
  const denied = expectedShape(by(RuleAction.DENY));
  return {
    // Also if it is empty: it says that the move is denied.
    ...(denies && { denied_by: denied }),
    ...said({ warned_by: expectedShape(by(RuleAction.WARN)), audited_by: expectedShape(by(RuleAction.AUDIT)) }),
  };
}

function expectedShape(violations: RuleTestExpectation["violations"]): readonly string[] | Json {
  if (violations.every(({ message }) => message === "")) return violations.map(({ ruleId }) => ruleId);
  return Object.fromEntries(violations.map(({ ruleId, message }) => [ruleId, message]));
}
