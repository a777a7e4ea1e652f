import type { WorkflowId } from "../kernel/ids.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { WorkflowEvent } from "./core/types.ts";
import { isWithinRanges } from "./event-ranges.ts";
import type { EventRanges } from "./ports.ts";
import type { RecentEvents } from "./recent-events.ts";

/** Which events are wanted. */
export type Wanted = {
  /** Undefined: of all workflows. */
  readonly workflowId: WorkflowId | undefined;
  /** Undefined: each one. The same text means the same. */
  readonly filter:
    | {
        readonly text: string;
        /** A promise, if something else must be read for it. */
        readonly matches: (event: WorkflowEvent) => boolean | Promise<boolean>;
        /** Where whatever matches lies. */
        readonly known: EventRanges;
      }
    | undefined;
};

/** How far one watch has come in a feed. */
export type Place = {
  /**
   * The next event that matches; nothing while there is none, and the watch is woken for it. "behind": it is not in memory any more, the
   * store has it. Throws what keeps the feed from being read on.
   */
  next(): WorkflowEvent | "behind" | undefined;
  /** Every matching event up to here was told. */
  readonly cursor: number;
  leave(): void;
};

/** What all watches that want the same are told from: an event is judged once for them all. It keeps numbers, the events are in `recent`. */
export type Feed = {
  /** An event that was just read, of a workflow that is wanted. */
  offer(event: WorkflowEvent): void;
  placeAfter(sequence: number, wake: () => void): Place;
  /** What comes up to here is in the store only. */
  skipTo(sequence: number): void;
  fail(error: unknown): void;
};

export function createFeed(options: {
  readonly recent: RecentEvents;
  readonly filter: Wanted["filter"];
  readonly afterSequence: number;
  /** Events that are not judged yet, and events that match. */
  readonly countMax: number;
  readonly breathe: Breathe;
}): Feed {
  const { recent, filter, countMax, breathe } = options;
  /** Every matching event after this, up to `judgedUpTo`, is in `matched`. */
  let floor = options.afterSequence;
  let matched: number[] = [];
  let due: number[] = [];
  let isJudging = false;
  let failure: { readonly error: unknown } | undefined;
  const sleepers = new Set<() => void>();

  const judgedUpTo = (): number => (due[0] === undefined ? recent.newest : due[0] - 1);

  function wakeAll(): void {
    for (const wake of sleepers) wake();
    sleepers.clear();
  }

  function tell(sequence: number): void {
    matched.push(sequence);
    if (matched.length > countMax) floor = matched.shift() ?? floor;
    wakeAll();
  }

  function skipTo(sequence: number): void {
    floor = Math.max(floor, sequence);
    matched = [];
    due = [];
    wakeAll();
  }

  function fail(error: unknown): void {
    failure = { error };
    wakeAll();
  }

  /** At its own pace: an expensive filter makes nobody wait who has another one. */
  async function judge(matches: NonNullable<Wanted["filter"]>["matches"]): Promise<void> {
    isJudging = true;
    while (due.length > 0) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const [sequence] = due;
      if (sequence === undefined) continue;
      const event = recent.at(sequence);
      if (event === undefined) {
        skipTo(due.at(-1) ?? sequence);
        continue;
      }
      const wanted = matches(event);
      const isWanted = typeof wanted === "boolean" ? wanted : await wanted;
      // What was skipped meanwhile is in the store.
      if (due[0] !== sequence) continue;
      if (isWanted) tell(sequence);
      due.shift();
    }
    isJudging = false;
  }

  return {
    offer: (event) => {
      const { sequence } = event;
      if (filter === undefined) return tell(sequence);
      if (!isWithinRanges(event, filter.known)) return;
      due.push(sequence);
      if (due.length > countMax) skipTo(sequence);
      else if (!isJudging) void judge(filter.matches).catch(fail);
    },
    placeAfter: (sequence, wake) => {
      let cursor = sequence;
      return {
        next: () => {
          if (failure !== undefined) throw failure.error;
          if (cursor < floor) return "behind";
          const next = firstAfter(matched, cursor);
          if (next === undefined) {
            cursor = Math.max(cursor, judgedUpTo());
            sleepers.add(wake);
            return undefined;
          }
          const event = recent.at(next);
          if (event === undefined) return "behind";
          cursor = next;
          return event;
        },
        get cursor() {
          return cursor;
        },
        leave: () => void sleepers.delete(wake),
      };
    },
    skipTo,
    fail,
  };
}

/** The first number above this one in an ascending list. */
function firstAfter(ascending: readonly number[], number: number): number | undefined {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) <= number) low = middle + 1;
    else high = middle;
  }
  return ascending[low];
}
