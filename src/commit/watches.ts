import type { TransactionId } from "../kernel/ids.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { Wanted } from "./changes.ts";
import type { Transaction } from "./core/types.ts";
import { orEnd } from "./ends.ts";
import { watchCountMax } from "./limits.ts";
import type { Run, RunEnd } from "./run.ts";
import type { Shell } from "./shell.ts";

/** Resolves at the next change of the run, or at the end. */
const nextChange = (run: Run, signal: AbortSignal): Promise<void> =>
  orEnd<void, void>(signal, (settle) => {
    run.watchers.add(settle);
    return () => run.watchers.delete(settle);
  });

/** Resolves once the run has come so far, or has ended. */
export async function until(run: Run, holds: (transaction: Transaction) => boolean): Promise<void> {
  while (!run.ended.aborted && !holds(run.view)) await nextChange(run, run.ended);
}

/** Why a watch tells nothing more. "over": the transaction is completed. */
export type WatchEnd = RunEnd | { readonly type: "caller-left" };

/** The transaction now and after each change, until it is completed. */
export async function* watchRun(run: Run, signal: AbortSignal): AsyncGenerator<Transaction, WatchEnd> {
  const anyEnd = AbortSignal.any([run.ended, signal]);
  // What is over is told before the watch ends.
  const isEnded = (): boolean => signal.aborted || (run.ended.aborted && run.ended.reason?.type !== "over");
  let seen: Transaction | undefined;
  while (!isEnded() && seen?.phase !== "COMPLETED") {
    if (run.view === seen) {
      await nextChange(run, anyEnd);
    } else {
      seen = run.view;
      yield seen;
    }
  }
  if (seen?.phase === "COMPLETED") return { type: "over" };
  return run.ended.reason ?? { type: "caller-left" };
}

export type WatchAllOptions = {
  readonly wanted: Wanted;
  /** How often progress is told while nothing else is. */
  readonly progressIntervalMs: DurationMs;
  readonly signal: AbortSignal;
};

export type WatchAllMessage =
  | { readonly type: "transaction"; readonly transaction: Transaction }
  /** Whatever had changed by then has been told. Nothing: what is not over is still being told. */
  | { readonly type: "progress"; readonly asOfMs: TimeMs | undefined };

export type WatchAllEnd = WatchEnd | { readonly type: "too-slow" };

type Watched = Pick<Shell, "changes" | "clock" | "turns"> & {
  readonly ownership: Pick<Shell["ownership"], "ended">;
  readonly runs: { readonly byId: ReadonlyMap<TransactionId, Pick<Run, "view">>; readonly areAll: boolean };
};

/** What is not over, then each change. */
export async function* watchRuns(watched: Watched, options: WatchAllOptions): AsyncGenerator<WatchAllMessage, WatchAllEnd> {
  const { changes, clock, ownership, runs, turns } = watched;
  const { wanted, progressIntervalMs, signal } = options;
  const { ended } = ownership;
  const anyEnd = AbortSignal.any([ended, signal]);
  const breathe = turns();
  // In the order of their beginning, those that begin meanwhile last: those are told as changes.
  const unfinished = runs.byId.values();
  let leftCount = runs.byId.size;
  let wake = (): void => {};
  const listener = changes.listen({ wanted, countMax: leftCount + watchCountMax, wake: () => wake() });
  let asOfMs: TimeMs | undefined;
  let sentMs = clock.monotonicMs();
  /** One timer an interval, not one a change. */
  let cancelTimer: (() => void) | undefined;

  /** Of what is not over, the next that is wanted. */
  function nextUnfinished(): Transaction | undefined {
    leftCount -= 1;
    const view = unfinished.next().value?.view;
    if (view === undefined || listener.awaits(view.id)) return undefined;
    return wanted === undefined || wanted.matches(view) ? view : undefined;
  }

  try {
    if (!anyEnd.aborted) yield { type: "progress", asOfMs };
    while (!anyEnd.aborted) {
      const pause = breathe();
      if (pause !== undefined) {
        await pause;
        if (anyEnd.aborted) break;
      }
      if (listener.end?.type === "defect") throw listener.end.error;
      if (listener.end) return listener.end;
      const isBeginning = leftCount > 0;
      const next = isBeginning ? nextUnfinished() : listener.take();
      const isFirstTime = asOfMs === undefined;
      // What recovery has not come to yet is told when it has.
      if (!isBeginning && !next && listener.isCurrent() && runs.areAll) asOfMs = clock.nowMs();
      const leftMs = sentMs + progressIntervalMs - clock.monotonicMs();
      if (next || leftMs <= 0 || (isFirstTime && asOfMs !== undefined)) {
        yield next ? { type: "transaction", transaction: next } : { type: "progress", asOfMs };
        sentMs = clock.monotonicMs();
      } else if (!isBeginning) {
        cancelTimer ??= clock.setTimer(leftMs, () => {
          cancelTimer = undefined;
          wake();
        });
        await orEnd<void, void>(anyEnd, (settle) => {
          wake = settle;
        });
      }
    }
    return ended.reason ?? { type: "caller-left" };
  } finally {
    cancelTimer?.();
    listener.leave();
  }
}
