import type { Clock } from "../kernel/clock.ts";
import { answerRetentionMs, purgeBatchSize } from "../kernel/limits.ts";
import type { Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { StoreAge } from "../kernel/write.ts";

/** What comes in a second goes in one, a day later: often, so that it is never much. */
export const purgeIntervalMs = 1_000;

type Purgeable = StoreAge & {
  purge(before: { readonly olderThanMs: TimeMs; readonly limit: number }): Promise<Result<number, unknown>>;
};

type Surroundings = {
  readonly clock: Pick<Clock, "setTimer">;
  readonly logger: Record<"debug" | "error", (fields: object, message: string) => void>;
};

/** Forgets the answers to requests that nobody retries any more: all of them, in slices between which others write. Returns how to stop it. */
export function purgeAnswers(store: Purgeable, { clock, logger }: Surroundings): () => void {
  let stopped = false;
  let cancel = purgeLater();

  function purgeLater(): () => void {
    return clock.setTimer(purgeIntervalMs, async () => {
      try {
        await purge();
      } catch (error) {
        logger.error({ err: error }, "old answers cannot be purged");
      }
      if (!stopped) cancel = purgeLater();
    });
  }

  async function purge(): Promise<void> {
    const before = { olderThanMs: store.keptBeforeMs(answerRetentionMs), limit: purgeBatchSize };
    while (!stopped) {
      const purged = await store.purge(before);
      if (purged.ok && purged.value > 0) logger.debug({ purged: purged.value }, "old answers purged");
      // A store that cannot write says so itself.
      if (!purged.ok || purged.value < purgeBatchSize) return;
    }
  }

  return () => {
    stopped = true;
    cancel();
  };
}
