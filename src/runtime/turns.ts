import { sliceMs } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";

type Loop = {
  readonly monotonicMs: () => DurationMs;
  /** In the next turn of the loop, after timers and sockets have had theirs. */
  readonly nextTurn: (run: () => void) => void;
  /** In this turn, when whoever was resumed has gone as far as it can without waiting. */
  readonly afterwards: (run: () => void) => void;
  /** What those who share its turns take of one, together. */
  readonly sliceMs: DurationMs;
};

const systemLoop: Loop = {
  monotonicMs: () => performance.now(),
  nextTurn: (run) => void setImmediate(run),
  // Ticks come before microtasks, unless a microtask asks for one: then when there are no more of these.
  afterwards: (run) => queueMicrotask(() => process.nextTick(run)),
  sliceMs,
};

/**
 * Shares each turn of the event loop among all that do long work: `sliceMs` for them together, since a thousand slices of their own would
 * hold it, too. Who finds the time used up waits in line for a later turn: who has waited before, in another line than who has not, as it is
 * likely to have much to do. The lines come first by turns, so nobody with little to do waits for all that have much. One for the whole process,
 * one for what participants say, one for watches, and one for those among them that catch up.
 */
export function createTurns(overrides: Partial<Loop> = {}): Turns {
  const loop = { ...systemLoop, ...overrides };
  let turn = 0;
  /** Of this turn. Undefined: nobody has begun yet. */
  let endsAtMs: DurationMs | undefined;
  const newcomers: (() => void)[] = [];
  const others: (() => void)[] = [];

  function hasTime(): boolean {
    const nowMs = loop.monotonicMs();
    if (endsAtMs !== undefined) return nowMs < endsAtMs;
    endsAtMs = nowMs + loop.sliceMs;
    loop.nextTurn(begin);
    return true;
  }

  function begin(): void {
    turn += 1;
    endsAtMs = undefined;
    resume();
  }

  /** As many as there is time for: most of those who wait have little to do. */
  function resume(): void {
    if (newcomers.length + others.length === 0 || !hasTime()) return;
    const [first, second] = turn % 2 === 0 ? [others, newcomers] : [newcomers, others];
    const resumed = first.shift() ?? second.shift();
    resumed?.();
    loop.afterwards(resume);
  }

  return (signal) => {
    /** The turn for which it has waited, until it finds time without. */
    let waitedFor: number | undefined;
    return () => {
      signal?.throwIfAborted();
      if (hasTime()) {
        if (waitedFor !== turn) waitedFor = undefined;
        return undefined;
      }
      const line = waitedFor === undefined ? newcomers : others;
      return new Promise<void>((resolve) => void line.push(resolve)).then(() => {
        waitedFor = turn;
        signal?.throwIfAborted();
      });
    };
  };
}
