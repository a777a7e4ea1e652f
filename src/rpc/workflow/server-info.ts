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
};

/** What clients may ask for before they rely on it; docs/workflows.md describes each, and a test tries it. */
export const capabilities = [
  "create-if-exists",
  "create-started",
  "export",
  "purge",
  "update-metadata",
  "wait-for-workflow",
] as const;

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
  };
  const info = { version, services: [...services], startedAt: new Date(startedAtMs), limits, capabilities: [...capabilities] };
  return { getServerInfo: async () => info };
}
