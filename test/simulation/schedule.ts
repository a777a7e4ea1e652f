import type { Clock } from "../../src/kernel/clock.ts";
import type { DurationMs, TimeMs } from "../../src/kernel/time.ts";

/** Virtual time. It passes only from one event to the next, so an hour costs what happens in it. */
export type Schedule = {
  readonly nowMs: TimeMs;
  /** Events of one instant happen in the order in which they were planned. Returns the function that cancels it. */
  after(delayMs: DurationMs, run: () => void): () => void;
  /** Runs until it is over, or nothing is planned, or the time is up. Throws what an event throws. */
  run(untilMs: TimeMs, isOver: () => boolean): Promise<void>;
};

type Event = { readonly atMs: TimeMs; readonly run: () => void };

export function createSchedule(): Schedule {
  /** The next one last. */
  const events: Event[] = [];
  let nowMs = 1_000_000;

  return {
    get nowMs() {
      return nowMs;
    },
    after(delayMs, run) {
      const event = { atMs: nowMs + Math.max(0, delayMs), run };
      let low = 0;
      let high = events.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((events[middle] as Event).atMs > event.atMs) low = middle + 1;
        else high = middle;
      }
      events.splice(low, 0, event);
      return () => {
        const index = events.indexOf(event);
        if (index >= 0) events.splice(index, 1);
      };
    },
    async run(untilMs, isOver) {
      while (!isOver()) {
        const next = events.at(-1);
        if (next === undefined || next.atMs > untilMs) break;
        events.pop();
        nowMs = next.atMs;
        next.run();
        // Every promise that this event has settled runs to its end before the next event.
        await new Promise(setImmediate);
      }
    },
  };
}

/** A process that can be killed or stopped at any moment. What it has planned or asked for dies with it. */
export type Process = {
  readonly name: string;
  readonly alive: boolean;
  readonly clock: Clock;
  /** Now, or when it goes on if it is stopped; never if it is dead. */
  enter(run: () => void): void;
  after(delayMs: DurationMs, run: () => void): () => void;
  /** Takes time, and never comes back to a process that died meanwhile. */
  sleep(delayMs: DurationMs): Promise<void>;
  /** Somebody sets its wall clock, ahead or back. */
  setClock(byMs: DurationMs): void;
  /** The earliest moment at which its wall clock can have said so. */
  saidAtMs(clockMs: TimeMs): TimeMs;
  /** SIGSTOP, then SIGCONT. */
  stop(forMs: DurationMs): void;
  /** SIGKILL. */
  kill(): void;
  /** Runs at the moment of its death, to settle what was half done. */
  onKill(run: () => void): void;
};

export function createProcess(
  schedule: Schedule,
  name: string,
  clockSkewMs: DurationMs,
  /** How long its event loop is busy with others, before the next turn. */
  turnMs: () => DurationMs = () => 0,
): Process {
  const dying = new Set<() => void>();
  let alive = true;
  /** By how much its wall clock was ahead, since when. The newest last. */
  const settings = [{ sinceMs: schedule.nowMs, aheadMs: clockSkewMs }];
  let aheadMs = clockSkewMs;
  let stoppedUntilMs = 0;
  const process: Process = {
    name,
    get alive() {
      return alive;
    },
    clock: {
      // Timers may wait for a part of a millisecond; a wall clock knows whole ones only.
      nowMs: () => Math.floor(schedule.nowMs + aheadMs),
      monotonicMs: () => schedule.nowMs,
      setTimer: (delayMs, run) => process.after(delayMs, run),
      nextTurn: (run) => void process.after(turnMs(), run),
    },
    enter(run) {
      if (!alive) return;
      if (schedule.nowMs < stoppedUntilMs) schedule.after(stoppedUntilMs - schedule.nowMs, () => process.enter(run));
      else run();
    },
    after(delayMs, run) {
      let cancelled = false;
      const guarded = (): void => {
        if (!cancelled) run();
      };
      const cancel = schedule.after(delayMs, () => process.enter(guarded));
      return () => {
        cancelled = true;
        cancel();
      };
    },
    sleep: (delayMs) =>
      new Promise((resolve) => {
        process.after(delayMs, resolve);
      }),
    setClock(byMs) {
      aheadMs += byMs;
      settings.push({ sinceMs: schedule.nowMs, aheadMs });
    },
    saidAtMs(clockMs) {
      const moments = settings.map(({ sinceMs, aheadMs: byMs }, index) => {
        const atMs = Math.max(sinceMs, clockMs - byMs);
        return atMs <= (settings[index + 1]?.sinceMs ?? schedule.nowMs) ? atMs : Number.POSITIVE_INFINITY;
      });
      return Math.min(...moments);
    },
    stop(forMs) {
      stoppedUntilMs = schedule.nowMs + forMs;
    },
    kill() {
      if (!alive) return;
      alive = false;
      for (const run of dying) run();
      dying.clear();
    },
    onKill: (run) => void dying.add(run),
  };
  return process;
}
