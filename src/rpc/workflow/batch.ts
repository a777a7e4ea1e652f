import { Status } from "nice-grpc-common";
import {
  BatchMode,
  type BatchTransitionWorkflowsRequest,
  BatchTransitionWorkflowsResponse,
  BatchTransitionResult as WireResult,
} from "../../gen/concord/workflow/v1/batch.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { assert } from "../../kernel/assert.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { ParticipantId, WorkflowId } from "../../kernel/ids.ts";
import { provedBy } from "../../kernel/principal.ts";
import { itemKey } from "../../kernel/request-key.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { Turns } from "../../kernel/turns.ts";
import { type Answer, barredFrom, type Moves } from "../../workflow/attempt.ts";
import type { WorkflowEvent } from "../../workflow/core/types.ts";
import type { ItemsRefused, ManagerError } from "../../workflow/errors.ts";
import type { Manager } from "../../workflow/manager.ts";
import type { RpcContext } from "../context.ts";
import { stateFromWire, stateToWire, structFromWire } from "../convert-workflow.ts";
import { encoded, listAnswer } from "../encoded-answer.ts";
import { invalidField, rpcError } from "../errors.ts";
import { requestKey } from "../request-key.ts";
import { workflowError } from "../workflow-errors.ts";
import { deadlineFromWire } from "./deadlines.ts";
import { failureToWire } from "./failure.ts";
import { runTogether } from "./together.ts";

/** Of all warnings in one answer: what is refused, and the moves themselves, take up to 2 MiB. */
const warningBytesMax = 1024 * 1024;

type Outcome = Result<Answer, ManagerError | undefined>;

export function createBatchHandlers(dependencies: {
  readonly manager: Manager;
  /** The manager's own, in the transactions that it asks for. */
  readonly participantId: ParticipantId;
  readonly clock: Clock;
  readonly turns: Turns;
}): Pick<WorkflowServiceImplementation<RpcContext>, "batchTransitionWorkflows"> {
  const { manager, turns } = dependencies;

  async function answerTo({ commands }: Moves, made: readonly Outcome[], context: RpcContext) {
    const outcomes = made.map((outcome) => told(outcome, context));
    const breathe = turns();
    const room = createWarningRoom();
    const results: Uint8Array[] = [];
    const refused: Record<string, number> = {};
    for (const [index, outcome] of outcomes.entries()) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const { workflowId = "" } = commands[index] ?? {};
      const result = outcome.ok
        ? ({ $case: "moved", value: movedToWire(outcome.value.event, room) } as const)
        : ({ $case: "failure", value: failureOf(outcome.error, workflowId) } as const);
      if (result.$case === "failure") refused[result.value.reason ?? ""] = (refused[result.value.reason ?? ""] ?? 0) + 1;
      results.push(encoded(WireResult, { workflowId, result }));
    }
    context.deniedIds = deniedIn(commands, outcomes);
    const applied = outcomes.every(({ ok: moved }) => moved);
    const moved = outcomes.filter((each) => each.ok).length;
    context.log.info({ moves: outcomes.length, moved, ...(applied ? {} : { refused }) }, "batch of transitions");
    return listAnswer(BatchTransitionWorkflowsResponse, results, { applied });
  }

  return {
    async batchTransitionWorkflows(request, context) {
      const moves = movesFromWire(request, context);
      const { requestId } = request;
      if (request.mode === BatchMode.INDEPENDENT) {
        if (request.enlist.length > 0) throw invalidField("enlist", "is only for a batch with mode BATCH_MODE_ALL_OR_NOTHING");
        return runTogether(request, dependencies, context, async () => {
          const each = await manager.moveEach(moves, context);
          if (!each.ok) throw workflowError(each.error, { requestId });
          return answerTo(moves, each.value, context);
        });
      }
      return runTogether(request, dependencies, context, async (together, caller) => {
        const all = await manager.moveAll(moves, together, caller);
        if (all.ok) return answerTo(moves, all.value.map(ok), context);
        if (all.error.type !== "items-refused") throw workflowError(all.error, { requestId });
        const unable = inability(all.error);
        if (unable !== undefined) throw workflowError(unable, { requestId });
        return answerTo(moves, all.error.errors.map(err), context);
      });
    },
  };
}

