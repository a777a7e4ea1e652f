import { participantRetentionMs, purgeBatchSize, purgeIntervalMs, resentWithinMs } from "../limits.ts";
import type { ParticipantLog } from "../ports.ts";
import type { Context } from "./context.ts";
import type { Link } from "./link.ts";
import { repeatedly } from "./until-done.ts";

/** Drops records that ended long ago. Resolves when the participant has closed. */
export function purgeRegularly(context: Context, log: ParticipantLog, links: readonly Link[]): Promise<void> {
  return repeatedly(
    context,
    () => purgeIntervalMs,
    async () => {
      try {
        await purge(context, log, links);
      } catch (error) {
        context.logger.warn({ participant: context.participantId, err: error }, "the participant log is not purged");
      }
    },
  );
}

async function purge({ clock, signal }: Context, log: ParticipantLog, links: readonly Link[]): Promise<void> {
  const updatedBeforeMs = clock.nowMs() - participantRetentionMs;
  for (const { state, coordinator } of links) {
    // Who is away may still have to ask.
    if (!coordinator || state.type !== "welcomed" || clock.monotonicMs() - state.sinceMs < resentWithinMs) continue;
    const { coordinatorId } = coordinator;
    while (!signal.aborted && (await log.purge({ coordinatorId, updatedBeforeMs, limit: purgeBatchSize })) === purgeBatchSize);
  }
}
