import type { Clock } from "../kernel/clock.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { orLeft } from "./calls.ts";
import type { FireDeadline, Fired } from "./fire-deadline.ts";
import { dueAtOnceMax, duePageSize, duePauseMsMax, duePauseMsMin, dueWakeMsMax } from "./limits.ts";
import type { DeadlinePlace, DueWorkflow, WorkflowStore } from "./ports.ts";

/** Who is told what has become of deadlines. */
export type DeadlineReport = {
  readonly fired: (due: DueWorkflow, fired: Fired) => void;
  /** A defect: it is tried again. */
  readonly failed: (error: unknown) => void;
};

/**
 * Fires deadlines when they fall due. One timer waits for the next of them, and is told of earlier ones by the store; nothing is looked at
 * before. What is due is read in its order from an index, and what cannot be done now is tried again when the rest has had its turn.
 */
export function createDeadlines(dependencies: {
  readonly store: Pick<WorkflowStore, "due" | "onDeadline">;
  readonly clock: Pick<Clock, "nowMs" | "setTimer">;
  readonly fire: FireDeadline;
  readonly report: DeadlineReport;
}) {
  const { store, clock, fire, report } = dependencies;
  const leaving = new AbortController();
  let round: Promise<void> | undefined;
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let cancelTimer = (): void => {};

  /** The clock may be set ahead while a timer runs, so none runs for long. */
  function wakeAt(atMs: TimeMs): void {
    if (leaving.signal.aborted || atMs >= wakeAtMs) return;
    wakeAtMs = atMs;
    // The round that is under way waits for it when it has ended.
    if (round !== undefined) return;
    cancelTimer();
    const delayMs = Math.min(Math.max(0, atMs - clock.nowMs()), dueWakeMsMax);
    cancelTimer = clock.setTimer(delayMs, begin);
  }

  function begin(): void {
    const atMs = wakeAtMs;
    wakeAtMs = Number.POSITIVE_INFINITY;
    if (clock.nowMs() < atMs) {
      wakeAt(atMs);
      return;
    }
    round = fireAll().finally(() => {
      round = undefined;
      const nextMs = wakeAtMs;
      wakeAtMs = Number.POSITIVE_INFINITY;
      wakeAt(nextMs);
    });
  }

  /** Until nothing is due any more. */
  async function fireAll(): Promise<void> {
    let pauseMs = duePauseMsMin;
    let after: DeadlinePlace | undefined;
    let isSomethingLeft = false;
    while (!leaving.signal.aborted) {
      const page = await readDue(clock.nowMs(), after);
      const fired = await fireSome(page ?? []);
      const isProgress = fired.some(({ type }) => type !== "delayed");
      if (isProgress) pauseMs = duePauseMsMin;
      isSomethingLeft ||= page === undefined || fired.some(({ type }) => type === "delayed");
      const last = page?.length === duePageSize ? page.at(-1) : undefined;
      after = last && placeOf(last);
      if (last === undefined && !isSomethingLeft) break;
      if (last !== undefined && isProgress) continue;
      // From here on, or from the beginning again: what could not be made now is still due.
      if (last === undefined) isSomethingLeft = false;
      await pause(pauseMs);
      pauseMs = Math.min(2 * pauseMs, duePauseMsMax);
    }
    const next = await readDue(Number.MAX_SAFE_INTEGER, undefined, 1);
    // Nobody else would look before somebody sets a deadline.
    if (next === undefined) wakeAt(clock.nowMs() + duePauseMsMax);
    else if (next[0] !== undefined) wakeAt(next[0].deadline.atMs);
  }

  /** Nothing: the store cannot be read. */
  async function readDue(upToMs: TimeMs, after: DeadlinePlace | undefined, limit = duePageSize) {
    try {
      return await store.due({ upToMs, after, limit });
    } catch (error) {
      report.failed(error);
      return undefined;
    }
  }

  /** A few at a time: there is room for callers beside them. */
  async function fireSome(page: readonly DueWorkflow[]): Promise<readonly Fired[]> {
    const fired: Fired[] = [];
    const rest = page.values();
    const fireOneByOne = async (): Promise<void> => {
      for (const due of rest) {
        if (leaving.signal.aborted) return;
        fired.push(await fireOne(due));
      }
    };
    await Promise.all(Array.from({ length: dueAtOnceMax }, fireOneByOne));
    return fired;
  }

  async function fireOne(due: DueWorkflow): Promise<Fired> {
    try {
      const fired = await fire(due, leaving.signal);
      report.fired(due, fired);
      return fired;
    } catch (error) {
      report.failed(error);
      return { type: "delayed", cause: "a defect" };
    }
  }

  async function pause(ms: DurationMs): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = clock.setTimer(ms, over.resolve);
    await orLeft(leaving.signal, over.promise);
    cancel();
  }

  const unsubscribe = store.onDeadline(wakeAt);

  return {
    /** What has fallen due since the store was last open is made at once. */
    start: (): void => wakeAt(0),

    /** Ends when nothing is under way any more. */
    async close(): Promise<void> {
      unsubscribe();
      leaving.abort();
      cancelTimer();
      await round;
    },
  };
}

const placeOf = ({ workflowId, deadline: { atMs } }: DueWorkflow): DeadlinePlace => ({ workflowId, atMs });
