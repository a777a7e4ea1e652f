import type { TransactionId } from "../../kernel/ids.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { type Backoff, backoffMs } from "../core/backoff.ts";
import type { Context } from "./context.ts";

/** Ends early when the signal aborts. */
export function pause({ clock, signal }: Pick<Context, "clock" | "signal">, delayMs: DurationMs): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.setTimer(delayMs, done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}

/** A promise binds, so there is no giving up. Ends without a result only when the participant closes. */
export async function untilDone<T>(
  context: Context,
  transactionId: TransactionId,
  failure: string,
  backoff: Backoff,
  run: () => Promise<T>,
): Promise<T | undefined> {
  const { participantId, logger, random, signal } = context;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (signal.aborted) break;
      logger.error({ participant: participantId, transaction: transactionId, attempt, err: error }, `${failure}; trying again`);
      await pause(context, backoffMs(backoff, attempt, random()));
    }
  }
  return undefined;
}

/** Runs after each of these pauses, until the participant closes. */
export async function repeatedly(context: Context, pauses: () => DurationMs, run: () => Promise<void> | void): Promise<void> {
  for (;;) {
    await pause(context, pauses());
    if (context.signal.aborted) return;
    await run();
  }
}
