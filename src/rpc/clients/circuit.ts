import type { Clock } from "../../kernel/clock.ts";
import type { DurationMs } from "../../kernel/time.ts";

/** So many failed calls in a row, and callers are answered at once instead of after the timeout. */
export const failuresToOpen = 5;

/** Then one call tries again after this. */
export const openMs: DurationMs = 500;

/** Nobody was asked. */
export class CircuitOpenError extends Error {
  constructor() {
    super("circuit open");
  }
}

/**
 * Stops asking somebody who does not answer, and finds out by itself when he is back. By the clock that nobody sets: one that somebody set back
 * would keep it open for as long.
 */
export function createCircuit(options: {
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Of a call: it says that there is no answer to be had. */
  readonly isFailure: (error: unknown) => boolean;
  readonly onOpened: (error: unknown) => void;
  readonly onClosed: () => void;
}) {
  const { clock, isFailure, onOpened, onClosed } = options;
  let failures = 0;
  /** Undefined: closed. */
  let openedAtMs: DurationMs | undefined;
  /** The call that tries again; never rejects. */
  let trial: Promise<void> | undefined;

  function answered(): void {
    failures = 0;
    if (openedAtMs === undefined) return;
    openedAtMs = undefined;
    onClosed();
  }

  function failed(error: unknown, isTrial: boolean): void {
    failures += 1;
    if (openedAtMs === undefined && failures < failuresToOpen) return;
    if (openedAtMs === undefined) onOpened(error);
    if (openedAtMs === undefined || isTrial) openedAtMs = clock.monotonicMs();
  }

  async function attempt<T>(call: () => Promise<T>, isTrial: boolean): Promise<T> {
    try {
      const answer = await call();
      answered();
      return answer;
    } catch (error) {
      if (isFailure(error)) failed(error, isTrial);
      else if (isTrial) answered();
      throw error;
    }
  }

  /** Throws what the call throws, or CircuitOpenError. Who comes while one tries again waits for how that ends. */
  return async function through<T>(call: () => Promise<T>): Promise<T> {
    while (trial !== undefined) await trial;
    if (openedAtMs === undefined) return attempt(call, false);
    if (clock.monotonicMs() - openedAtMs < openMs) throw new CircuitOpenError();
    const over = Promise.withResolvers<void>();
    trial = over.promise;
    try {
      return await attempt(call, true);
    } finally {
      trial = undefined;
      over.resolve();
    }
  };
}
