import { connect } from "../../src/cli/client.ts";
import { Rule, RuleState } from "../../src/gen/concord/predicate/v1/rule_set.ts";
import { BatchMode } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import type { ClientSecurity } from "../../src/rpc/clients/security.ts";
import { poolSize, workflowName } from "./shape.ts";

const by = { reason: "bench", requestedBy: "bench" };

/** These two turn by turn: each is of every move that is made here, and holds. */
const applying = [
  'workflow.metadata.temperature < 8 && to in ["PAUSED", "ACTIVE"]',
  'request.requested_by != "" && size(request.reason) > 3',
];

/** Of moves that nobody makes here. */
const otherMove = { fromState: WorkflowState.FAILED, toState: WorkflowState.CANCELLED };

const applyingCount = 2;
const idleCount = 8;

/** Active ones: so many that apply to the moves that are made here, and so many that do not. */
export function rulesOf(applies: number, idle: number): readonly Rule[] {
  const rule = (name: string, index: number, more: Partial<Rule>) =>
    Rule.fromPartial({
      ruleId: `${name}-${index}`,
      expression: applying[index % applying.length] ?? "",
      state: RuleState.ACTIVE,
      ...more,
    });
  return [
    ...Array.from({ length: applies }, (_, index) => rule("applies", index, {})),
    ...Array.from({ length: idle }, (_, index) => rule("idle", index, { moves: [otherMove] })),
  ];
}

/** At once, of the calls that prepare. */
const callCount = 200;

const batchCount = 1000;

/** Ten rules, and the workflows of the pool, ACTIVE. */
export async function prepare(port: number, security: ClientSecurity = {}): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`, security);
  const clients = connect(channel);
  await clients.predicates.applyRuleSet({ rules: rulesOf(applyingCount, idleCount), ...by });
  const ids = Array.from({ length: poolSize }, (_, index) => workflowName(index));
  for (const some of inPieces(ids, callCount)) {
    await Promise.all(
      some.map((workflowId) => clients.workflows.createWorkflow({ workflowId, metadata: { temperature: 4, site: "B" }, ...by })),
    );
  }
  for (const some of inPieces(ids, batchCount)) {
    const items = some.map((workflowId) => ({ workflowId, targetState: WorkflowState.ACTIVE }));
    await clients.workflows.batchTransitionWorkflows({ mode: BatchMode.ALL_OR_NOTHING, items, ...by });
  }
  channel.close();
}

const inPieces = <Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, piece) => items.slice(piece * size, (piece + 1) * size));
