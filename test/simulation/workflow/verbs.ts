import { enumText } from "../../../src/cli/output.ts";
import { BatchMode, type BatchTransitionResult } from "../../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState as WireState, type Workflow, type WorkflowEvent } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { IfExists, type WorkflowServiceClient } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { unreachable } from "../../../src/kernel/assert.ts";
import type { WorkflowState } from "../../../src/kernel/lifecycle.ts";
import type { DurationMs } from "../../../src/kernel/time.ts";
import { durationToWire } from "../../../src/rpc/duration.ts";
import type { Order } from "../ledger.ts";
import { payloadOf } from "../orders.ts";

type Item = { readonly id: string; readonly to: WorkflowState; readonly expected?: number | undefined };

/** Work of other participants that is done together with moves. */
type Together = { readonly order?: Order | undefined };

/** What a client asks for. */
export type Verb =
  | {
      readonly type: "create";
      readonly id: string;
      readonly locked: boolean;
      readonly started: boolean;
      readonly orFind: boolean;
    }
  | ({ readonly type: "move"; readonly deadlineMs?: DurationMs | undefined } & Item & Together)
  | { readonly type: "recover"; readonly id: string; readonly expected?: number | undefined }
  | { readonly type: "update"; readonly id: string; readonly locked: boolean; readonly expected?: number | undefined }
  /** Undefined: cancelled. */
  | {
      readonly type: "deadline";
      readonly id: string;
      readonly afterMs: DurationMs | undefined;
      readonly to: WorkflowState;
      readonly expected?: number | undefined;
    }
  /** All of them, or none. */
  | ({ readonly type: "batch"; readonly items: readonly Item[] } & Together)
  | { readonly type: "purge" }
  | { readonly type: "get"; readonly id: string }
  | { readonly type: "list" }
  | { readonly type: "count" }
  | { readonly type: "wait"; readonly id: string; readonly version: number };

/** A workflow as an answer shows it. */
export type Shown = { readonly id: string; readonly state: WorkflowState; readonly version: number; readonly retries: number };

/** An answer, as far as anybody looks at it. */
export type Answer = {
  readonly shown: readonly Shown[];
  /** Of the changes that were made, in the order of what was asked. */
  readonly events: readonly WorkflowEvent[];
  /** Of a batch: what became of each item. */
  readonly items?: readonly string[];
  readonly purged?: readonly string[];
  readonly counts?: string;
};

type Asked = { readonly requestId: string; readonly requestedBy: string };

type Workflows = WorkflowServiceClient<{ readonly deadline?: DurationMs }>;

type Options = { readonly signal: AbortSignal; readonly deadline: DurationMs };

export const workflowType = "sample";

