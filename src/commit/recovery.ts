import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { historyRetentionMs, participantRetentionMs, purgeBatchSize } from "../kernel/limits.ts";
import type { TimeMs } from "../kernel/time.ts";
import { resume, takeOver } from "./core/coordinator.ts";
import type { Step } from "./core/coordinator-step.ts";
import { isFinished, type Transaction } from "./core/types.ts";
import { createRun } from "./effects.ts";
import { pause, repeatedly } from "./ends.ts";
import { momentOf } from "./environment.ts";
import { purgeIntervalMs, recoveryBatchSize, recoveryIntervalMs } from "./limits.ts";
import { note } from "./run.ts";
import type { Shell } from "./shell.ts";
import type { Timeline } from "./timeline.ts";

/** Takes over what is stored, unfinished, and not run here. Says how much that was. */
export async function recoverUnfinished(shell: Shell): Promise<number> {
  const { log, runs, ownership } = shell;
  let count = 0;
  let afterId: TransactionId | undefined;
  for (;;) {
    const page = await log.unfinished({ afterId, limit: recoveryBatchSize });
    for (const { id } of page) {
      if (runs.byId.has(id)) continue;
      // Read again: what has ended since the page was read is in the log by now, for it is removed from the runs only then.
      const timeline = await log.timeline(id);
      const stored = await log.get(id);
      if (ownership.ended.aborted) return count;
      if (!stored || isFinished(stored)) continue;
      if (stored.coordinatorEpoch > ownership.coordinator.coordinatorEpoch) {
        ownership.fence({ type: "fenced", coordinatorEpoch: stored.coordinatorEpoch });
        return count;
      }
      adopt(shell, stored, timeline);
      count += 1;
    }
    afterId = page.at(-1)?.id;
    if (page.length < recoveryBatchSize) return count;
  }
}

function adopt(shell: Shell, stored: Transaction, timeline: Timeline | undefined): void {
  const { coordinatorEpoch } = shell.ownership.coordinator;
  const run = createRun(shell, stored, timeline);
  note(shell, run, { type: "taken-over", detail: `epoch ${coordinatorEpoch}` });
  const take = coordinatorEpoch === stored.coordinatorEpoch ? resume : takeOver;
  const step = (transaction: Transaction): Step =>
    take(transaction, { coordinatorEpoch, connected: shell.sessions.connected }, momentOf(shell));
  run.mailbox.post({ step, refuse: undefined });
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

async function recoverAgain(shell: Shell): Promise<void> {
  const { logger } = shell;
  try {
    const count = await recoverUnfinished(shell);
    if (count > 0) logger.warn({ count }, "unfinished transactions were found that nobody ran");
  } catch (error) {
    logger.error({ err: error }, "the decision log cannot be read");
  }
}

async function purge(shell: Shell): Promise<void> {
  const { log, logger } = shell;
  try {
    await purgeTransactions(shell, log.keptBeforeMs(historyRetentionMs));
    await purgeParticipants(shell, log.keptBeforeMs(participantRetentionMs));
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
