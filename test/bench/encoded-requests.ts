// Requests as clients send them, made before they are needed: what is measured is what a server does with bytes.
import { Enlistment } from "../../src/gen/concord/commit/v1/transaction.ts";
import { BatchMode, BatchTransition, BatchTransitionWorkflowsRequest } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { GetWorkflowRequest, TransitionWorkflowRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { enlistedCount, participantName, workflowName } from "./shape.ts";

type Bytes = Uint8Array;

const by = { reason: "measured", requestedBy: "bench" };

/** Of a move to the state in which the workflow is not. */
const move = (index: number, isActive: boolean) => ({
  workflowId: workflowName(index),
  targetState: isActive ? WorkflowState.PAUSED : WorkflowState.ACTIVE,
});

export const encodedGet = onceEach((index) => GetWorkflowRequest.encode({ workflowId: workflowName(index) }).finish());

export const encodedMove = ofBothStates((index, isActive) =>
  TransitionWorkflowRequest.encode(TransitionWorkflowRequest.fromPartial({ ...move(index, isActive), ...by })).finish(),
);

let requestIds = 0;

export function encodedMoveWithId(index: number, isActive: boolean): Bytes {
  requestIds += 1;
  return joined(encodedMove(index, isActive), requestIdField(`bench-${process.pid}-${requestIds}`));
}

const enlist = Array.from({ length: enlistedCount }, (_, index) =>
  Enlistment.fromPartial({ participantId: participantName(index), payload: Buffer.from("work of some bytes") }),
);
const encodedEnlist = TransitionWorkflowRequest.encode(TransitionWorkflowRequest.fromPartial({ enlist })).finish();

export const encodedAtomicMove = (index: number, isActive: boolean): Bytes => joined(encodedMove(index, isActive), encodedEnlist);

const encodedItem = ofBothStates((index, isActive) =>
  BatchTransitionWorkflowsRequest.encode(
    BatchTransitionWorkflowsRequest.fromPartial({ items: [BatchTransition.fromPartial(move(index, isActive))] }),
  ).finish(),
);
const encodedBatchRest = BatchTransitionWorkflowsRequest.encode(
  BatchTransitionWorkflowsRequest.fromPartial({ mode: BatchMode.ALL_OR_NOTHING, ...by }),
).finish();

export const encodedBatch = (indexes: readonly number[], isActive: (index: number) => boolean): Bytes =>
  joined(...indexes.map((index) => encodedItem(index, isActive(index))), encodedBatchRest);

/** Messages on the wire one after the other are one message. */
function joined(...parts: readonly Bytes[]): Bytes {
  return Buffer.concat(parts);
}

/** `TransitionWorkflowRequest.request_id`, field 7, of less than 128 characters. */
const requestIdField = (id: string): Bytes => Buffer.from(`\x3a${String.fromCharCode(id.length)}${id}`, "latin1");

function ofBothStates(encode: (index: number, isActive: boolean) => Bytes): (index: number, isActive: boolean) => Bytes {
  const whileActive = onceEach((index) => encode(index, true));
  const whilePaused = onceEach((index) => encode(index, false));
  return (index, isActive) => (isActive ? whileActive : whilePaused)(index);
}

/** When it is first needed: the start of the server is measured, too. */
function onceEach(encode: (index: number) => Bytes): (index: number) => Bytes {
  const encoded: Bytes[] = [];
  return (index) => {
    encoded[index] ??= encode(index);
    return encoded[index];
  };
}
