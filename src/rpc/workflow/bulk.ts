import { Status } from "nice-grpc-common";
import { scopeKey } from "../../access/core/scope.ts";
import {
  type DeepPartial,
  ListBulkOperationResultsResponse,
  ListBulkOperationsResponse,
  type StartBulkOperationRequest,
  BulkOperation as WireOperation,
  BulkResult as WireResult,
  BulkOperationState as WireState,
} from "../../gen/concord/workflow/v1/bulk.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { unreachable } from "../../kernel/assert.ts";
import type { Clock } from "../../kernel/clock.ts";
import { provedBy } from "../../kernel/principal.ts";
import type { Result } from "../../kernel/result.ts";
import type { Turns } from "../../kernel/turns.ts";
import type { Bulk, BulkCommand, BulkError, BulkStatus } from "../../workflow/bulk.ts";
import { bulkRateDefault } from "../../workflow/bulk-limits.ts";
import type { BulkAction, BulkResult } from "../../workflow/bulk-ports.ts";
import type { RpcContext } from "../context.ts";
import { stateFromWire, stateToWire, structFromWire } from "../convert-workflow.ts";
import { encoded, listAnswer } from "../encoded-answer.ts";
import { invalidField, requestIdReused, rpcError, storageUnavailable } from "../errors.ts";
import { workflowFilter } from "../filter.ts";
import { createReadPage } from "../list.ts";
import { narrowedEnd, narrowedText } from "../narrowed-filter.ts";
import { requestKey } from "../request-key.ts";
import { workflowError } from "../workflow-errors.ts";
import { failureToWire } from "./failure.ts";

/** A retry when one of the others may have ended. */
const limitRetryMs = 5_000;

type Handlers = Pick<
  WorkflowServiceImplementation<RpcContext>,
  | "startBulkOperation"
  | "getBulkOperation"
  | "listBulkOperations"
  | "listBulkOperationResults"
  | "pauseBulkOperation"
  | "resumeBulkOperation"
  | "cancelBulkOperation"
>;

export function createBulkHandlers(dependencies: {
  readonly bulk: Bulk;
  readonly turns: Turns;
  readonly clock: Clock;
}): Handlers {
  const { bulk } = dependencies;
  const readPage = createReadPage(dependencies);

  async function find(id: string, context: RpcContext): Promise<BulkStatus> {
    const operation = orThrow(await bulk.get(id));
    if (!isWithin(operation, context)) throw bulkError({ type: "bulk-operation-not-found", id });
    return operation;
  }

  async function change(
    verb: "paused" | "resumed" | "cancelled",
    { bulkOperationId, reason, requestedBy: by }: { bulkOperationId: string; reason: string; requestedBy: string },
    turn: (id: string) => Promise<Result<BulkStatus, BulkError>>,
    context: RpcContext,
  ) {
    await find(bulkOperationId, context);
    const operation = orThrow(await turn(bulkOperationId));
    context.log.info({ bulk: bulkOperationId, by, reason }, `bulk operation ${verb}`);
    return { operation: operationToWire(operation) };
  }

  return {
    async startBulkOperation(request, context) {
      // Compiled here, so that its caller hears what is wrong with it.
      workflowFilter(request.filter);
      const filter = narrowedText(request.filter, context.permission.workflows);
      workflowFilter(filter);
      const operation = orThrow(await bulk.start({ ...commandFromWire(request, context), filter }));
      const { id, isDryRun, requestedBy: by } = operation;
      context.log.info({ bulk: id, filter, dryRun: isDryRun, by }, "bulk operation started");
      return { operation: operationToWire(operation) };
    },

    async getBulkOperation({ bulkOperationId }, context) {
      return { operation: operationToWire(await find(bulkOperationId, context)) };
    },

    async listBulkOperations(request, context) {
      const page = await readPage<BulkStatus>(
        {
          scope: `bulk-operations${scopeKey(context.permission.workflows)}`,
          keyOf: ({ id }) => id,
          read: (beforeId, limit) => bulk.list({ beforeId, limit }),
          matches: (operation) => isWithin(operation, context),
          encode: (operation) => encoded(WireOperation, operationToWire(operation)),
        },
        request,
        context,
      );
      return listAnswer(ListBulkOperationsResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async listBulkOperationResults(request, context) {
      const { bulkOperationId: id, refusedOnly } = request;
      await find(id, context);
      const page = await readPage<BulkResult>(
        {
          scope: `bulk-results/${id}/${refusedOnly}`,
          keyOf: ({ workflowId }) => workflowId,
          read: (afterId, limit) => bulk.results({ id, afterId, limit, refusedOnly }),
          matches: undefined,
          encode: (result) => encoded(WireResult, resultToWire(result)),
        },
        request,
        context,
      );
      return listAnswer(ListBulkOperationResultsResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    pauseBulkOperation: (request, context) => change("paused", request, bulk.pause, context),
    resumeBulkOperation: (request, context) => change("resumed", request, bulk.resume, context),
    cancelBulkOperation: (request, context) => change("cancelled", request, bulk.cancel, context),
  };
}

/** Whether all that an operation is about is for its caller: its filter says so, if it was started by one who may do as much. */
function isWithin({ filter }: BulkStatus, { permission: { workflows } }: RpcContext): boolean {
  const scope = narrowedText("", workflows);
  return scope === "" || filter === scope || filter.endsWith(narrowedEnd(scope));
}

function orThrow(result: Result<BulkStatus, BulkError>): BulkStatus {
  if (result.ok) return result.value;
  throw bulkError(result.error);
}

function bulkError(error: BulkError) {
  switch (error.type) {
    case "bulk-operation-not-found":
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "BULK_OPERATION_NOT_FOUND",
        message: `no bulk operation "${error.id}" is kept`,
        metadata: { bulk_operation_id: error.id },
      });
    case "bulk-operation-state":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "BULK_OPERATION_STATE",
        message: `bulk operation "${error.id}" is ${error.state}`,
        metadata: { bulk_operation_id: error.id, state: error.state },
      });
    case "bulk-operation-limit":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "BULK_OPERATION_LIMIT_REACHED",
        message: `${error.limit} bulk operations are under way, as many as may be`,
        metadata: { limit: String(error.limit) },
        retryAfterMs: limitRetryMs,
      });
    case "request-id-reused":
      return requestIdReused(error.requestId);
    case "storage-unavailable":
      return storageUnavailable();
    default:
      return unreachable(error);
  }
}

