import { participantCountMax } from "../../commit/core/coordinator.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import {
  answerBytesMax,
  answerRetentionMs,
  fieldCountMax,
  structBytesMax,
  structDepthMax,
  structValueCountMax,
} from "../../kernel/limits.ts";
import type { TimeMs } from "../../kernel/time.ts";
import { bulkKeptMax, bulkRateMax, bulkRetentionMs, bulkUnderWayMax } from "../../workflow/bulk-limits.ts";
import { deadlineAheadMsMax, deadlinePastMsMax } from "../../workflow/core/deadline.ts";
import {
  batchItemCountMax,
  groupCountMax,
  indexedMetadataCountMax,
  policyCountMax,
  snapshotEventsMax,
} from "../../workflow/limits.ts";
import { waitMsMax } from "../../workflow/wait.ts";
import type { RpcContext } from "../context.ts";
import { durationToWire } from "../duration.ts";
import { pageSizeMax } from "../page.ts";

/** What a process says of itself. */
export type ServerFacts = {
  readonly version: string;
  /** Full names. */
  readonly services: readonly string[];
  readonly startedAtMs: TimeMs;
  readonly requestBytesMax: number;
  readonly workflowCountMax: number;
  /** Its HTTP interface, beside gRPC. */
  readonly isHttpServed: boolean;
  /** Whether it was told where to publish events. */
  readonly hasSinks: boolean;
};

/** What clients may ask for before they rely on it, in the order of their names; docs/workflows.md describes each, and a test tries it. */
export const capabilities = [
  "batch-enlist",
  "batch-transitions",
  "bulk-operations",
  "count-workflows",
  "create-if-exists",
  "create-started",
  "deadlines",
  "event-filter-workflow",
  "export",
  "http-json",
  "metadata-indexes",
  "purge",
  "recovery-policies",
  "retention-policies",
  "sinks",
  "sorted-lists",
  "type-policies",
  "update-metadata",
  "wait-for-workflow",
] as const;

export type Capability = (typeof capabilities)[number];

/** What a server can do only if it was started so. The others are the program's. */
const isSetUp = (capability: Capability, { isHttpServed, hasSinks }: ServerFacts): boolean =>
  capability === "http-json" ? isHttpServed : capability === "sinks" ? hasSinks : true;

export function createServerInfoHandlers({
  server,
}: {
  readonly server: ServerFacts;
}): Pick<WorkflowServiceImplementation<RpcContext>, "getServerInfo"> {
  const { version, services, startedAtMs, requestBytesMax, workflowCountMax } = server;
  const limits = {
    requestBytes: BigInt(requestBytesMax),
    answerBytes: BigInt(answerBytesMax),
    structBytes: BigInt(structBytesMax),
    structValues: structValueCountMax,
    structDepth: structDepthMax,
    messageFields: fieldCountMax,
    workflows: BigInt(workflowCountMax),
    pageSize: pageSizeMax,
    wait: durationToWire(waitMsMax),
    requestIdRetention: durationToWire(answerRetentionMs),
    batchItems: batchItemCountMax,
    // The manager takes part itself.
    enlistedParticipants: participantCountMax - 1,
    bulkOperationsUnderWay: bulkUnderWayMax,
    bulkOperationsKept: bulkKeptMax,
    bulkOperationRetention: durationToWire(bulkRetentionMs),
    bulkRatePerSecond: bulkRateMax,
    purgedWorkflows: pageSizeMax,
    deadlinePast: durationToWire(deadlinePastMsMax),
    deadlineAhead: durationToWire(deadlineAheadMsMax),
    typePolicies: policyCountMax,
    indexedMetadataKeys: indexedMetadataCountMax,
    countGroups: groupCountMax,
    listChanges: snapshotEventsMax,
  };
  const can = capabilities.filter((capability) => isSetUp(capability, server));
  const info = { version, services: [...services], startedAt: new Date(startedAtMs), limits, capabilities: can };
  return { getServerInfo: async () => info };
}
