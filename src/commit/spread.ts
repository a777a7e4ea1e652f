import type { ParticipantId } from "../kernel/ids.ts";
import type { Shell } from "./shell.ts";

/** One step of telling, for one transaction. */
export type Telling = () => Promise<void> | undefined;

/**
 * Tells thousands of transactions about one participant, in slices. A newer word about it replaces what is still being told: the rest of that
 * is true no more.
 */
export type Spread = (participantId: ParticipantId, word: Iterable<Telling>) => Promise<void>;

export function createSpread({ turns, ownership }: Shell): Spread {
  const newest = new Map<ParticipantId, Iterable<Telling>>();
  return async (participantId, word) => {
    newest.set(participantId, word);
    const breathe = turns();
    for (const tell of word) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      if (newest.get(participantId) !== word || ownership.ended.aborted) return;
      const pending = tell();
      if (pending !== undefined) await pending;
    }
    if (newest.get(participantId) === word) newest.delete(participantId);
  };
}
