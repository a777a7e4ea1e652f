import type { Clock } from "../../kernel/clock.ts";
import type { DurationMs } from "../../kernel/time.ts";

/** Who waits to see something looks again whenever anything has happened. */
export interface Watch {
  changed(): void;
  /** What is seen, or nothing if it is not seen within this time. */
  until<Seen>(look: () => Seen | undefined, withinMs: DurationMs): Promise<Seen | undefined>;
  /** Lets this time pass. */
  pass(durationMs: DurationMs): Promise<void>;
}

export function createWatch(clock: Clock): Watch {
  const waiting = new Set<() => void>();

  function until<Seen>(look: () => Seen | undefined, withinMs: DurationMs): Promise<Seen | undefined> {
    return new Promise((resolve) => {
      const settle = (seen: Seen | undefined): void => {
        waiting.delete(lookAgain);
        cancel();
        resolve(seen);
      };
      const lookAgain = (): void => {
        const seen = look();
        if (seen !== undefined) settle(seen);
      };
      const cancel = clock.setTimer(withinMs, () => settle(look()));
      waiting.add(lookAgain);
      lookAgain();
    });
  }

  return {
    changed: () => {
      for (const lookAgain of [...waiting]) lookAgain();
    },
    until,
    pass: async (durationMs) => void (await until(() => undefined, durationMs)),
  };
}
