import type { Standing } from "../commit/participant/link.ts";
import type {
  CoordinatorSession,
  CoordinatorStatus,
  DeepPartial,
  ServerStatusServiceImplementation,
  ServiceStatus,
} from "../gen/concord/server/v1/server_status.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { PeerState } from "./clients/peer-watch.ts";
import type { RpcContext } from "./context.ts";
import { durationToWire } from "./duration.ts";

/** What a process knows of itself, read when it is asked. */
export type StatusSource = {
  readonly version: string;
  readonly startedAtMs: TimeMs;
  readonly services: () => readonly DeepPartial<ServiceStatus>[];
  /** How late timers were of late. */
  readonly loopDelayMs: () => DurationMs;
  /** A gauge of the metrics; 0 if there is none of this name. */
  readonly gauge: (name: string) => Promise<number>;
  /** Infinite if it cannot be said. */
  readonly diskFreeBytes: () => number;
  readonly peers: () => readonly PeerState[];
  readonly storeMismatches: readonly string[];
  /** Undefined: none is served here. */
  readonly coordinator: () => { readonly coordinatorId: string; readonly coordinatorEpoch: number } | undefined;
  /** Participants that do not believe it. */
  readonly unbelieving: () => readonly string[];
  /** Of the workflow manager, if it is served here, which is this participant. */
  readonly standings: () => readonly Standing[];
  readonly participantId: string;
};

/** All of them are as many as there are participants. */
const unbelievingCountMax = 100;

export function createStatusService(source: StatusSource): ServerStatusServiceImplementation<RpcContext> {
  const { version, startedAtMs, services, gauge, diskFreeBytes } = source;
  const seconds = async (name: string): Promise<DurationMs> => 1000 * (await gauge(name));

  async function coordinator(): Promise<DeepPartial<CoordinatorStatus> | undefined> {
    const owner = source.coordinator();
    if (owner === undefined) return undefined;
    return {
      coordinatorId: owner.coordinatorId,
      coordinatorEpoch: BigInt(owner.coordinatorEpoch),
      undecided: await gauge("concord_commit_transactions_undecided"),
      inDoubt: await gauge("concord_commit_transactions_in_doubt"),
      oldestInDoubt: durationToWire(await seconds("concord_commit_oldest_in_doubt_seconds")),
      unacknowledged: await gauge("concord_commit_unacknowledged"),
      connectedParticipants: await gauge("concord_commit_participants_connected"),
      unbelievingParticipants: source.unbelieving().slice(0, unbelievingCountMax),
    };
  }

  const session = ({ coordinator: address, isOpen, why = "" }: Standing): DeepPartial<CoordinatorSession> => ({
    ...{ address, participantId: source.participantId, open: isOpen },
    ...(typeof why === "string" ? { reason: why } : { reason: why.message, remedy: why.remedy }),
  });

  return {
    async getServerStatus() {
      const free = diskFreeBytes();
      return {
        version,
        startedAt: new Date(startedAtMs),
        services: services(),
        loopDelay: durationToWire(source.loopDelayMs()),
        memoryBytes: BigInt(process.memoryUsage.rss()),
        diskFreeBytes: Number.isFinite(free) ? BigInt(free) : undefined,
        coordinator: await coordinator(),
        peers: source
          .peers()
          .map(({ service: name, address, isThere, cause = "" }) => ({ name, address, answers: isThere, reason: cause })),
        storeMismatches: source.storeMismatches,
        coordinatorSessions: source.standings().map(session),
      };
    },
  };
}
