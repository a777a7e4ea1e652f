import type { Transaction } from "./core/types.ts";
import { type CoordinatorEnd, type EndSignal, orEnd } from "./ends.ts";
import { watchCountMax } from "./limits.ts";
import type { Run, RunEnd } from "./run.ts";
import type { Runs } from "./runs.ts";

/** Those who hear of every change of every transaction. */
export type Changes = { readonly listeners: Set<(transaction: Transaction) => void> };

export const createChanges = (): Changes => ({ listeners: new Set() });

export function tellAll({ listeners }: Changes, transaction: Transaction): void {
  for (const tell of listeners) tell(transaction);
}

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

/** What is not over, then each change. */
export async function* watchRuns(
  { listeners }: Changes,
  { byId }: Runs,
  ended: EndSignal<CoordinatorEnd>,
  signal: AbortSignal,
): AsyncGenerator<Transaction, WatchEnd | { readonly type: "too-slow" }> {
  // By id, and a change moves to the end: a reader never waits behind one busy transaction.
  const changed = new Map([...byId.values()].map(({ view }) => [view.id, view]));
  const countMax = changed.size + watchCountMax;
  const anyEnd = AbortSignal.any([ended, signal]);
  let wake = (): void => {};
  const tell = (transaction: Transaction): void => {
    changed.delete(transaction.id);
    changed.set(transaction.id, transaction);
    if (changed.size > countMax) {
      listeners.delete(tell);
      changed.clear();
    }
    wake();
  };
  listeners.add(tell);
  try {
    while (!anyEnd.aborted) {
      if (!listeners.has(tell)) return { type: "too-slow" };
      const next = changed.values().next().value;
      if (next) {
        changed.delete(next.id);
        yield next;
      } else {
        await orEnd<void, void>(anyEnd, (settle) => {
          wake = settle;
        });
      }
    }
    return ended.reason ?? { type: "caller-left" };
  } finally {
    listeners.delete(tell);
  }
}
