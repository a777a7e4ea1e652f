import type { ParticipantId } from "../kernel/ids.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { Enlistment } from "./core/coordinator-step.ts";
import type { Environment } from "./environment.ts";
import { type Books, owedBy } from "./owed.ts";

/** A participant does not acknowledge what is decided, so nothing new begins with it: that would stay in memory and in the log as well. */
export type Lagging = {
  readonly type: "participant-lags";
  readonly participantId: ParticipantId;
  readonly unacknowledged: number;
  readonly limit: number;
  /** Undefined: not since this coordinator has started. */
  readonly lastSeenAtMs: TimeMs | undefined;
};

/** The first of these participants that owes too much. */
export function whoLags(
  { sessions, budgets: { owedCountMax: limit } }: Environment,
  books: Books,
  parts: readonly Enlistment[],
): Lagging | undefined {
  for (const { participantId } of parts) {
    const { unacknowledged } = owedBy(books, participantId);
    if (unacknowledged < limit) continue;
    return { type: "participant-lags", participantId, unacknowledged, limit, lastSeenAtMs: sessions.lastSeenAtMs(participantId) };
  }
  return undefined;
}
