import { type Backoff, backoffMs } from "../../kernel/backoff.ts";
import { pause, promiseOrEnd } from "../ends.ts";
import { aboutOf, type Subject } from "./box.ts";
import type { Context } from "./context.ts";

/** A promise binds, so there is no giving up. Ends without a result only when the participant closes. */
export async function untilDone<T>(
  context: Context,
  subject: Subject | undefined,
  failure: string,
  backoff: Backoff,
  run: () => Promise<T>,
): Promise<T | undefined> {
  const { participantId, logger, random, signal } = context;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      const result = await promiseOrEnd(signal, run());
      if (!signal.aborted) return result as T;
    } catch (error) {
      if (signal.aborted) break;
      const about = subject === undefined ? { participant: participantId } : aboutOf(subject, participantId);
      logger.error({ ...about, attempt, err: error }, `${failure}; trying again`);
      await pause(context, backoffMs(backoff, attempt, random()));
    }
  }
  return undefined;
}