/** Asks the service. Throws what it throws. */
export async function ask(client: Workflows, verb: Verb, { requestId, requestedBy }: Asked, options: Options): Promise<Answer> {
  const common = { requestId, requestedBy, reason: "a world" };
  const change = ({ id, expected }: { readonly id: string; readonly expected?: number | undefined }) => ({
    ...common,
    workflowId: id,
    expectedVersion: expected === undefined ? undefined : BigInt(expected),
  });
  const together = (order: Order | undefined) => {
    if (order === undefined) return {};
    const enlist = [...order.parts.keys()].map((participantId) => ({ participantId, payload: Buffer.from(payloadOf(order)) }));
    return {
      enlist,
      timeout: durationToWire(options.deadline),
      waitForParticipants: durationToWire(order.number % 2 === 0 ? 0 : 3_000),
    };
  };
  switch (verb.type) {
    case "create":
      return one(
        await client.createWorkflow(
          {
            ...common,
            workflowId: verb.id,
            type: workflowType,
            metadata: { locked: verb.locked },
            initialState: verb.started ? WireState.ACTIVE : WireState.UNSPECIFIED,
            ifExists: verb.orFind ? IfExists.RETURN : IfExists.FAIL,
          },
          options,
        ),
      );
    case "move": {
      const { to, order, deadlineMs } = verb;
      const deadline = deadlineMs === undefined ? undefined : deadlineToWire(deadlineMs, "CANCELLED");
      const request = { ...change(verb), targetState: WireState[to], deadline, ...together(order) };
      return one(await client.transitionWorkflow(request, options));
    }
    case "recover":
      return one(await client.recoverWorkflow(change(verb), options));
    case "update":
      return one(await client.updateWorkflowMetadata({ ...change(verb), metadataPatch: { locked: verb.locked } }, options));
    case "deadline": {
      const deadline = verb.afterMs === undefined ? undefined : deadlineToWire(verb.afterMs, verb.to);
      return one(await client.setWorkflowDeadline({ ...change(verb), deadline }, options));
    }
    case "batch": {
      const items = verb.items.map(({ id, to, expected }) => ({
        workflowId: id,
        targetState: WireState[to],
        expectedVersion: expected === undefined ? undefined : BigInt(expected),
      }));
      const request = { ...common, mode: BatchMode.ALL_OR_NOTHING, items, ...together(verb.order) };
      const { results } = await client.batchTransitionWorkflows(request, options);
      return { shown: results.flatMap(shownMove), events: [], items: results.map(itemHeard) };
    }
    case "purge": {
      const filter = `workflow.type == "${workflowType}"`;
      const request = { requestedBy, reason: "a world", filter, olderThan: durationToWire(0) };
      const { workflowIds } = await client.purgeWorkflows(request, options);
      return { shown: [], events: [], purged: workflowIds };
    }
    case "get": {
      const { workflow } = await client.getWorkflow({ workflowId: verb.id }, options);
      return one({ workflow });
    }
    case "list": {
      const { workflows } = await client.listWorkflows({}, options);
      return { shown: workflows.map(shown), events: [] };
    }
    case "count": {
      const { groups } = await client.countWorkflows({ groupBy: ["state"] }, options);
      const counts = groups
        .map(({ state, count }) => `${stateOf(state)} ${count}`)
        .toSorted()
        .join(", ");
      return { shown: [], events: [], counts };
    }
    case "wait": {
      const request = { workflowId: verb.id, minVersion: BigInt(verb.version), timeout: durationToWire(5_000) };
      const { workflow } = await client.waitForWorkflow(request, options);
      return one({ workflow });
    }
    default:
      return unreachable(verb);
  }
}

const deadlineToWire = (afterMs: DurationMs, to: WorkflowState) => ({
  due: { $case: "after" as const, value: durationToWire(afterMs) },
  targetState: WireState[to],
  reason: "deadline",
});

const one = ({
  workflow,
  event,
}: {
  readonly workflow?: Workflow | undefined;
  readonly event?: WorkflowEvent | undefined;
}): Answer => ({
  shown: workflow === undefined ? [] : [shown(workflow)],
  events: event === undefined ? [] : [event],
});

const stateOf = (state: WireState): WorkflowState => enumText("WORKFLOW_STATE_", state) as WorkflowState;

const shown = ({ workflowId, state, version, retryCount }: Workflow): Shown => ({
  ...{ id: workflowId, state: stateOf(state), version: Number(version), retries: retryCount },
});

function shownMove({ workflowId, result }: BatchTransitionResult): readonly Shown[] {
  if (result?.$case !== "moved") return [];
  const { toState, version, retryCount } = result.value;
  return [{ id: workflowId, state: stateOf(toState), version: Number(version), retries: retryCount }];
}

function itemHeard({ result }: BatchTransitionResult): string {
  if (result?.$case === "moved") {
    const { toState, version, retryCount } = result.value;
    return `OK ${stateOf(toState)} ${version} ${retryCount}`;
  }
  if (result === undefined) return "no result";
  const { reason, metadata } = result.value;
  return reason === "VERSION_MISMATCH" ? `${reason} ${metadata["current_version"]}` : reason;
}
