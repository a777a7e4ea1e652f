import {
  BatchValidateTransitionsRequest,
  ValidateTransitionRequest,
} from "../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { TransitionCheck } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { CountWorkflowsRequest } from "../../src/gen/concord/workflow/v1/count.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import {
  CreateWorkflowRequest,
  ListWorkflowEventsRequest,
  ListWorkflowsRequest,
} from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { LogLevel } from "./server-process.ts";
import { bareMethod, batchSize, benchService, enlistedCount, participantCounts, workflowName } from "./shape.ts";
import { transactionBody } from "./transactions.ts";

export type Operation = {
  readonly name: string;
  /** `package.Service/Method`. */
  readonly method: string;
  /** The encoded request. */
  readonly body: Uint8Array;
  /** Those of all that make sense: with more, calls would only wait, or be in each other's way. */
  readonly concurrencyMax: number;
  /** What one call does several of. */
  readonly items?: { readonly name: string; readonly perCall: number };
  /** Of the server, while this is measured. */
  readonly logLevel: LogLevel;
  readonly participantCount: number;
  /** Where the call is served as grpc-js has it. */
  readonly isBare: boolean;
};

export const concurrencies = [1, 16, 64, 256, 1024, 4096];

/** The calls that all others are compared with. */
export const echo = "echo";
export const bareEcho = "echo, bare grpc-js";
export const transition = "TransitionWorkflow";
/** Measured when the best rate is known. */
export const atHalf = `${transition}, half its best rate`;
export const transitionAtWarn = `${transition}, log level warn`;
export const get = "GetWorkflow";
export const batchTransition = `BatchTransition of ${batchSize}`;
export const executeWith = (count: number): string => `ExecuteTransaction, ${count} participant${count === 1 ? "" : "s"}`;
export const atomicTransition = `${transition}, ${enlistedCount} participants`;

const workflowService = "concord.workflow.v1.WorkflowService";
const predicateService = "concord.predicate.v1.PredicateLogic";
const empty = new Uint8Array();

const defaults = { body: empty, concurrencyMax: 4096, logLevel: "info", participantCount: 0, isBare: false } as const;

const check = TransitionCheck.fromPartial({
  workflow: { workflowId: workflowName(0), state: WorkflowState.ACTIVE, version: 2n, metadata: { temperature: 4, site: "B" } },
  targetState: WorkflowState.PAUSED,
  reason: "measured",
  requestedBy: "bench",
  context: {},
});

type List = { readonly filter?: string; readonly orderBy?: string };

const list = (name: string, asked: List): Operation => ({
  ...defaults,
  name,
  method: `${workflowService}/ListWorkflows`,
  body: ListWorkflowsRequest.encode(ListWorkflowsRequest.fromPartial({ pageSize: 100, ...asked })).finish(),
  concurrencyMax: 16,
  items: { name: "workflows", perCall: 100 },
});

export const operations: readonly Operation[] = [
  { ...defaults, name: bareEcho, method: bareMethod, isBare: true },
  { ...defaults, name: echo, method: `${benchService}/Echo` },
  { ...defaults, name: get, method: `${benchService}/Get` },
  {
    ...defaults,
    name: "CreateWorkflow",
    method: `${workflowService}/CreateWorkflow`,
    body: CreateWorkflowRequest.encode(CreateWorkflowRequest.fromPartial({ metadata: { temperature: 4, site: "B" } })).finish(),
    concurrencyMax: 1024,
  },
  { ...defaults, name: transition, method: `${benchService}/Transition` },
  { ...defaults, name: transitionAtWarn, method: `${benchService}/Transition`, concurrencyMax: 256, logLevel: "warn" },
  { ...defaults, name: `${transition}, request id`, method: `${benchService}/TransitionWithId` },
  {
    ...defaults,
    name: batchTransition,
    method: `${benchService}/Batch`,
    concurrencyMax: 16,
    items: { name: "transitions", perCall: batchSize },
  },
  {
    ...defaults,
    name: "ValidateTransition",
    method: `${predicateService}/ValidateTransition`,
    body: ValidateTransitionRequest.encode(ValidateTransitionRequest.fromPartial({ check })).finish(),
    concurrencyMax: 256,
  },
  {
    ...defaults,
    name: `BatchValidateTransitions of ${batchSize}`,
    method: `${predicateService}/BatchValidateTransitions`,
    body: BatchValidateTransitionsRequest.encode(
      BatchValidateTransitionsRequest.fromPartial({ checks: Array.from({ length: batchSize }, () => check) }),
    ).finish(),
    concurrencyMax: 16,
    items: { name: "checks", perCall: batchSize },
  },
  ...participantCounts.map((participantCount) => ({
    ...defaults,
    name: executeWith(participantCount),
    method: "concord.commit.v1.TwoPhaseCommit/ExecuteTransaction",
    body: transactionBody(participantCount),
    concurrencyMax: 256,
    participantCount,
  })),
  {
    ...defaults,
    name: atomicTransition,
    method: `${benchService}/AtomicTransition`,
    concurrencyMax: 256,
    participantCount: enlistedCount,
  },
  list("ListWorkflows, 100 by id", {}),
  list("ListWorkflows, of a state", { filter: 'workflow.state == "ACTIVE"' }),
  list("ListWorkflows, last changed first", { orderBy: "updated_at desc" }),
  list("ListWorkflows, by metadata", { filter: 'workflow.metadata.site == "B"' }),
  {
    ...defaults,
    name: "ListWorkflowEvents of one",
    method: `${workflowService}/ListWorkflowEvents`,
    body: ListWorkflowEventsRequest.encode(ListWorkflowEventsRequest.fromPartial({ workflowId: workflowName(0) })).finish(),
    concurrencyMax: 16,
  },
  {
    ...defaults,
    name: "CountWorkflows by state",
    method: `${workflowService}/CountWorkflows`,
    body: CountWorkflowsRequest.encode(CountWorkflowsRequest.fromPartial({ groupBy: ["state"] })).finish(),
    concurrencyMax: 16,
  },
];
