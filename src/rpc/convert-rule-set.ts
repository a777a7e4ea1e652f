import { DiagnosticSeverity, type RuleDiagnostic } from "../gen/concord/predicate/v1/predicate_logic.ts";
import {
  type DeepPartial,
  type Fact as WireFact,
  type Rule as WireRule,
  RuleAction as WireRuleAction,
  type RuleMove as WireRuleMove,
  RuleOperation as WireRuleOperation,
  type RuleSetChange as WireRuleSetChange,
  RuleSetChangeKind as WireRuleSetChangeKind,
  type RuleSetDifference as WireRuleSetDifference,
  RuleSetItem as WireRuleSetItem,
  RuleSetItemKind as WireRuleSetItemKind,
  RuleState as WireRuleState,
  type RuleTest as WireRuleTest,
  type WorkflowType as WireWorkflowType,
} from "../gen/concord/predicate/v1/rule_set.ts";
import { Judgement } from "../gen/concord/predicate/v1/verdict.ts";
import { assert, unreachable } from "../kernel/assert.ts";
import type { RuleId } from "../kernel/ids.ts";
import type { Diagnostic } from "../predicate/core/rule-set/review.ts";
import {
  type Authorship,
  type Expectation,
  type Fact,
  type FactSource,
  type Rule,
  type RuleMove,
  type RuleOperation,
  type RuleRole,
  type RuleSetChange,
  type RuleSetItem,
  type RuleSource,
  type RuleTest,
  type RuleTestSource,
  type RuleVersion,
  ruleOperations,
  type WorkflowType,
  type WorkflowTypeSource,
} from "../predicate/core/types.ts";
import { checkToWire, questionFromWire } from "./convert-verdict.ts";
import { stateFromWire, stateToWire } from "./convert-workflow.ts";
import { encoded } from "./encoded-answer.ts";
import { invalidField } from "./errors.ts";

/** The fields of a rule that its author writes, wherever they stand in a request. */
type SourceFields = Pick<
  WireRule,
  "description" | "operations" | "moves" | "workflowTypes" | "condition" | "expression" | "message" | "priority" | "action"
>;

/** `field` is where the rule stands in the request, with a dot behind it, or nothing. */
export function sourceFromWire(source: SourceFields, field = ""): RuleSource {
  const { description, workflowTypes, condition, expression, message, priority, action } = source;
  return {
    description,
    operations: operationsFromWire(source.operations),
    moves: source.moves.map((move, index) => moveFromWire(move, `${field}moves[${index}]`)),
    workflowTypes,
    condition,
    expression,
    message,
    priority,
    action: action === WireRuleAction.WARN ? "WARN" : action === WireRuleAction.AUDIT ? "AUDIT" : "DENY",
  };
}

/** None named: moves. In one order, so that it says the same. */
const operationsFromWire = (named: readonly WireRuleOperation[]): readonly RuleOperation[] =>
  named.length === 0 ? ["TRANSITION"] : ruleOperations.filter((operation) => named.includes(WireRuleOperation[operation]));

function moveFromWire(move: WireRuleMove, field: string): RuleMove {
  return {
    from: stateFromWire(move.fromState, `${field}.from_state`),
    to: stateFromWire(move.toState, `${field}.to_state`),
  };
}

export type AppliedRule = { readonly id: RuleId; readonly role: RuleRole; readonly source: RuleSource };

export function appliedRuleFromWire(rule: WireRule, index: number): AppliedRule {
  const field = `rules[${index}].`;
  return { id: rule.ruleId as RuleId, role: roleFromWire(rule.state, `${field}state`), source: sourceFromWire(rule, field) };
}

function roleFromWire(state: WireRuleState, field: string): RuleRole {
  switch (state) {
    case WireRuleState.UNSPECIFIED:
    case WireRuleState.ACTIVE:
      return "ACTIVE";
    case WireRuleState.SHADOW:
      return "SHADOW";
    case WireRuleState.DRAFT:
      return "DRAFT";
    default:
      throw invalidField(field, "must be RULE_STATE_ACTIVE, RULE_STATE_SHADOW or RULE_STATE_DRAFT");
  }
}

export function factFromWire({ name, description, expression }: WireFact): FactSource {
  return { name, description, expression };
}

export function workflowTypeFromWire({ name, description, metadataSchema }: WireWorkflowType): WorkflowTypeSource {
  return { name, description, metadataSchema: metadataSchema as WorkflowTypeSource["metadataSchema"] };
}

/** What a test does not say, so that it says the same every day. */
const testDefaults = { workflowId: "test", version: 1n, atMs: Date.UTC(2026, 0, 1) };

export function testFromWire({ name, check, expect }: WireRuleTest, field: string): RuleTestSource {
  const workflow = check?.workflow;
  const complete = check && {
    ...check,
    workflow: workflow && {
      ...workflow,
      workflowId: workflow.workflowId || testDefaults.workflowId,
      version: workflow.version || testDefaults.version,
    },
  };
  const question = questionFromWire(complete, `${field}check`);
  const atMs = question.atMs ?? testDefaults.atMs;
  const violations = (expect?.violations ?? []).map(({ ruleId, message }) => ({ ruleId: ruleId as RuleId, message }));
  const verdict = expectedVerdicts[expect?.judgement ?? Judgement.UNSPECIFIED];
  if (verdict === undefined) throw invalidField(`${field}expect.judgement`, "must be one that a check can end with");
  return { name, check: { ...question, atMs }, expect: { verdict, violations } };
}

