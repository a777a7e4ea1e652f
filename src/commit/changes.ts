import type { Transaction } from "./core/types.ts";
import { type CoordinatorEnd, type EndSignal, orEnd } from "./ends.ts";
import { watchCountMax } from "./limits.ts";
import type { Run } from "./run.ts";
import type { Runs } from "./runs.ts";

/** Those who hear of every change of every transaction. */
export type Changes = { readonly listeners: Set<(transaction: Transaction) => void> };

export const createChanges = (): Changes => ({ listeners: new Set() });

export function tellAll({ listeners }: Changes, transaction: Transaction): void {
  for (const tell of listeners) tell(transaction);
}

/** The transaction now and after each change, until it is completed. */
export async function* watchRun(run: Run, signal: AbortSignal): AsyncGenerator<Transaction, void> {
  const anyEnd = AbortSignal.any([run.ended, signal]);
  let seen: Transaction | undefined;
  while (!anyEnd.aborted && seen?.phase !== "COMPLETED") {
    if (run.view === seen) {
      await orEnd<void, void>(anyEnd, (settle) => {
        run.watchers.add(settle);
        return () => run.watchers.delete(settle);
      });
    } else {
      seen = run.view;
      yield seen;
    }
  }
}

/** What is not over, then each change. */
export async function* watchRuns(
  { listeners }: Changes,
  { byId }: Runs,
  ended: EndSignal<CoordinatorEnd>,
  signal: AbortSignal,
): AsyncGenerator<Transaction, "ended" | "too-slow"> {
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
      if (!listeners.has(tell)) return "too-slow";
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
    return "ended";
  } finally {
    listeners.delete(tell);
  }
}
