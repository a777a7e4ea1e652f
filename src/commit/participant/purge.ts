import { participantRetentionMs, purgeBatchSize } from "../../kernel/limits.ts";
import { type TimeMs, timeNeverAhead } from "../../kernel/time.ts";
import { repeatedly } from "../ends.ts";
import { purgeIntervalMs, resentWithinMs } from "../limits.ts";
import type { ParticipantLog, Resource } from "../ports.ts";
import type { Context } from "./context.ts";
import type { Link } from "./link.ts";

type Kept = { readonly log: ParticipantLog; readonly resource: Resource; readonly links: readonly Link[] };

/** Drops records, and receipts of the resource, that ended long ago. Resolves when the participant has closed. */
export function purgeRegularly(context: Context, kept: Kept): Promise<void> {
  const trustedNowMs = timeNeverAhead(context.clock);
  return repeatedly(
    context,
    () => purgeIntervalMs,
    async () => {
      try {
        const beforeMs = kept.log.keptBeforeMs?.(participantRetentionMs) ?? trustedNowMs() - participantRetentionMs;
        await purgeLog(context, kept, beforeMs);
        await purgeReceipts(context, kept, beforeMs);
      } catch (error) {
        context.logger.warn({ participant: context.participantId, err: error }, "what ended long ago is not purged");
      }
    },
  );
}

async function purgeLog({ clock, signal }: Context, { log, links }: Kept, updatedBeforeMs: TimeMs): Promise<void> {
  for (const { state, coordinator } of links) {
    // Who is away may still have to ask.
    if (!coordinator || state.type !== "welcomed" || clock.monotonicMs() - state.sinceMs < resentWithinMs) continue;
    const { coordinatorId } = coordinator;
    while (!signal.aborted && (await log.purge({ coordinatorId, updatedBeforeMs, limit: purgeBatchSize })) === purgeBatchSize);
  }
}

async function purgeReceipts({ signal }: Context, { log, resource }: Kept, recordedBeforeMs: TimeMs): Promise<void> {
  if (resource.forget === undefined) return;
  // Of what is prepared in the log, the crash may have fallen after the commit: the receipt is all that tells.
  const keep = (await log.load()).map(({ transactionId }) => transactionId);
  const old = { logId: log.id, recordedBeforeMs, keep, limit: purgeBatchSize };
  while (!signal.aborted && (await resource.forget(old)) === purgeBatchSize);
}