const expectedVerdicts: Readonly<Partial<Record<Judgement, Expectation["verdict"]>>> = {
  [Judgement.ALLOWED]: "allowed",
  [Judgement.RULE_DENIED]: "rule-denied",
  [Judgement.INVALID_TRANSITION]: "invalid-transition",
  [Judgement.METADATA_INVALID]: "metadata-invalid",
};

const judgements: Readonly<Record<Expectation["verdict"], Judgement>> = {
  allowed: Judgement.ALLOWED,
  "rule-denied": Judgement.RULE_DENIED,
  "invalid-transition": Judgement.INVALID_TRANSITION,
  "metadata-invalid": Judgement.METADATA_INVALID,
};

const authorshipToWire = ({ version, createdAtMs, createdBy, createdAs = "" }: Authorship) => ({
  version,
  createdAt: new Date(createdAtMs),
  createdBy,
  createdAs,
});

export function ruleToWire({ version, standing }: Rule): DeepPartial<WireRule> {
  return {
    ...versionToWire(version),
    state: WireRuleState[standing.state],
    updatedAt: new Date(standing.updatedAtMs),
    requestedBy: standing.requestedBy,
    authenticatedAs: standing.authenticatedAs ?? "",
    reason: standing.reason,
    latestVersion: standing.latestVersion,
    activeVersion: standing.activeVersion ?? 0,
    shadowVersion: standing.shadowVersion ?? 0,
  };
}

function versionToWire(rule: RuleVersion): DeepPartial<WireRule> {
  return {
    ruleId: rule.id,
    ...authorshipToWire(rule),
    description: rule.description,
    operations: rule.operations.map((operation) => WireRuleOperation[operation]),
    moves: rule.moves.map(({ from, to }) => ({ fromState: stateToWire(from), toState: stateToWire(to) })),
    workflowTypes: [...rule.workflowTypes],
    condition: rule.condition,
    expression: rule.expression,
    message: rule.message,
    priority: rule.priority,
    action: WireRuleAction[rule.action],
  };
}

function factToWire(fact: Fact): DeepPartial<WireFact> {
  return { name: fact.name, description: fact.description, expression: fact.expression, ...authorshipToWire(fact) };
}

function workflowTypeToWire(type: WorkflowType): DeepPartial<WireWorkflowType> {
  const { name, description, metadataSchema } = type;
  return { name, description, metadataSchema, ...authorshipToWire(type) };
}

function testToWire(test: RuleTest): DeepPartial<WireRuleTest> {
  const { verdict, violations } = test.expect;
  const expect = { judgement: judgements[verdict], violations: [...violations] };
  return { name: test.name, check: checkToWire(test.check), expect, ...authorshipToWire(test) };
}

export function itemToWire(item: RuleSetItem): DeepPartial<WireRuleSetItem> {
  switch (item.kind) {
    case "RULE":
      return { item: { $case: "rule", value: { ...versionToWire(item.rule), state: WireRuleState[item.role] } } };
    case "FACT":
      return { item: { $case: "fact", value: factToWire(item.fact) } };
    case "WORKFLOW_TYPE":
      return { item: { $case: "workflowType", value: workflowTypeToWire(item.workflowType) } };
    case "TEST":
      return { item: { $case: "test", value: testToWire(item.test) } };
    default:
      return unreachable(item);
  }
}

export function itemName(item: RuleSetItem): string {
  switch (item.kind) {
    case "RULE":
      return item.rule.id;
    case "FACT":
      return item.fact.name;
    case "WORKFLOW_TYPE":
      return item.workflowType.name;
    case "TEST":
      return item.test.name;
    default:
      return unreachable(item);
  }
}

/** What all differences of one change may take in an answer with their contents: beyond it they only name what is different. */
const changeBytesMax = 1024 * 1024;

export function changeToWire(change: RuleSetChange): DeepPartial<WireRuleSetChange> {
  const contentsOmitted = contentBytes(change) > changeBytesMax;
  return {
    sequence: BigInt(change.sequence),
    ruleSetRevision: BigInt(change.revision),
    kind: WireRuleSetChangeKind[change.kind],
    changedAt: new Date(change.changedAtMs),
    requestedBy: change.requestedBy,
    authenticatedAs: change.authenticatedAs ?? "",
    reason: change.reason,
    differences: change.differences.map((difference) => differenceToWire(difference, contentsOmitted)),
    contentsOmitted,
  };
}

/** Counted until it is too much. */
function contentBytes({ differences }: RuleSetChange): number {
  let bytes = 0;
  for (const { before, after } of differences) {
    for (const item of [before, after]) bytes += item === undefined ? 0 : encoded(WireRuleSetItem, itemToWire(item)).length;
    if (bytes > changeBytesMax) break;
  }
  return bytes;
}

function differenceToWire(
  { before, after }: RuleSetChange["differences"][number],
  contentsOmitted: boolean,
): DeepPartial<WireRuleSetDifference> {
  const item = after ?? before;
  assert(item !== undefined, "a difference has something before or after it");
  const named = { kind: WireRuleSetItemKind[item.kind], name: itemName(item) };
  if (contentsOmitted) return named;
  return { ...named, ...(before && { before: itemToWire(before) }), ...(after && { after: itemToWire(after) }) };
}

export function diagnosticToWire(diagnostic: Diagnostic): DeepPartial<RuleDiagnostic> {
  const { severity, position, relatedRuleIds } = diagnostic;
  return {
    severity: DiagnosticSeverity[severity],
    field: diagnostic.field,
    line: position?.line ?? 0,
    column: position?.column ?? 0,
    message: diagnostic.message,
    snippet: diagnostic.snippet,
    relatedRuleIds: [...relatedRuleIds],
  };
}
