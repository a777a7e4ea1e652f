/** A client: what `@concord-workflows/concord/client` exports. docs/clients.md shows it by example. */
import type { Client as GrpcClient } from "nice-grpc";
import { ConcordError } from "./client/failure.ts";
import { fillIn } from "./client/fill-in.ts";
import { endOf, type RetryOptions, retryMiddleware } from "./client/retry.ts";
import { type WatchOptions, watchEvents } from "./client/watch.ts";
import { TwoPhaseCommitDefinition } from "./gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "./gen/concord/predicate/v1/predicate_logic.ts";
import type { UpdateWorkflowMetadataRequest } from "./gen/concord/workflow/v1/update.ts";
import type { Workflow, WorkflowEvent } from "./gen/concord/workflow/v1/workflow.ts";
import {
  type CreateWorkflowRequest,
  type DeepPartial,
  IfExists,
  type TransitionWorkflowRequest,
  WorkflowServiceDefinition,
} from "./gen/concord/workflow/v1/workflow_service.ts";
import { addressProblem } from "./kernel/address.ts";
import { assert } from "./kernel/assert.ts";
import { clientFactory, openChannel } from "./rpc/clients/channel.ts";
import { type SecurityOptions, securityFrom } from "./rpc/clients/security-options.ts";

export { ConcordError } from "./client/failure.ts";
export type { RetryOptions } from "./client/retry.ts";
export type { WatchOptions } from "./client/watch.ts";
export { type Workflow, type WorkflowEvent, WorkflowState } from "./gen/concord/workflow/v1/workflow.ts";
/** As the contract has durations. */
export { durationToWire as duration } from "./rpc/duration.ts";

export type ClientOptions = SecurityOptions & {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  /** Who asks: a user or a system, 1 to 256 characters. Stands in each event, unless a request says otherwise. */
  readonly requestedBy: string;
};

/** `signal` leaves the call: it rejects with an AbortError. */
export type CallOptions = RetryOptions & { readonly signal?: AbortSignal };

type Request<Message, Needed extends keyof Message> = DeepPartial<Message> & Pick<Message, Needed>;

/** A move, or a patch of the metadata; what the loop knows itself is left out. */
export type Change = Decided<TransitionWorkflowRequest, "targetState"> | Decided<UpdateWorkflowMetadataRequest, "metadataPatch">;

type Decided<Message, Kind extends keyof Message> = Omit<DeepPartial<Message>, "workflowId" | "expectedVersion" | "requestId"> &
  Pick<Message, Kind> & { readonly reason: string };

/** What fails is a ConcordError. Each call is tried again where docs/retries.md says `same`; a change gets one request id for all attempts. */
export type Client = {
  /** All RPCs, as in proto/concord/workflow/v1. */
  readonly workflows: GrpcClient<WorkflowServiceDefinition, RetryOptions>;
  /** All RPCs, as in proto/concord/predicate/v1. */
  readonly rules: GrpcClient<PredicateLogicDefinition, RetryOptions>;
  /** All RPCs, as in proto/concord/commit/v1. */
  readonly transactions: GrpcClient<TwoPhaseCommitDefinition, RetryOptions>;
  /** Returns the workflow that is there if it is the same, so it may be called again after a crash. */
  create(request: Request<CreateWorkflowRequest, "workflowId">, options?: CallOptions): Promise<Workflow>;
  get(workflowId: string, options?: CallOptions): Promise<Workflow>;
  /** With `enlist`, each participant's work commits with the move, or nothing does. */
  transition(
    request: Request<TransitionWorkflowRequest, "workflowId" | "targetState" | "reason">,
    options?: CallOptions,
  ): Promise<Workflow>;
  /** Of the metadata. */
  update(
    request: Request<UpdateWorkflowMetadataRequest, "workflowId" | "metadataPatch" | "reason">,
    options?: CallOptions,
  ): Promise<Workflow>;
  /**
   * Reads the workflow, has `decide` say what to do with it, and does that only if nobody was faster; else it begins again. `decide` may be
   * called several times. Undefined leaves the workflow as it is.
   */
  change(workflowId: string, decide: (workflow: Workflow) => Change | undefined, options?: CallOptions): Promise<Workflow>;
  /**
   * Every matching event after a sequence, once each, in order, until the signal is aborted. Keep the `sequence` of the last one that was
   * dealt with, and begin with it after a restart. Rejects where no later stream could do better, such as with REVISION_COMPACTED.
   */
  watch(options: WatchOptions): AsyncGenerator<WorkflowEvent, void, undefined>;
  /** Ends what is under way. */
  close(): void;
};

/** Connects when it is needed. */
export function createClient({ address, requestedBy, ...security }: ClientOptions): Client {
  const problem = addressProblem(address);
  if (problem !== undefined) throw new TypeError(`address: "${address}" ${problem}`);
  const channel = openChannel(address, securityFrom(security));
  const factory = clientFactory.use(retryMiddleware).use(fillIn(requestedBy));
  const workflows = factory.create(WorkflowServiceDefinition, channel);

  const get: Client["get"] = async (workflowId, options) => workflowOf(await workflows.getWorkflow({ workflowId }, options));
  const transition: Client["transition"] = async (request, options) =>
    workflowOf(await workflows.transitionWorkflow(request, options));
  const update: Client["update"] = async (request, options) =>
    workflowOf(await workflows.updateWorkflowMetadata(request, options));

  return {
    workflows,
    rules: factory.create(PredicateLogicDefinition, channel),
    transactions: factory.create(TwoPhaseCommitDefinition, channel),
    create: async (request, options) =>
      workflowOf(await workflows.createWorkflow({ ...request, ifExists: IfExists.RETURN }, options)),
    get,
    transition,
    update,
    change: async (workflowId, decide, options) => {
      const endsAtMs = endOf(options?.deadline);
      const within = { ...options, deadline: new Date(endsAtMs) };
      for (;;) {
        const workflow = await get(workflowId, within);
        const change = decide(workflow);
        if (change === undefined) return workflow;
        const seen = { workflowId, expectedVersion: workflow.version };
        try {
          return await ("targetState" in change
            ? transition({ ...change, ...seen }, within)
            : update({ ...change, ...seen }, within));
        } catch (error) {
          const wasOvertaken = error instanceof ConcordError && error.reason === "VERSION_MISMATCH";
          if (!wasOvertaken || Date.now() >= endsAtMs) throw error;
        }
      }
    },
    watch: (options) => watchEvents(workflows, options),
    close: () => channel.close(),
  };
}

function workflowOf({ workflow }: { readonly workflow: Workflow | undefined }): Workflow {
  assert(workflow !== undefined, "an answer has the workflow");
  return workflow;
}
