// A load generator sends the same bytes again and again. These calls stand for whole ones of WorkflowService: for each, bytes that were encoded
// before are decoded and validated here, handled, and their answer is encoded, all of it by the code of the service itself.
import type { CallContext } from "nice-grpc-common";
import type { BatchTransitionWorkflowsRequest } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import {
  GetWorkflowRequest,
  GetWorkflowResponse,
  type TransitionWorkflowRequest,
  WorkflowServiceDefinition,
  type WorkflowServiceImplementation,
} from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { RpcContext } from "../../src/rpc/context.ts";
import { type RpcService, withValidation } from "../../src/rpc/server.ts";
import { InvalidMessage } from "../../src/rpc/validation.ts";
import { encodedAtomicMove, encodedBatch, encodedGet, encodedMove, encodedMoveWithId } from "./encoded-requests.ts";
import { createMoving } from "./moving.ts";
import { reasonOf } from "./reason.ts";
import { batchSize, benchService, poolSize, workflowName } from "./shape.ts";

type Context = CallContext & RpcContext;
type Handler = (request: unknown, context: Context) => Promise<unknown>;

/** By method, and then by status and reason. */
export type Reasons = Readonly<Record<string, Readonly<Record<string, number>>>>;

export type BenchService = RpcService & {
  readonly reasons: () => Reasons;
  /** Handlers that run, those among them whose caller has left. */
  readonly underWay: () => number;
};

const nothing = { encode: () => ({ finish: () => new Uint8Array() }), fromPartial: () => ({}) };

export function createBenchService(workflow: WorkflowServiceImplementation<RpcContext>): BenchService {
  const { getWorkflow, transitionWorkflow, batchTransitionWorkflows } = WorkflowServiceDefinition.methods;
  const { methods } = withValidation({
    ...WorkflowServiceDefinition,
    methods: { getWorkflow, transitionWorkflow, batchTransitionWorkflows },
  });
  const decodeGet = decoderOf<GetWorkflowRequest>(methods.getWorkflow);
  const decodeMove = decoderOf<TransitionWorkflowRequest>(methods.transitionWorkflow);
  const decodeBatch = decoderOf<BatchTransitionWorkflowsRequest>(methods.batchTransitionWorkflows);

  const moving = createMoving<Context>(poolSize, async (index, context) => {
    const request = GetWorkflowRequest.fromPartial({ workflowId: workflowName(index) });
    const answer = await workflow.getWorkflow(request, { ...context, signal: new AbortController().signal });
    const { workflow: found } = GetWorkflowResponse.decode(
      methods.getWorkflow.responseType.encode(answer as GetWorkflowResponse).finish(),
    );
    return found === undefined || found.inTransition !== undefined ? undefined : found.state === WorkflowState.ACTIVE;
  });
  const transition =
    (encoded: (index: number, isActive: boolean) => Uint8Array): Handler =>
    (_request, context) =>
      moving.move(1, context, ([index = 0]) =>
        workflow.transitionWorkflow(decodeMove(encoded(index, moving.isActive(index))), context),
      );

  let reads = 0;
  const calls = {
    Echo: { like: { ...methods.getWorkflow, responseType: nothing }, handle: async () => ({}) },
    Get: {
      like: methods.getWorkflow,
      handle: (_request: unknown, context: Context) => {
        reads += 1;
        return workflow.getWorkflow(decodeGet(encodedGet(reads % poolSize)), context);
      },
    },
    Transition: { like: methods.transitionWorkflow, handle: transition(encodedMove) },
    TransitionWithId: { like: methods.transitionWorkflow, handle: transition(encodedMoveWithId) },
    AtomicTransition: { like: methods.transitionWorkflow, handle: transition(encodedAtomicMove) },
    Batch: {
      like: methods.batchTransitionWorkflows,
      handle: (_request: unknown, context: Context) =>
        moving.move(batchSize, context, (taken) =>
          workflow.batchTransitionWorkflows(decodeBatch(encodedBatch(taken, moving.isActive)), context),
        ),
    },
  };

  const reasons: Record<string, Record<string, number>> = {};
  let underWay = 0;
  const counted =
    (method: string, handle: Handler): Handler =>
    async (request, context) => {
      underWay += 1;
      try {
        return await handle(request, context);
      } catch (error) {
        const name = reasonOf(error);
        reasons[method] ??= {};
        if (name !== undefined) reasons[method][name] = (reasons[method][name] ?? 0) + 1;
        throw error;
      } finally {
        underWay -= 1;
      }
    };
  const entries = Object.entries(calls).map(([name, { like, handle }]) => ({
    key: name.toLowerCase(),
    // What comes is empty; what stands for it is decoded by the handler.
    method: { ...like, name, requestType: { ...like.requestType, decode: () => ({}) } },
    handle: counted(`${benchService}/${name}`, handle),
  }));
  const definition = {
    name: "Bench",
    fullName: benchService,
    methods: Object.fromEntries(entries.map(({ key, method }) => [key, method])),
  };
  const implementation = Object.fromEntries(entries.map(({ key, handle }) => [key, handle]));
  return {
    name: benchService,
    addTo: (server) => server.add(definition as never, implementation as never),
    reasons: () => reasons,
    underWay: () => underWay,
  };
}

/** As the server decodes requests of this method; it hears of one that is wrong as the middleware does. */
function decoderOf<Request>({ requestType }: { readonly requestType: { decode(bytes: Uint8Array): unknown } }) {
  return (bytes: Uint8Array): Request => {
    const request = requestType.decode(bytes);
    if (request instanceof InvalidMessage) throw request.failure;
    return request as Request;
  };
}
