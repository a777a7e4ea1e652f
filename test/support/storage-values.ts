import type { RequestId, TransactionId, WorkflowId } from "../../src/kernel/ids.ts";
import type { Hold, NewWorkflowEvent, Workflow, WorkflowEvent } from "../../src/workflow/core/types.ts";
import { noWarnings, type Warnings } from "../../src/workflow/core/warnings.ts";
import type { WorkflowBatch, WorkflowCounts, WorkflowPut, WorkflowStore } from "../../src/workflow/ports.ts";

export const workflowId = (id: string): WorkflowId => id as WorkflowId;
export const requestId = (id: string): RequestId => id as RequestId;
export const transactionId = (id: string): TransactionId => id as TransactionId;

export const workflow = (id: string, fields: Partial<Workflow> = {}): Workflow => ({
  id: workflowId(id),
  type: "",
  state: "CREATED",
  previousState: undefined,
  version: 1,
  createdAtMs: 1_700_000_000_000,
  createdBy: "creator",
  updatedAtMs: 1_700_000_000_001,
  updatedBy: "operator",
  stateEnteredAtMs: 1_700_000_000_000,
  hold: undefined,
  metadata: { sample: { name: `no. ${id}`, ratio: 0.5, tags: ["α", null, true] } },
  retryCount: 0,
  recoverableAtMs: undefined,
  deadline: undefined,
  ...fields,
});

const warned: Warnings = { first: [{ ruleId: "cold", ruleVersion: 2, message: 'too "wärm"' }], omitted: 1 };

export const event = (of: Workflow, fields: Partial<NewWorkflowEvent> = {}): NewWorkflowEvent => ({
  id: `event-${of.id}-${of.version}`,
  workflowId: of.id,
  workflowType: of.type,
  type: of.version === 1 ? "CREATED" : "TRANSITION",
  fromState: of.previousState,
  toState: of.state,
  version: of.version,
  occurredAtMs: of.updatedAtMs,
  retryCount: of.retryCount,
  reason: 'because\n\u0000 of "this"',
  requestedBy: "operator",
  ruleSetRevision: 3,
  warnings: of.version === 1 ? noWarnings : warned,
  metadata: { note: "n" },
  transactionId: undefined,
  ...fields,
});

export const hold = (owner: string, fields: Partial<Hold["move"]> = {}): Hold => ({
  transactionId: transactionId(owner),
  coordinatorId: "c",
  coordinatorEpoch: 1,
  move: { targetState: "ACTIVE", reason: "go", requestedBy: "operator", eventMetadata: { a: 1 }, request: undefined, ...fields },
  preparedAtMs: 1,
  deadlineMs: 2,
  ruleSetRevision: 3,
  warnings: warned,
});

/** The next version of `from`, expected to be stored as it is. */
export const put = (from: Workflow, fields: Partial<Workflow>): WorkflowPut => ({
  workflow: { ...from, version: from.version + 1, previousState: from.state, ...fields },
  expected: { version: from.version, heldBy: from.hold?.transactionId },
});

export const creation = (id: string, fields: Partial<Workflow> = {}): WorkflowBatch => {
  const created = workflow(id, fields);
  return { puts: [{ workflow: created, expected: "absent" }], events: [event(created)] };
};

/** The answer to a request that has one workflow and one event. */
export const answering = (id: string, digest = "d", atMs = 1): Required<Pick<WorkflowBatch, "answers">> => ({
  answers: [{ id: requestId(id), digest, atMs, put: 0, event: 0 }],
});

/** Stretch by stretch. */
export async function everyWorkflow(store: WorkflowStore, limit = 1_000): Promise<readonly Workflow[]> {
  const workflows: Workflow[] = [];
  for (let afterId: WorkflowId | undefined; ; ) {
    const { rows, upTo } = await store.list({ afterId, limit });
    workflows.push(...rows);
    if (upTo === undefined) return workflows;
    afterId = upTo;
  }
}

export async function everyEvent(store: WorkflowStore): Promise<readonly WorkflowEvent[]> {
  const events: WorkflowEvent[] = [];
  for (let afterSequence = 0; ; ) {
    const { rows, upTo } = await store.listEvents({ afterSequence, limit: 1_000 });
    events.push(...rows);
    if (upTo === undefined) return events;
    afterSequence = upTo;
  }
}

/** Everything that the port can show, for comparing. */
export async function contents(store: WorkflowStore): Promise<{
  readonly workflows: readonly Workflow[];
  readonly events: readonly WorkflowEvent[];
  readonly held: readonly Workflow[];
  readonly counts: WorkflowCounts;
}> {
  return {
    workflows: await everyWorkflow(store),
    events: await everyEvent(store),
    held: await store.held({ afterId: undefined, limit: 1_000_000 }),
    counts: await store.counts(),
  };
}

/** The counters, counted again from the rows. */
export function recount({
  workflows,
  events,
}: Pick<Awaited<ReturnType<typeof contents>>, "workflows" | "events">): WorkflowCounts {
  const byState = { CREATED: 0, ACTIVE: 0, PAUSED: 0, COMPLETED: 0, FAILED: 0, CANCELLED: 0 };
  for (const { state } of workflows) byState[state] += 1;
  const held = workflows.filter((each) => each.hold !== undefined);
  return {
    workflows: workflows.length,
    events: events.length,
    byState,
    held: held.length,
    recovering: held.filter((each) => each.state === "FAILED" && each.hold?.move.targetState === "ACTIVE").length,
  };
}
