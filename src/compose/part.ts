import { join } from "node:path";
import type { Kept } from "../access/core/quota.ts";
import type { Standing } from "../commit/participant/link.ts";
import type { Coordinator } from "../commit/ports.ts";
import type { Config, ServiceName } from "../config.ts";
import { TwoPhaseCommitDefinition } from "../gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition, type WorkflowServiceImplementation } from "../gen/concord/workflow/v1/workflow_service.ts";
import type { CountQuota } from "../kernel/count-quota.ts";
import type { ParticipantId } from "../kernel/ids.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import type { StoreHealth } from "../kernel/write.ts";
import type { PeerState } from "../rpc/clients/peer-watch.ts";
import type { ClientSecurity } from "../rpc/clients/security.ts";
import type { RpcContext } from "../rpc/context.ts";
import type { RpcService } from "../rpc/server.ts";
import type { Logger } from "../runtime/logger.ts";
import type { LoopWatch } from "../runtime/loop-watch.ts";
import type { createMetrics } from "../runtime/metrics.ts";
import type { Telemetry } from "../runtime/telemetry/telemetry.ts";
import type { TraceWriter } from "../runtime/trace-writer.ts";
import type { SinkSettings } from "../sinks-file.ts";
import type { StoreSet } from "../storage/sqlite/statement.ts";

export const fullNames: Readonly<Record<ServiceName, string>> = {
  predicate: PredicateLogicDefinition.fullName,
  commit: TwoPhaseCommitDefinition.fullName,
  workflow: WorkflowServiceDefinition.fullName,
};

/** Why Concord does not start. The message is for the operator. */
export type StartFailure = { readonly message: string };

/** How this process calls what it serves itself. */
export type Own = { readonly address: string; readonly security: ClientSecurity };

/** One service of this process, wired. */
export type Part = {
  readonly service: RpcService;
  readonly workflow?: WorkflowServiceImplementation<RpcContext>;
  readonly health: StoreHealth;
  /** Resolves if another process takes the store over: then the service never serves again. */
  readonly replaced?: Promise<unknown>;
  /** Services elsewhere that it needs. */
  readonly peers?: () => readonly PeerState[];
  /** Of TwoPhaseCommit, as far as it has claimed its log. */
  readonly coordinator?: () => Coordinator | undefined;
  /** Of TwoPhaseCommit: who does not believe its log. */
  readonly unbelieving?: ReadonlySet<ParticipantId>;
  /** Of WorkflowService, as the participant that it is. */
  readonly standings?: () => readonly Standing[];
  /** After the server listens. */
  readonly start?: (own: Own) => Promise<void>;
  /** Before calls are drained: participants are told, transactions may end. */
  readonly leave?: (graceMs: DurationMs) => Promise<void>;
  /** After the server has stopped. */
  readonly close: () => Promise<void>;
};

export type Options = {
  readonly config: Config;
  readonly logger: Logger;
  /** How many lines of the log were lost. */
  readonly lostLogLines?: () => number;
  /** Undefined: nothing is exported. It is not closed here. */
  readonly telemetry?: Telemetry | undefined;
};

export type Wiring = Options & {
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly trace: TraceWriter["write"] | undefined;
  /** One of each for all services, which have one loop. */
  readonly turns: Turns;
  readonly loop: LoopWatch;
  readonly sinkSettings: readonly SinkSettings[];
  /** How the workflow manager proves to others who it is. */
  readonly peerSecurity: ClientSecurity;
  /** Of what principals create. */
  readonly quotaOf: (what: Kept) => CountQuota;
  /** All stores of this process, which know each other. */
  readonly set: StoreSet;
};

export type StoreName = ServiceName | "verdicts" | "events";

export const storePath = (config: Config, name: StoreName): string => join(config.dataDir, `${name}.sqlite`);
