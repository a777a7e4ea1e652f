import type { DurationMs, TimeMs } from "../../src/kernel/time.ts";

/** A clock that stands still, and whose timers fire when a test says so. */
export function fakeClock(nowMs: TimeMs = 1_000) {
  const timers = new Set<{ leftMs: DurationMs; readonly run: () => void }>();
  const clock = {
    nowMs: () => nowMs,
    setTimer(delayMs: DurationMs, run: () => void): () => void {
      const timer = { leftMs: delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  return {
    ...clock,
    /** How long those that wait have to wait still. */
    waiting: (): readonly DurationMs[] => [...timers].map(({ leftMs }) => leftMs).sort((a, b) => a - b),
    /** Somebody sets it; no time passes. */
    set: (toMs: TimeMs): void => {
      nowMs = toMs;
    },
    /** Time passes. Each timer that comes due fires at its time, and what it leads to is done before the next one. */
    async pass(ms: DurationMs): Promise<void> {
      for (let leftMs = ms; ; ) {
        const next = [...timers].sort((a, b) => a.leftMs - b.leftMs)[0];
        const stepMs = Math.min(leftMs, Math.max(0, next?.leftMs ?? leftMs));
        nowMs += stepMs;
        leftMs -= stepMs;
        for (const timer of timers) timer.leftMs -= stepMs;
        if (next === undefined || next.leftMs > 0) return;
        timers.delete(next);
        next.run();
        await settled();
      }
    },
  };
}

/** What is under way and waits for nothing from outside has gone as far as it can. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
}
