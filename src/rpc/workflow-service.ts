import type { CallContext } from "nice-grpc-common";
import { scopeKey } from "../access/core/scope.ts";
import type { Sinks } from "../events/sinks.ts";
import { WorkflowEvent as WireWorkflowEvent } from "../gen/concord/workflow/v1/workflow.ts";
import {
  ListWorkflowEventsResponse,
  type TransitionWorkflowRequest,
  WatchPosition,
  type WatchWorkflowEventsRequest,
  type WorkflowServiceImplementation,
} from "../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../kernel/clock.ts";
import type { ParticipantId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import { progressIntervalMs } from "../kernel/limits.ts";
import { type Principal, provedBy } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Result } from "../kernel/result.ts";
import type { Turns } from "../kernel/turns.ts";
import type { Logger } from "../runtime/logger.ts";
import { type Answer, barredFrom, type MoveCommand, missing } from "../workflow/attempt.ts";
import type { Bulk } from "../workflow/bulk.ts";
import type { WorkflowEvent } from "../workflow/core/types.ts";
import type { ManagerError } from "../workflow/errors.ts";
import { rangesOf } from "../workflow/event-ranges.ts";
import type { Manager } from "../workflow/manager.ts";
import type { Policies } from "../workflow/policies.ts";
import type { WorkflowStore } from "../workflow/ports.ts";
import type { Purges } from "../workflow/purge.ts";
import { reasonOf } from "../workflow/refusal-text.ts";
import type { Watch } from "../workflow/watch.ts";
import { together } from "./bursts.ts";
import type { RpcContext } from "./context.ts";
import { outcomeFromWire } from "./convert-transaction.ts";
import { eventToWire, stateFromWire, stateToWire, structFromWire, workflowToWire } from "./convert-workflow.ts";
import { createDenialLog } from "./denial-log.ts";
import { durationMs } from "./duration.ts";
import { encoded, listAnswer } from "./encoded-answer.ts";
import { readAnswer } from "./encoded-workflow.ts";
import { invalidField, restoredAnew } from "./errors.ts";
import { eventFilter } from "./filter.ts";
import { createReadPage } from "./list.ts";
import { sequencePlace } from "./page.ts";
import { requestKey } from "./request-key.ts";
import { createBatchHandlers } from "./workflow/batch.ts";
import { createBulkHandlers } from "./workflow/bulk.ts";
import { createCountHandlers } from "./workflow/counts.ts";
import { createCreationHandlers } from "./workflow/creation.ts";
import { createDeadlineHandlers, deadlineFromWire } from "./workflow/deadlines.ts";
import { createListHandlers } from "./workflow/lists.ts";
import { createPolicyHandlers } from "./workflow/policies.ts";
import { createRetentionHandlers } from "./workflow/retention.ts";
import { createServerInfoHandlers, type ServerFacts } from "./workflow/server-info.ts";
import { createSinkHandlers } from "./workflow/sinks.ts";
import { runTogether } from "./workflow/together.ts";
import { createUpdateHandlers } from "./workflow/update.ts";
import { createWaitHandlers } from "./workflow/wait.ts";
import { toldTogether, watchMessageToWire } from "./workflow/watch-message.ts";
import { eventsPurged, workflowError } from "./workflow-errors.ts";

