import type { ParticipantId } from "../kernel/ids.ts";
import type { DurationMs } from "../kernel/time.ts";
import { rivalCalmMs } from "./limits.ts";

/** Hellos that took a participant id from another live process, one soon after the other. Only those that may still count are held. */
export type Rivalries = {
  readonly size: number;
  /** One more. Says how many that makes. */
  add(participantId: ParticipantId, monotonicMs: DurationMs): number;
  delete(participantId: ParticipantId): void;
};

export function createRivalries(): Rivalries {
  /** The latest is the last. */
  const recent = new Map<ParticipantId, { readonly count: number; readonly lastMs: DurationMs }>();
  return {
    get size() {
      return recent.size;
    },
    add(participantId, monotonicMs) {
      for (const [calm, { lastMs }] of recent) {
        if (monotonicMs - lastMs < rivalCalmMs) break;
        recent.delete(calm);
      }
      const count = (recent.get(participantId)?.count ?? 0) + 1;
      recent.delete(participantId);
      recent.set(participantId, { count, lastMs: monotonicMs });
      return count;
    },
    delete: (participantId) => void recent.delete(participantId),
  };
}
