import type { DurationMs } from "../kernel/time.ts";
import type { Clock, Fenced } from "./ports.ts";

/** Aborts once, and its reason says why. Whatever waits hangs on one of these, so that no waiter can be forgotten. */
export interface EndSignal<End> extends AbortSignal {
  readonly reason: End | undefined;
}

/** Why a coordinator does nothing more. */
export type CoordinatorEnd = Fenced | { readonly type: "shutting-down" };

/**
 * Resolves to what settles it, or to the end, at once if that has come. `start` may return how to take itself back, which is called
 * either way.
 */
export function orEnd<T, End>(
  signal: EndSignal<End>,
  // biome-ignore lint/suspicious/noConfusingVoidType: what has nothing to take back returns nothing
  start: (settle: (value: T) => void) => (() => void) | void,
): Promise<T | End> {
  return new Promise((resolve) => {
    let settled = false;
    let undo: (() => void) | undefined;
    const settle = (value: T | End): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener("abort", end);
      undo?.();
      resolve(value);
    };
    const end = (): void => settle(signal.reason as End);
    if (signal.aborted) return end();
    signal.addEventListener("abort", end);
    undo = start(settle) ?? undefined;
    if (settled) undo?.();
  });
}

/** Resolves after this time, or at the end. */
export const pause = (clock: Clock, delayMs: DurationMs, signal: AbortSignal): Promise<void> =>
  orEnd<void, void>(signal, (settle) => clock.setTimer(delayMs, settle));

/** Runs again and again, each time this long after the last run, until the end. */
export async function repeat(clock: Clock, intervalMs: DurationMs, signal: AbortSignal, run: () => Promise<void>): Promise<void> {
  for (;;) {
    await pause(clock, intervalMs, signal);
    if (signal.aborted) return;
    await run();
  }
}
