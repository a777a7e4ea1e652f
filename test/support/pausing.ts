import { expect, onTestFinished } from "vitest";
import type { Turns } from "../../src/kernel/turns.ts";

/** Says whether it is waited for. */
class Pause extends Promise<undefined> {
  isAwaited = false;

  // biome-ignore lint/suspicious/noThenProperty: what is awaited is asked for it, and so it is known.
  override then<A = undefined, B = never>(
    resolved?: ((value: undefined) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isAwaited = true;
    return super.then(resolved, rejected);
  }
}

/** Every so many steps others have a turn of the loop: a chain of promises alone would starve timers and sockets for ever. */
const stepsInTurnMax = 50;

/**
 * Others have their turn before each step. The test fails if a step does not wait for that: of very many of these, nobody else would have a turn
 * for long.
 */
export function pausing(): Turns {
  const asked: Pause[] = [];
  onTestFinished(async () => {
    await Promise.resolve();
    expect(asked.filter(({ isAwaited }) => !isAwaited).length, "steps that did not wait for their turn").toBe(0);
  });
  return (signal) => () => {
    signal?.throwIfAborted();
    const isLast = asked.length % stepsInTurnMax === stepsInTurnMax - 1;
    const pause = new Pause((resolve) => {
      if (isLast) setImmediate(resolve, undefined);
      else resolve(undefined);
    });
    asked.push(pause);
    return pause;
  };
}