function commandFromWire(request: StartBulkOperationRequest, context: RpcContext): BulkCommand {
  const { filter, dryRun: isDryRun, reason, requestedBy } = request;
  return {
    filter,
    action: actionFromWire(request),
    isDryRun,
    ratePerSecond: request.ratePerSecond === 0 ? bulkRateDefault : request.ratePerSecond,
    reason,
    requestedBy,
    ...provedBy(context.principal),
    request: requestKey("concord.workflow.v1.StartBulkOperationRequest", request, context),
  };
}

function actionFromWire({ action: wanted }: StartBulkOperationRequest): BulkAction {
  const action = wanted?.action;
  if (action === undefined) throw invalidField("action", "is required");
  const { context, eventMetadata } = action.value;
  const given = { context: structFromWire(context), eventMetadata: structFromWire(eventMetadata) };
  if (action.$case === "metadataUpdate") {
    const patch = structFromWire(action.value.metadataPatch);
    if (Object.keys(patch).length === 0)
      throw invalidField("action.metadata_update.metadata_patch", "must have a key at least: it says what to change");
    return { type: "update", patch, ...given };
  }
  if (action.$case === "recovery") return { type: "move", targetState: "ACTIVE", mustRecover: true, ...given };
  const targetState = stateFromWire(action.value.targetState, "action.transition.target_state");
  if (targetState === undefined) throw invalidField("action.transition.target_state", "is required");
  return { type: "move", targetState, mustRecover: false, ...given };
}

function operationToWire(operation: BulkStatus): DeepPartial<WireOperation> {
  const { action, state } = operation;
  return {
    bulkOperationId: operation.id,
    filter: operation.filter,
    action: { action: actionToWire(action) },
    dryRun: operation.isDryRun,
    ratePerSecond: operation.ratePerSecond,
    state: WireState[state],
    doneCount: BigInt(operation.doneCount),
    refusedCount: BigInt(operation.refusedCount),
    position: operation.position,
    waitingFor: operation.waitingFor,
    reason: operation.reason,
    requestedBy: operation.requestedBy,
    authenticatedAs: operation.authenticatedAs ?? "",
    createdAt: new Date(operation.createdAtMs),
    stateEnteredAt: new Date(operation.stateEnteredAtMs),
  };
}

function actionToWire(action: BulkAction) {
  const { context, eventMetadata } = action;
  const given = { context, eventMetadata };
  if (action.type === "update") return { $case: "metadataUpdate", value: { metadataPatch: action.patch, ...given } } as const;
  return action.mustRecover
    ? ({ $case: "recovery", value: given } as const)
    : ({ $case: "transition", value: { targetState: stateToWire(action.targetState), ...given } } as const);
}

function resultToWire(result: BulkResult): DeepPartial<WireResult> {
  const { workflowId } = result;
  return "error" in result
    ? { workflowId, result: { $case: "failure", value: failureToWire(workflowError(result.error, { workflowId })) } }
    : { workflowId, result: { $case: "sequence", value: BigInt(result.sequence) } };
}
