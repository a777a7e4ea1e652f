import type { Clock } from "../kernel/clock.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import type { DurationMs } from "../kernel/time.ts";
import { mayHavePromised, owesAck, type Part, type Transaction } from "./core/types.ts";
import type { Logger } from "./ports.ts";

/** Looked at each time, the oldest first: who has more of them in doubt reads `oldest`, and the gauges. */
const waitingCountMax = 100;

const lookEachMs: DurationMs = 5_000;

/** A transaction that is in doubt for so long waits for somebody. */
export const waitsAfterMs: DurationMs = 10_000;

/** From one line about it to the next, this much longer each time, up to an hour. */
const growth = 3;
const pauseMsMax: DurationMs = 3_600_000;

type Waiting = { readonly sinceMs: DurationMs; pauseMs: DurationMs; dueMs: DurationMs };

/** Says of transactions that do not end for whom they wait, and for what, at growing intervals. Returns the function that ends it. */
export function watchWaiting(options: {
  /** In doubt, the oldest first. */
  readonly inDoubt: (limit: number) => readonly Transaction[];
  /** What each log line about one says. */
  readonly about: (id: TransactionId) => object | undefined;
  readonly connected: ReadonlySet<ParticipantId>;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  readonly logger: Pick<Logger, "warn">;
}): () => void {
  const { inDoubt, about, connected, clock, logger } = options;
  let known = new Map<TransactionId, Waiting>();
  let cancel = clock.setTimer(lookEachMs, look);

  function look(): void {
    const nowMs = clock.monotonicMs();
    const next = new Map<TransactionId, Waiting>();
    for (const transaction of inDoubt(waitingCountMax)) {
      const waiting = known.get(transaction.id) ?? { sinceMs: nowMs, pauseMs: waitsAfterMs, dueMs: nowMs + waitsAfterMs };
      next.set(transaction.id, waiting);
      if (nowMs < waiting.dueMs) continue;
      say(transaction, nowMs - waiting.sinceMs);
      waiting.pauseMs = Math.min(pauseMsMax, waiting.pauseMs * growth);
      waiting.dueMs = nowMs + waiting.pauseMs;
    }
    known = next;
    cancel = clock.setTimer(lookEachMs, look);
  }

  function say(transaction: Transaction, waitedMs: DurationMs): void {
    const waitsFor = transaction.parts.flatMap((part) => {
      const forWhat = wantedOf(transaction, part);
      const { participantId: participant } = part;
      return forWhat === undefined ? [] : [{ participant, for: forWhat, connected: connected.has(participant) }];
    });
    const { id, phase, outcome } = transaction;
    const decision = outcome === undefined ? {} : { decision: outcome };
    const message = "a transaction is in doubt and waits for participants";
    logger.warn({ transaction: id, ...about(id), phase, ...decision, waitedMs: Math.round(waitedMs), waitsFor }, message);
  }

  return () => cancel();
}

function wantedOf(transaction: Transaction, part: Part): string | undefined {
  if (transaction.outcome !== undefined) return owesAck(transaction, part) ? "acknowledgement" : undefined;
  if (part.vote !== undefined) return undefined;
  return mayHavePromised(transaction, part) && transaction.parts.length === 1 ? "its decision" : "vote";
}
