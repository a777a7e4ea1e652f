import type { Channel } from "nice-grpc";
import { ClientError, Status } from "nice-grpc";
import { HealthDefinition } from "nice-grpc-server-health";
import type { Clock } from "../../kernel/clock.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Logger } from "../../runtime/logger.ts";
import { causeOf } from "./cause.ts";
import { clientFactory } from "./channel.ts";

/** A service that this process needs, and another serves. */
export type Peer = { readonly service: string; readonly address: string; readonly channel: Channel };

export type PeerState = {
  readonly service: string;
  readonly address: string;
  /** Undefined: not known yet. It may answer, and serve nothing while its store cannot be written. */
  readonly isThere: boolean | undefined;
  /** Why not. */
  readonly cause?: string;
};

export type PeerWatch = { readonly states: () => readonly PeerState[]; readonly close: () => void };

const askEachMs: DurationMs = 5_000;
const answerMs: DurationMs = 2_000;

/**
 * Asks each of them again and again whether it is there, so that one that is not is known before somebody needs it: of a wrong address, too.
 * Says so in one line, and in one when it is back.
 */
export function watchPeers(peers: readonly Peer[], options: { readonly clock: Clock; readonly logger: Logger }): PeerWatch {
  const { clock, logger } = options;
  const states: PeerState[] = peers.map(({ service, address }) => ({ service, address, isThere: undefined }));
  const ending = new AbortController();

  async function watch({ service, address, channel }: Peer, place: number): Promise<void> {
    const health = clientFactory.create(HealthDefinition, channel);
    const cause = await health.check({ service }, { deadline: answerMs, signal: ending.signal }).then(
      () => undefined,
      (error: unknown) => {
        logger.debug({ service, address, told: String(error) }, "a service that is needed has not answered");
        return isUnserved(error) ? `no ${service} is served there` : causeOf(error);
      },
    );
    if (ending.signal.aborted) return;
    const was = states[place]?.isThere;
    states[place] = { service, address, isThere: cause === undefined, ...(cause !== undefined && { cause }) };
    if (cause !== undefined && was !== false) logger.warn({ service, address, cause }, "a service that is needed is away");
    if (cause === undefined && was === false) logger.info({ service, address }, "a service that is needed is back");
    const cancel = clock.setTimer(askEachMs, () => {
      ending.signal.removeEventListener("abort", cancel);
      void watch({ service, address, channel }, place);
    });
    ending.signal.addEventListener("abort", cancel, { once: true });
  }

  for (const [place, peer] of peers.entries()) void watch(peer, place);
  return { states: () => states, close: () => ending.abort() };
}

const isUnserved = (error: unknown): boolean => error instanceof ClientError && error.code === Status.NOT_FOUND;
