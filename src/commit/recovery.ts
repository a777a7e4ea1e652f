import { backoffMs } from "../kernel/backoff.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { historyRetentionMs, participantRetentionMs, purgeBatchSize } from "../kernel/limits.ts";
import type { TimeMs } from "../kernel/time.ts";
import { pause, repeatedly } from "./ends.ts";
import { purgeIntervalMs, recoveryBatchSize, recoveryIntervalMs, storageBackoff } from "./limits.ts";
import type { Shell } from "./shell.ts";
import { takeUp } from "./take-up.ts";

/**
 * Takes over what is stored and unfinished, beside everything else: whoever asks for a transaction before its turn finds it all the same
 * (`takeUp`). Resolves when all of it runs, or this coordinator leaves.
 */
export async function recover(shell: Shell): Promise<void> {
  const { clock, logger, ownership, runs, trace, random } = shell;
  const startedMs = clock.monotonicMs();
  for (let attempt = 1; !ownership.leaving.aborted; attempt += 1) {
    const searched = await takeUpUnfinished(shell);
    if (searched) {
      runs.areAll = searched.failedCount === 0;
      if (runs.areAll) trace?.({ action: "Recovered", epoch: ownership.coordinator.coordinatorEpoch });
      const tookMs = Math.round(clock.monotonicMs() - startedMs);
      logger.info({ count: searched.count, tookMs }, "unfinished transactions are taken over");
      return;
    }
    await pause({ clock, signal: ownership.leaving }, backoffMs(storageBackoff, attempt, random()));
  }
}

/** From now on: what nobody runs is found, and what ended long ago is dropped. */
export function keepHouse(shell: Shell): void {
  const { clock, ownership } = shell;
  const waiting = { clock, signal: ownership.ended };
  void repeatedly(
    waiting,
    () => recoveryIntervalMs,
    () => recoverAgain(shell),
  );
  void repeatedly(
    waiting,
    () => purgeIntervalMs,
    () => purge(shell),
  );
}

/** There should be nothing to be found: whatever is begun here runs. */
async function recoverAgain(shell: Shell): Promise<void> {
  const searched = await takeUpUnfinished(shell);
  if (!searched) return;
  shell.runs.areAll ||= searched.failedCount === 0;
  if (searched.count > 0) shell.logger.warn({ count: searched.count }, "unfinished transactions were found that nobody ran");
}

/** Searches the log, in slices. Nothing if it cannot be read, or the coordinator leaves meanwhile; one record that cannot be read is one. */
async function takeUpUnfinished(shell: Shell): Promise<{ readonly count: number; readonly failedCount: number } | undefined> {
  const { log, logger, ownership, runs, turns } = shell;
  const breathe = turns(ownership.leaving);
  let count = 0;
  let failedCount = 0;
  let afterId: TransactionId | undefined;
  try {
    for (;;) {
      await breathe();
      const ids = await log.unfinished({ afterId, limit: recoveryBatchSize });
      for (const id of ids.filter((each) => !runs.byId.has(each))) {
        await breathe();
        const found = await takeUp(shell, id).catch((error: unknown) => {
          logger.error({ transaction: id, err: error }, "the record of an unfinished transaction cannot be read");
          failedCount += 1;
        });
        // What has ended since the page was read is no longer unfinished.
        if (found?.ok && found.value.type === "running") count += 1;
      }
      afterId = ids.at(-1);
      if (ids.length < recoveryBatchSize) return { count, failedCount };
    }
  } catch (error) {
    if (!ownership.leaving.aborted) logger.error({ err: error }, "the decision log cannot be read");
    return undefined;
  }
}

async function purge(shell: Shell): Promise<void> {
  const { log, logger, runs } = shell;
  try {
    await purgeTransactions(shell, log.keptBeforeMs(historyRetentionMs));
    // Until then nobody knows who takes part in nothing.
    if (runs.areAll) await purgeParticipants(shell, log.keptBeforeMs(participantRetentionMs));
  } catch (error) {
    logger.error({ err: error }, "the decision log cannot be purged");
  }
}

async function purgeTransactions({ log, ownership }: Shell, completedBeforeMs: TimeMs): Promise<void> {
  const { coordinatorEpoch } = ownership.coordinator;
  for (;;) {
    const purged = await log.purge({ completedBeforeMs, limit: purgeBatchSize }, coordinatorEpoch);
    if (!purged.ok && purged.error.type === "conflict") ownership.fence(purged.error.conflict);
    if (!purged.ok || purged.value < purgeBatchSize || ownership.ended.aborted) return;
  }
}

/** Those that have not been seen since then, and take part in nothing that is unfinished. */
async function purgeParticipants({ sessions, runs, clock, logger, ownership }: Shell, seenBeforeMs: TimeMs): Promise<void> {
  let afterId: ParticipantId | undefined;
  for (;;) {
    const page = await sessions.list({ afterId, limit: purgeBatchSize });
    const old = page.filter(
      ({ participantId, connected, lastSeenAtMs }) =>
        !connected && lastSeenAtMs < seenBeforeMs && !runs.byParticipant.has(participantId),
    );
    if (old.length > 0) {
      const participantIds = old.map(({ participantId }) => participantId);
      const forgotten = await sessions.forget(participantIds, seenBeforeMs);
      if (!forgotten.ok && forgotten.error.type === "conflict") ownership.fence(forgotten.error.conflict);
      if (!forgotten.ok) return;
      logger.info({ participants: participantIds }, "participants that stayed away are forgotten");
    }
    afterId = page.at(-1)?.participantId;
    if (page.length < purgeBatchSize) return;
    // A page is read at once; others run before the next.
    await pause({ clock, signal: ownership.ended }, 0);
    if (ownership.ended.aborted) return;
  }
}