/** What others have asked for under the same request id was theirs to ask. */
function told(outcome: Outcome, context: RpcContext): Outcome {
  const barred = outcome.ok ? barredFrom(outcome.value.workflow, context) : undefined;
  return barred === undefined ? outcome : err(barred);
}

const deniedIn = (commands: Moves["commands"], outcomes: readonly Outcome[]): readonly string[] =>
  commands.flatMap(({ workflowId }, index) => {
    const outcome = outcomes[index];
    return outcome?.ok === false && outcome.error?.type === "permission-denied" ? [workflowId] : [];
  });

function movesFromWire(request: BatchTransitionWorkflowsRequest, context: RpcContext): Moves {
  const key = requestKey("concord.workflow.v1.BatchTransitionWorkflowsRequest", request, context);
  const { reason, requestedBy } = request;
  const places = new Map<string, number>();
  const commands = request.items.map((item, index) => {
    const before = places.get(item.workflowId);
    if (before !== undefined) {
      throw invalidField(`items[${index}].workflow_id`, `is that of items[${before}] too; a batch may name a workflow once`);
    }
    places.set(item.workflowId, index);
    const deadline = deadlineFromWire(item.deadline);
    const targetState = stateFromWire(item.targetState, `items[${index}].target_state`);
    assert(targetState !== undefined, "the contract has it required");
    return {
      workflowId: item.workflowId as WorkflowId,
      expectedVersion: item.expectedVersion === undefined ? undefined : Number(item.expectedVersion),
      mustRecover: false,
      context: structFromWire(item.context),
      move: {
        targetState,
        reason: item.reason === "" ? reason : item.reason,
        requestedBy,
        ...provedBy(context.principal),
        eventMetadata: structFromWire(item.eventMetadata),
        ...(deadline && { deadline }),
        request: key && itemKey(key, index),
      },
    };
  });
  return { commands, request: key, reason, requestedBy };
}

/** Why none of the moves could be made, if nothing is wrong with any of them: the call is to be made again. */
function inability({ errors }: ItemsRefused): ManagerError | undefined {
  const refused = errors.filter((error) => error !== undefined);
  const isInability = ({ type }: ManagerError): boolean =>
    type === "predicate-logic-unavailable" || type === "predicate-logic-overloaded";
  return refused.every(isInability) ? refused[0] : undefined;
}

/** Without an error: others of its batch were refused. */
function failureOf(error: ManagerError | undefined, workflowId: string) {
  if (error !== undefined) return failureToWire(workflowError(error, { workflowId }));
  const message = `workflow "${workflowId}" was not moved, since another move of its batch was refused`;
  return failureToWire(
    rpcError({ code: Status.ABORTED, reason: "BATCH_ABORTED", message, metadata: { workflow_id: workflowId } }),
  );
}

type WarningRoom = (warnings: WorkflowEvent["warnings"]) => WorkflowEvent["warnings"];

/** Those of the first moves; of the others, how many there are. */
function createWarningRoom(): WarningRoom {
  let left = warningBytesMax;
  return ({ first, omitted }) => {
    const bytes = first.reduce(
      (sum, { ruleId, message }) => sum + Buffer.byteLength(ruleId) + Buffer.byteLength(message) + 16,
      0,
    );
    if (bytes > left) return { first: [], omitted: omitted + first.length };
    left -= bytes;
    return { first, omitted };
  };
}

function movedToWire(event: WorkflowEvent, room: WarningRoom) {
  const { first: warnings, omitted: warningsOmitted } = room(event.warnings);
  return {
    fromState: stateToWire(event.fromState),
    toState: stateToWire(event.toState),
    version: BigInt(event.version),
    sequence: BigInt(event.sequence),
    eventId: event.id,
    retryCount: event.retryCount,
    ruleSetRevision: BigInt(event.ruleSetRevision),
    warnings,
    warningsOmitted,
    transactionId: event.transactionId ?? "",
  };
}
