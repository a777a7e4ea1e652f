import type { Clock } from "../kernel/clock.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import type { WorkflowEvent } from "./core/types.ts";
import { rangesOf } from "./event-ranges.ts";
import { createFanOut, type FanOut } from "./fan-out.ts";
import type { Place, Wanted } from "./feed.ts";
import { createHeldStretches } from "./held-stretches.ts";
import { heldStretchMs } from "./limits.ts";
import type { EventRanges, WorkflowStore } from "./ports.ts";
import type { RecentBounds } from "./recent-events.ts";

export type WatchMessage =
  /** One at least, in order. */
  | { readonly type: "events"; readonly events: readonly WorkflowEvent[] }
  /** Every matching event up to here has been sent. */
  | { readonly type: "progress"; readonly sequence: number }
  /** The last message: the next event may be one that is not kept any more. */
  | { readonly type: "purged"; readonly oldest: number };

export type WatchOptions = Wanted & {
  readonly afterSequence: number;
  /** Up to here, what was purged is passed over, and what is kept is told: somebody has said so. Not for clients, who must know what they lack. */
  readonly passesPurgedUpTo?: number | undefined;
  /** How often progress is told while nothing else is. */
  readonly progressIntervalMs: DurationMs;
  /** Which of the events that there are now are told together. Unless it is there: each by itself. */
  readonly together?: Together | undefined;
  /** Ends the watch, which throws its reason. */
  readonly signal: AbortSignal;
};

/** Events are told together until they are so large. */
export type Together = { readonly bytesMax: number; readonly bytesOf: (event: WorkflowEvent) => number };

/**
 * Tells of events in the order of their sequence, at the pace of its consumer: from the store until it has caught up, then from what the
 * fan-out has in memory. Whoever is too slow for that reads the store again, so a slow consumer costs no memory, and nothing can be missed
 * or told twice. specs/WorkflowManager.tla: NoEventSkipped.
 */
export type Watch = (options: WatchOptions) => AsyncGenerator<WatchMessage, void>;

/** The watches of one store. */
export function createWatch(dependencies: {
  readonly store: WorkflowStore;
  /** For those that catch up: each step of theirs is a stretch of the store, and there may be thousands. */
  readonly turns: Turns;
  /** For those that have caught up, who do not wait for the others. Unless it is there: the same. */
  readonly liveTurns?: Turns;
  readonly clock: Clock;
  readonly bounds?: RecentBounds;
}): Watch {
  const { store, turns, liveTurns = turns, clock } = dependencies;
  const fanOut = createFanOut({ ...dependencies, turns: liveTurns });
  const hold = createHeldStretches(clock, heldStretchMs);
  return async function* watch(options) {
    const { signal } = options;
    const [breathe, breatheLive] = [turns(signal), liveTurns(signal)];
    const watching = { store, fanOut, hold, breathe, breatheLive, pace: createPace(options, clock), options };
    let cursor = options.afterSequence;
    yield { type: "progress", sequence: cursor };
    watching.pace.sent();
    try {
      for (;;) {
        const place = yield* catchUp(watching, cursor);
        if (place === undefined) return;
        try {
          cursor = yield* keepUp(watching, place);
        } finally {
          place.leave();
        }
      }
    } finally {
      watching.pace.stop();
    }
  };
}

type Watching = {
  readonly store: WorkflowStore;
  readonly fanOut: FanOut;
  readonly hold: ReturnType<typeof createHeldStretches>;
  readonly breathe: Breathe;
  readonly breatheLive: Breathe;
  readonly pace: Pace;
  readonly options: WatchOptions;
};

