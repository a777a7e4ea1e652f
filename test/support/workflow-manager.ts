import type { ParticipantId, RequestId, TransactionId, WorkflowId } from "../../src/kernel/ids.ts";
import type { WorkflowState } from "../../src/kernel/lifecycle.ts";
import { ok } from "../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import type { MoveCommand } from "../../src/workflow/attempt.ts";
import { createManager } from "../../src/workflow/manager.ts";
import { createWorkflowParticipant } from "../../src/workflow/participant.ts";
import type { PredicateCheck, PredicateClient, TransactionClient } from "../../src/workflow/ports.ts";

export const workflowId = "wf-1" as WorkflowId;
export const requestId = (text: string): RequestId => text as RequestId;

type Verdict = Awaited<ReturnType<PredicateClient["check"]>>;
export const allowed: Verdict = ok({ type: "allowed", ruleSetRevision: 3 });
export const denied: Verdict = ok({
  type: "rule-denied",
  ruleSetRevision: 3,
  violations: [{ ruleId: "cold", message: "too warm" }],
});

/** A manager and its participant over a store in memory, with an engine and a coordinator that do as the test says. */
export function managerOver(store = createMemoryWorkflowStore(), options: { readonly workflowCountMax?: number } = {}) {
  let count = 0;
  const asked: PredicateCheck[] = [];
  const engine = { answer: async (_check: PredicateCheck): Promise<Verdict> => allowed };
  const coordinator: { execute: TransactionClient["execute"] } = {
    execute: () => Promise.reject(new Error("no transaction is expected")),
  };
  const predicates: PredicateClient = {
    check: (check) => {
      asked.push(check);
      return engine.answer(check);
    },
  };
  const environment = { nowMs: () => 1_000 + count, newId: () => `id-${++count}` };
  const transactions: TransactionClient = { execute: (request) => coordinator.execute(request) };
  const participantId = "manager" as ParticipantId;
  const participant = createWorkflowParticipant({ store, predicates, environment, participantId, transactions });
  const { workflowCountMax = 100 } = options;
  const manager = createManager({ store, predicates, environment, ownPart: participant.ownPart, workflowCountMax });
  return { store, manager, participant, engine, coordinator, asked };
}

export type ManagerUnderTest = ReturnType<typeof managerOver>;

export function creation(id: string | undefined = workflowId, request?: { readonly id: RequestId; readonly digest: string }) {
  return { workflowId: id as WorkflowId | undefined, metadata: {}, reason: "", requestedBy: "ada", request };
}

export function moveTo(
  targetState: WorkflowState,
  changes: Partial<MoveCommand & { request: MoveCommand["move"]["request"] }> = {},
): MoveCommand {
  const { request, ...rest } = changes;
  return {
    workflowId,
    expectedVersion: undefined,
    mustRecover: false,
    context: {},
    move: { targetState, reason: "because", requestedBy: "ada", eventMetadata: {}, request },
    ...rest,
  };
}

/** What the manager hands to itself through the coordinator. */
export async function payloadOf(under: ManagerUnderTest, command: MoveCommand): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  under.coordinator.execute = async (request) => {
    parts.push(...request.parts.map(({ payload }) => payload));
    return { ok: false, error: { type: "unavailable", cause: "only the payload is wanted" } };
  };
  await under.manager.moveTogether(command, { parts: [], timeoutMs: 1_000, waitForParticipantsMs: 0 });
  const [payload] = parts;
  if (payload === undefined) throw new Error("no transaction was run");
  return payload;
}

export const tx = (text: string): TransactionId => text as TransactionId;
