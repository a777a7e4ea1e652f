import { resourceBackoff } from "../limits.ts";
import type { Context } from "./context.ts";
import { abortResource, type Surroundings } from "./effects.ts";
import { untilDone } from "./until-done.ts";

/** Of promises that are another's, so many are named in the log; an operator who has ended these sees the next at the next start. */
const namedCountMax = 100;

/**
 * At start: what the resource holds prepared ends as the log has it. A crash may have fallen between its promise and the record: then no vote
 * was sent. Or it was restored from a backup, and holds again what has ended since.
 */
export async function reconcile(surroundings: Pick<Surroundings, "log" | "resource" | keyof Context>): Promise<void> {
  const { log, resource, logger, participantId } = surroundings;
  for (const transactionId of (await resource.prepared?.(log.id)) ?? []) {
    const record = await log.get(transactionId);
    const payload = record?.payload ?? new Uint8Array();
    if (record === undefined || record.state === "aborted") await abortResource(surroundings, { transactionId }, payload);
    if (record?.state !== "committed") continue;
    logger.warn({ participant: participantId, transaction: transactionId }, "committed before, and prepared again: committing");
    await untilDone(surroundings, { transactionId }, "the resource cannot commit", resourceBackoff, () =>
      resource.commit({ transactionId, payload, logId: log.id }),
    );
  }
  const foreign = (await resource.foreign?.(log.id)) ?? [];
  if (foreign.length > 0)
    logger.warn(
      { participant: participantId, log: log.id, count: foreign.length, promises: foreign.slice(0, namedCountMax) },
      "the resource holds promises that were made for another log of this participant; they are left alone",
    );
}
