import type { Clock } from "../kernel/clock.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { WorkflowEvent } from "./core/types.ts";

/** What a watch has read from the store, and has not told yet. */
export type HeldStretch = {
  /** The event at this place, if it is (still) here: who asks uses the stretch. */
  at(index: number): WorkflowEvent | undefined;
  /** False: it was let go, and is read again. */
  readonly isHeld: boolean;
  letGo(): void;
};

/**
 * The stretches of all watches of a store. Of one that has not been used for a while, whose watch is read slowly or never, nothing stays in memory:
 * a stretch is a quarter of a megabyte, and there may be thousands of watches.
 */
export function createHeldStretches({ setTimer }: Pick<Clock, "setTimer">, idleMs: DurationMs) {
  type Held = { events: readonly WorkflowEvent[]; isUsed: boolean };
  const held = new Set<Held>();
  let isLooking = false;

  function look(): void {
    for (const each of held) {
      if (!each.isUsed) letGo(each);
      each.isUsed = false;
    }
    isLooking = held.size > 0;
    if (isLooking) lookLater();
  }

  const lookLater = (): void => void setTimer(idleMs, look);

  function letGo(each: Held): void {
    held.delete(each);
    each.events = [];
  }

  return (events: readonly WorkflowEvent[]): HeldStretch => {
    const each: Held = { events, isUsed: true };
    held.add(each);
    if (!isLooking) lookLater();
    isLooking = true;
    return {
      at: (index) => {
        each.isUsed = true;
        return each.events[index];
      },
      get isHeld() {
        return held.has(each);
      },
      letGo: () => letGo(each),
    };
  };
}
