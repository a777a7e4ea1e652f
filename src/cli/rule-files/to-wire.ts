import type { ApplyRuleSetRequest } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import {
  type DeepPartial,
  Fact,
  Rule,
  RuleAction,
  RuleOperation,
  RuleState,
  RuleTest,
  WorkflowType,
} from "../../gen/concord/predicate/v1/rule_set.ts";
import { Judgement } from "../../gen/concord/predicate/v1/verdict.ts";
import { WorkflowEventType, WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import { compare } from "../../kernel/range.ts";
import type { FactShape, RuleShape, TestShape, WorkflowTypeShape } from "./shape.ts";

/** A rule set, as ApplyRuleSet takes it. */
export type RuleSetParts = Pick<ApplyRuleSetRequest, "rules" | "facts" | "workflowTypes" | "tests">;

const states = { active: RuleState.ACTIVE, shadow: RuleState.SHADOW, draft: RuleState.DRAFT } as const;
const actions = { deny: RuleAction.DENY, warn: RuleAction.WARN, audit: RuleAction.AUDIT } as const;

const operations = { transition: RuleOperation.TRANSITION, update: RuleOperation.UPDATE } as const;

export function ruleToWire({ id, types = [], action = "deny", state = "active", ...rule }: RuleShape): Rule {
  return Rule.fromPartial({
    ...rule,
    ruleId: id,
    workflowTypes: types,
    action: actions[action],
    state: states[state],
    operations: (rule.operations ?? []).map((operation) => operations[operation]),
    moves: rule.moves ?? [],
  });
}

export const factToWire = (fact: FactShape): Fact => Fact.fromPartial(fact);

export const workflowTypeToWire = ({ schema, ...type }: WorkflowTypeShape): WorkflowType =>
  WorkflowType.fromPartial({ ...type, metadataSchema: schema });

export function testToWire({
  name,
  workflow,
  to = workflow.state,
  proposed,
  request = {},
  last_event: event,
  now,
  expect,
}: TestShape): RuleTest {
  return RuleTest.fromPartial({
    name,
    check: {
      workflow: {
        workflowId: workflow.id ?? "",
        type: workflow.type ?? "",
        state: WorkflowState[workflow.state],
        previousState: WorkflowState[workflow.previous_state ?? "UNSPECIFIED"],
        version: BigInt(workflow.version ?? 0),
        retryCount: workflow.retry_count ?? 0,
        createdAt: workflow.created_at,
        createdBy: workflow.created_by ?? "",
        updatedAt: workflow.updated_at,
        updatedBy: workflow.updated_by ?? "",
        stateEnteredAt: workflow.state_entered_at,
        recoverableAt: workflow.recoverable_at,
        metadata: workflow.metadata,
      },
      targetState: WorkflowState[to],
      proposedMetadata: proposed?.metadata,
      reason: request.reason ?? "",
      requestedBy: request.requested_by ?? "",
      authenticatedAs: request.authenticated_as ?? "",
      context: request.context,
      transaction: request.transaction && {
        transactionId: request.transaction.id ?? "",
        participantIds: request.transaction.participants ?? [],
      },
      at: now,
      lastEvent: event && {
        type: WorkflowEventType[event.type ?? "UNSPECIFIED"],
        fromState: WorkflowState[event.from_state ?? "UNSPECIFIED"],
        toState: WorkflowState[event.to_state ?? "UNSPECIFIED"],
        occurredAt: event.occurred_at,
        requestedBy: event.requested_by ?? "",
        authenticatedAs: event.authenticated_as ?? "",
        reason: event.reason ?? "",
        metadata: event.metadata,
      },
    },
    expect: expectationToWire(expect),
  });
}

const judgements = {
  allowed: Judgement.ALLOWED,
  denied: Judgement.RULE_DENIED,
  invalid: Judgement.INVALID_TRANSITION,
  metadata_invalid: Judgement.METADATA_INVALID,
} as const;

/** Who only warns or audits refuses nothing. */
function expectationToWire(expect: TestShape["expect"]): DeepPartial<RuleTest["expect"]> {
  if (typeof expect === "string") return { judgement: judgements[expect], violations: [] };
  const { denied_by: denied, warned_by: warned = [], audited_by: audited = [] } = expect;
  return {
    judgement: judgements[denied === undefined ? "allowed" : "denied"],
    // In one order always: a map has keys that are numbers first.
    violations: [denied ?? [], warned, audited].flatMap(expectedToWire).toSorted((a, b) => compare(a.ruleId, b.ruleId)),
  };
}

function expectedToWire(rules: readonly string[] | Readonly<Record<string, string>>) {
  const named = Array.isArray(rules)
    ? rules.map((ruleId) => [ruleId, ""] as const)
    : Object.entries(rules as Record<string, string>);
  return named.map(([ruleId, message]) => ({ ruleId, message }));
}
