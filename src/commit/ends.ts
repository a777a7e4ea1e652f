import type { Clock } from "../kernel/clock.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Fenced } from "./ports.ts";

/** Aborts once, and its reason says why. Whatever waits hangs on one of these, so that no waiter can be forgotten. */
export interface EndSignal<End> extends AbortSignal {
  readonly reason: End | undefined;
}

/** Why a coordinator does nothing more. */
export type CoordinatorEnd = Fenced | { readonly type: "shutting-down" };

/** Why a caller waits no longer. */
export type CallerEnd = { readonly type: "caller-left" } | { readonly type: "deadline" };

type Waiting = { readonly clock: Clock; readonly signal: AbortSignal };

/**
 * Resolves to what settles it, or to the end, at once if that has come. `start` may return how to take itself back, which is called
 * either way.
 */
export function orEnd<T, End>(
  signal: EndSignal<End>,
  // biome-ignore lint/suspicious/noConfusingVoidType: what has nothing to take back returns nothing
  start: (settle: (value: T | Promise<T>) => void) => (() => void) | void,
): Promise<T | End> {
  if (signal.aborted) return Promise.resolve(signal.reason as End);
  const waiters = waitersOf(signal);
  return new Promise((resolve) => {
    let settled = false;
    let undo: (() => void) | undefined;
    const settle = (value: T | Promise<T> | End): void => {
      if (settled) return;
      settled = true;
      waiters.delete(end);
      undo?.();
      resolve(value);
    };
    const end = (): void => settle(signal.reason as End);
    waiters.add(end);
    undo = start(settle) ?? undefined;
    if (settled) undo?.();
  });
}

/** A signal looks at all its listeners whenever one comes or goes, and a thousand may wait at once: so they have one for them all. */
const waitersBySignal = new WeakMap<AbortSignal, Set<() => void>>();

function waitersOf(signal: AbortSignal): Set<() => void> {
  const known = waitersBySignal.get(signal);
  if (known !== undefined) return known;
  const waiters = new Set<() => void>();
  waitersBySignal.set(signal, waiters);
  const endAll = (): void => {
    for (const end of waiters) end();
  };
  signal.addEventListener("abort", endAll, { once: true });
  return waiters;
}

/** What a promise comes to, or the end if that comes first. */
export const promiseOrEnd = <T, End>(signal: EndSignal<End>, promise: Promise<T>): Promise<T | End> =>
  orEnd<T, End>(signal, (settle) => void promise.then(settle, () => settle(promise)));

/** Resolves after this time, or at the end. */
export const pause = ({ clock, signal }: Waiting, delayMs: DurationMs): Promise<void> =>
  orEnd<void, void>(signal, (settle) => clock.setTimer(delayMs, settle));

/** Runs after each of these pauses, until the end. */
export async function repeatedly(waiting: Waiting, pauses: () => DurationMs, run: () => Promise<void> | void): Promise<void> {
  for (;;) {
    await pause(waiting, pauses());
    if (waiting.signal.aborted) return;
    await run();
  }
}
