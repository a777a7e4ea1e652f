import { type Clients, connect } from "../../src/cli/client.ts";
import { BatchMode } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { poolSize, workflowName } from "./shape.ts";

const by = { reason: "bench", requestedBy: "bench" };

/** Of each transition that is measured. */
const applying = {
  temperature: 'workflow.metadata.temperature < 8 && to in ["PAUSED", "ACTIVE"]',
  named: 'request.requested_by != "" && size(request.reason) > 3',
};

/** Active, and of moves that nobody makes here. */
const idleRuleCount = 8;

/** At once, of the calls that prepare. */
const callCount = 200;

const batchCount = 1000;

/** Ten rules, and the workflows of the pool, ACTIVE. */
export async function prepare(port: number): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`);
  const clients = connect(channel);
  await writeRules(clients);
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

async function writeRules({ predicates }: Clients): Promise<void> {
  const moves = [{ fromState: WorkflowState.FAILED, toState: WorkflowState.CANCELLED }];
  const idle = Array.from({ length: idleRuleCount }, (_, index) => ({
    ruleId: `idle-${index}`,
    expression: "workflow.retry_count < 3",
    moves,
  }));
  const rules = [...Object.entries(applying).map(([ruleId, expression]) => ({ ruleId, expression })), ...idle];
  for (const rule of rules) {
    await predicates.createRule({ ...rule, ...by });
    await predicates.activateRule({ ruleId: rule.ruleId, ...by });
  }
}

const inPieces = <Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, piece) => items.slice(piece * size, (piece + 1) * size));
