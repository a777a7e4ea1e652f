import type { Clock } from "../kernel/clock.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { RuleSetChange } from "./core/types.ts";
import type { Engine } from "./engine.ts";

export type ChangeMessage =
  | { readonly type: "change"; readonly change: RuleSetChange }
  /** Every change up to here has been told. */
  | { readonly type: "progress"; readonly sequence: number };

export type ChangeWatch = {
  readonly afterSequence: number;
  readonly progressIntervalMs: DurationMs;
  readonly breathe: Breathe;
  readonly clock: Pick<Clock, "setTimer">;
  /** Ends the watch, which throws its reason. */
  readonly signal: AbortSignal;
};

/**
 * Tells of changes in the order of their sequence, at the pace of its consumer: it reads what is stored, again and again, so a slow one
 * costs no memory, and nothing can be missed or told twice.
 */
export async function* watchChanges(
  engine: Pick<Engine, "changesAfter" | "onChange">,
  { afterSequence, progressIntervalMs, breathe, clock, signal }: ChangeWatch,
): AsyncGenerator<ChangeMessage, void> {
  const bell = createBell(signal, clock);
  const unfollow = engine.onChange(bell.ring);
  let cursor = afterSequence;
  yield { type: "progress", sequence: cursor };
  try {
    for (;;) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const rung = bell.next();
      const { rows } = await engine.changesAfter({ sequence: cursor, limit: stretchRowsMax });
      for (const change of rows) {
        yield { type: "change", change };
        cursor = change.sequence;
      }
      if (rows.length > 0) continue;
      if (!(await rung(progressIntervalMs))) yield { type: "progress", sequence: cursor };
    }
  } finally {
    unfollow();
    bell.stop();
  }
}

/** Rings at each change, and when the watch ends. */
function createBell(signal: AbortSignal, { setTimer }: ChangeWatch["clock"]) {
  let ring = (): void => {};
  const onRing = (): void => ring();
  signal.addEventListener("abort", onRing);
  return {
    ring: onRing,
    /** From now on: whether it rings within this time. */
    next: () => {
      let rung = signal.aborted;
      let resolve = (): void => {};
      ring = () => {
        rung = true;
        resolve();
      };
      return async (waitMs: DurationMs): Promise<boolean> => {
        if (rung) return true;
        let cancel = (): void => {};
        await new Promise<void>((settle) => {
          resolve = settle;
          cancel = setTimer(waitMs, settle);
        });
        cancel();
        return rung;
      };
    },
    stop: (): void => signal.removeEventListener("abort", onRing),
  };
}