export function createWorkflowService(dependencies: {
  readonly manager: Manager;
  readonly bulk: Bulk;
  readonly store: WorkflowStore;
  readonly policies: Policies;
  readonly watch: Watch;
  /** Undefined: there are none, and were none. */
  readonly sinks?: Sinks | undefined;
  readonly purges: Purges;
  /** The manager's own, in the transactions that it asks for. */
  readonly participantId: ParticipantId;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly logger: Logger;
  readonly server: ServerFacts;
}): WorkflowServiceImplementation<RpcContext> {
  const { manager, store, watch } = dependencies;
  const readPage = createReadPage(dependencies);

  const workflowOf = ({ workflowId }: WorkflowEvent) => store.get(workflowId);
  const logDenial = createDenialLog(dependencies.logger, dependencies.clock.monotonicMs);

  async function move(command: MoveCommand, answer: Promise<Result<Answer, ManagerError>>, context: CallContext & RpcContext) {
    const { workflowId, move } = command;
    const { targetState: target, requestedBy: by, request } = move;
    const result = await answer;
    const subject = { workflow: workflowId, target, by };
    if (!result.ok) {
      const refused = { ...subject, refused: reasonOf(result.error) };
      if (result.error.type === "rule-denied") logDenial(refused, result.error, context);
      else context.log.info(refused, "transition refused");
      throw workflowError(result.error, { workflowId, requestId: request?.id });
    }
    const { workflow, event } = result.value;
    // What others have asked for under the same request id was theirs to ask.
    const barred = barredFrom(workflow, context);
    if (barred !== undefined) throw workflowError(barred, { workflowId });
    context.log.info(
      { ...subject, version: workflow.version, sequence: event.sequence, transaction: event.transactionId },
      "transition applied",
    );
    return { workflow: workflowToWire(workflow), event: eventToWire(event), warnings: event.warnings.first };
  }

  return {
    ...createPolicyHandlers({ ...dependencies, readPage }),
    ...createCreationHandlers(dependencies),
    ...createUpdateHandlers(dependencies),
    ...createDeadlineHandlers(dependencies),
    ...createWaitHandlers(dependencies),
    ...createSinkHandlers(dependencies),
    ...createServerInfoHandlers(dependencies),
    ...createListHandlers(dependencies),
    ...createCountHandlers({ ...dependencies, workflowCountMax: manager.workflowCountMax }),
    ...createRetentionHandlers(dependencies),
    ...createBatchHandlers(dependencies),
    ...createBulkHandlers(dependencies),

    async getWorkflow({ workflowId }, context) {
      const workflow = await store.get(workflowId as WorkflowId);
      if (workflow === undefined) throw workflowError(await missing(store, workflowId as WorkflowId, context), { workflowId });
      const barred = barredFrom(workflow, context);
      if (barred !== undefined) throw workflowError(barred, { workflowId });
      return readAnswer(workflow);
    },

    async transitionWorkflow(request, context) {
      const targetState = stateFromWire(request.targetState, "target_state");
      if (targetState === undefined) throw invalidField("target_state", "is required");
      const command = moveCommand(
        request,
        targetState,
        false,
        requestKey("concord.workflow.v1.TransitionWorkflowRequest", request, context),
        context.principal,
      );
      return runTogether(request, dependencies, context, (together, caller) =>
        move(
          command,
          together === undefined ? manager.move(command, caller) : manager.moveTogether(command, together, caller),
          context,
        ),
      );
    },

    async recoverWorkflow(request, context) {
      const key = requestKey("concord.workflow.v1.RecoverWorkflowRequest", request, context);
      const command = moveCommand(request, "ACTIVE", true, key, context.principal);
      return move(command, manager.move(command, context), context);
    },

    async listAllowedTransitions(request, context) {
      const { reason, requestedBy } = request;
      const workflowId = request.workflowId as WorkflowId;
      const said = { reason, requestedBy, context: structFromWire(request.context) };
      const question = { workflowId, ...said, ...provedBy(context.principal) };
      const result = await manager.possibleMoves(question, context);
      if (!result.ok) throw workflowError(result.error, request);
      const { workflow, judged, recoveryRefusal } = result.value;
      const { inTransition } = workflowToWire(workflow);
      const transitions = (judged?.moves ?? []).map(({ isAllowed, targetState, ...findings }) => {
        const refusal = targetState === "ACTIVE" ? recoveryRefusal : undefined;
        return {
          targetState: stateToWire(targetState),
          allowed: isAllowed && refusal === undefined,
          refusal: refusal === undefined ? "" : reasonOf(refusal),
          ...findings,
        };
      });
      const ruleSetRevision = BigInt(judged?.ruleSetRevision ?? 0);
      return {
        workflowId,
        version: BigInt(workflow.version),
        state: stateToWire(workflow.state),
        inTransition,
        transitions,
        ruleSetRevision,
      };
    },

    async resolveTransition(request, context) {
      const { reason, requestedBy: by } = request;
      const outcome = outcomeFromWire(request.outcome);
      const workflowId = request.workflowId as WorkflowId;
      const transactionId = request.transactionId as TransactionId;
      const result = await manager.resolve({ workflowId, transactionId, outcome });
      if (!result.ok) throw workflowError(result.error, request);
      const { workflow, event, again } = result.value;
      const fields = { workflow: workflowId, transaction: transactionId, outcome, by, reason, sequence: event?.sequence };
      if (!again) context.log.warn(fields, "a hold is ended by an operator's word");
      return { workflow: workflowToWire(workflow), event: event && eventToWire(event) };
    },

    async listWorkflowEvents(request, context) {
      const { workflows: scope } = context.permission;
      const filter = eventFilter(request.filter, workflowOf, scope);
      const ranges = rangesOf(workflowIdOf(request), filter?.known);
      const page = await readPage<WorkflowEvent>(
        {
          scope: `events/${request.workflowId}/${scopeKey(scope)}${request.filter}`,
          place: sequencePlace,
          keyOf: ({ sequence }) => String(sequence),
          read: async (after, limit) => {
            await checkKept(store, Number(after ?? 0));
            return store.listEvents({ afterSequence: Number(after ?? 0), limit, ranges });
          },
          matches: filter?.matches,
          encode: (event) => encoded(WireWorkflowEvent, eventToWire(event)),
        },
        request,
        context,
      );
      return listAnswer(ListWorkflowEventsResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async *watchWorkflowEvents(request, context) {
      const { workflows: scope } = context.permission;
      const filter = eventFilter(request.filter, workflowOf, scope);
      const messages = watch({
        afterSequence: await watchStart(store, request),
        workflowId: workflowIdOf(request),
        filter: filter && { text: `${scopeKey(scope)}${request.filter}`, ...filter },
        progressIntervalMs: durationMs(request.progressInterval) ?? progressIntervalMs,
        together: toldTogether,
        signal: context.signal,
      });
      for await (const message of messages) yield together(watchMessageToWire(message));
    },
  };
}

/** Of a list or a watch. */
const workflowIdOf = ({ workflowId }: { readonly workflowId: string }): WorkflowId | undefined =>
  workflowId === "" ? undefined : (workflowId as WorkflowId);

/** What TransitionWorkflow and RecoverWorkflow have in common. */
type MoveRequest = Pick<
  TransitionWorkflowRequest,
  "workflowId" | "expectedVersion" | "reason" | "requestedBy" | "context" | "eventMetadata" | "deadline"
>;

function moveCommand(
  request: MoveRequest,
  targetState: MoveCommand["move"]["targetState"],
  mustRecover: boolean,
  key: RequestKey | undefined,
  principal: Principal,
): MoveCommand {
  const deadline = deadlineFromWire(request.deadline);
  return {
    workflowId: request.workflowId as WorkflowId,
    expectedVersion: request.expectedVersion === undefined ? undefined : Number(request.expectedVersion),
    mustRecover,
    context: structFromWire(request.context),
    move: {
      targetState,
      reason: request.reason,
      requestedBy: request.requestedBy,
      eventMetadata: structFromWire(request.eventMetadata),
      ...provedBy(principal),
      ...(deadline && { deadline }),
      request: key,
    },
  };
}

async function watchStart(store: WorkflowStore, { start }: WatchWorkflowEventsRequest): Promise<number> {
  const { oldest, newest } = await store.sequences();
  if (start?.$case !== "afterSequence") {
    return start?.value === WatchPosition.OLDEST_AVAILABLE ? Math.max(0, oldest - 1) : newest;
  }
  const afterSequence = Number(start.value);
  if (afterSequence > newest) throw invalidField("after_sequence", `is beyond the newest event, which has sequence ${newest}`);
  if (afterSequence < oldest - 1) throw eventsPurged(oldest);
  await checkKept(store, afterSequence);
  return afterSequence;
}

async function checkKept(store: WorkflowStore, sequence: number): Promise<void> {
  const kept = await store.keptBeforeLoss(sequence);
  if (kept !== undefined) throw restoredAnew(kept, "the workflows");
}