/** Reads the store until the rest is in memory; then there is a place. None: it has told its end. */
async function* catchUp(watching: Watching, afterSequence: number): AsyncGenerator<WatchMessage, Place | undefined> {
  const { store, fanOut, breathe, breatheLive, pace, options } = watching;
  const { workflowId, filter, passesPurgedUpTo = 0 } = options;
  const gathered = createGathered(options.together);
  const ranges = rangesOf(workflowId, filter?.known);
  let cursor = afterSequence;
  // Most who come, and those who were a little too slow, have caught up with one look.
  for (let breatheNow = breatheLive; ; breatheNow = breathe) {
    const pause = breatheNow();
    if (pause !== undefined) await pause;
    // Read before the page: what comes between the two is found by the next look.
    const { newest } = await store.sequences();
    const { stretch, upTo } = await readStretch(watching, cursor, ranges);
    const { oldest } = await store.sequences();
    if (oldest > Math.max(cursor, passesPurgedUpTo) + 1) {
      stretch.letGo();
      yield { type: "purged", oldest };
      return undefined;
    }
    for (let index = 0; ; index += 1) {
      const pause = breatheNow();
      if (pause !== undefined) await pause;
      const event = stretch.at(index);
      if (event === undefined) break;
      cursor = event.sequence;
      const wanted = filter?.matches(event) ?? true;
      if (typeof wanted === "boolean" ? wanted : await wanted) {
        if (gathered.add(event)) yield* tell(gathered, pace);
      } else if (pace.isDue()) {
        yield* tell(gathered, pace);
        yield { type: "progress", sequence: cursor };
        pace.sent();
      }
    }
    yield* tell(gathered, pace);
    if (!stretch.isHeld) continue;
    stretch.letGo();
    // What is passed over counts as read.
    cursor = upTo ?? Math.max(cursor, newest);
    if (upTo === undefined) {
      const place = fanOut.follow(cursor, options, pace.wake);
      if (place !== undefined) return place;
    }
    if (pace.isDue()) {
      yield { type: "progress", sequence: cursor };
      pace.sent();
    }
  }
}

async function readStretch({ store, hold }: Watching, afterSequence: number, ranges: EventRanges) {
  const { rows, upTo } = await store.listEvents({ afterSequence, limit: stretchRowsMax, ranges });
  return { stretch: hold(rows), upTo };
}

/** Tells what comes, until it has fallen behind; then says how far it has come. */
async function* keepUp({ breatheLive, pace, options }: Watching, place: Place): AsyncGenerator<WatchMessage, number> {
  const gathered = createGathered(options.together);
  for (;;) {
    // Many may have been woken by the same event.
    const pause = breatheLive();
    if (pause !== undefined) await pause;
    let next = place.next();
    while (next !== undefined && next !== "behind" && !gathered.add(next)) next = place.next();
    if (!gathered.isEmpty()) yield* tell(gathered, pace);
    else if (next === "behind") return place.cursor;
    else if (pace.isDue()) {
      yield { type: "progress", sequence: place.cursor };
      pace.sent();
    } else await pace.sleep();
  }
}

type Gathered = ReturnType<typeof createGathered>;

/** What is to be told together. */
function createGathered({ bytesMax, bytesOf }: Together = { bytesMax: 0, bytesOf: () => 1 }) {
  let events: WorkflowEvent[] = [];
  let bytes = 0;
  return {
    isEmpty: () => events.length === 0,
    /** True if it is to be told before another one is added. */
    add: (event: WorkflowEvent): boolean => {
      events.push(event);
      bytes += bytesOf(event);
      return bytes > bytesMax;
    },
    take: (): readonly WorkflowEvent[] => {
      const taken = events;
      events = [];
      bytes = 0;
      return taken;
    },
  };
}

function* tell(gathered: Gathered, pace: Pace): Generator<WatchMessage, void> {
  if (gathered.isEmpty()) return;
  yield { type: "events", events: gathered.take() };
  pace.sent();
}

type Pace = ReturnType<typeof createPace>;

/** When progress is due. One timer an interval, not one an event. */
function createPace({ progressIntervalMs, signal }: WatchOptions, { monotonicMs, setTimer }: Clock) {
  let sentMs = monotonicMs();
  let cancel: (() => void) | undefined;
  let resume = (): void => {};
  const leftMs = (): DurationMs => sentMs + progressIntervalMs - monotonicMs();
  const wake = (): void => resume();
  const ring = (): void => {
    cancel = undefined;
    wake();
  };
  signal.addEventListener("abort", wake);
  return {
    wake,
    sent: (): void => {
      sentMs = monotonicMs();
    },
    isDue: (): boolean => leftMs() <= 0,
    /** Until it is woken, progress is due, or the watch ends. */
    sleep: (): Promise<void> => {
      if (signal.aborted) return Promise.resolve();
      cancel ??= setTimer(Math.max(0, leftMs()), ring);
      return new Promise((resolve) => {
        resume = resolve;
      });
    },
    stop: (): void => {
      cancel?.();
      signal.removeEventListener("abort", wake);
    },
  };
}
