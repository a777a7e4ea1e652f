import type { DurationMs } from "../../kernel/time.ts";

/** Who waits in a line. */
export type Waiting = {
  /** On the monotonic clock. An answer after this is of no use. */
  readonly answerByMs: DurationMs;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
};

export type LineLimits = {
  readonly perCallMax: number;
  /** Of all in one call; a larger one goes alone. */
  readonly callBytesMax: number;
  readonly callsUnderWayMax: number;
  /** How many may be under way at once: as few as `windowMin` while answers are slow, at most `windowMax`. */
  readonly windowMin: number;
  readonly windowMax: number;
  readonly waitingCountMax: number;
};

/** What leaves the line: to be sent as one call; or too late to be answered in time; or given up by its caller. */
export type Leaving<Item> = { readonly batch: readonly Item[]; readonly late: readonly Item[]; readonly left: readonly Item[] };

export type WaitingLine<Item extends Waiting> = ReturnType<typeof createWaitingLine<Item>>;

/** A newer measurement counts this much: a few of them, and the estimate has followed. */
const newestShare = 0.25;

/**
 * Who waits to be asked about, in the order of coming. Who cannot be answered in time is refused when it comes, so that nothing is spent
 * on it: waiting is estimated from how fast answers have come since the line has been waiting. That estimate ends with the line, so one
 * bad moment refuses nobody later.
 *
 * How many are under way follows the answers: fewer when they take more than half of `timeoutMs`, more while they take less than a
 * quarter. So the queue stands here, where it is seen, and not behind a server that is slow.
 */
export function createWaitingLine<Item extends Waiting>(
  limits: LineLimits,
  timeoutMs: DurationMs,
  /** Asked only of those that go. */
  bytesOf: (item: Item) => number,
) {
  const { perCallMax, callBytesMax, callsUnderWayMax, windowMin, windowMax, waitingCountMax } = limits;
  let waiting: Item[] = [];
  let underWay = 0;
  let callsUnderWay = 0;
  let window = windowMax;
  let narrowedAtMs = Number.NEGATIVE_INFINITY;
  let lastAnsweredMs = Number.NEGATIVE_INFINITY;
  /** Both unknown while nobody has to wait. */
  let msPerItem: DurationMs | undefined;
  let callMs: DurationMs | undefined;

  function adapt(count: number, sentMs: DurationMs, nowMs: DurationMs): void {
    const tookMs = nowMs - sentMs;
    // Once for all calls that were under way together.
    if (tookMs > timeoutMs / 2 && sentMs >= narrowedAtMs) {
      window = Math.max(windowMin, Math.floor(window / 2));
      narrowedAtMs = nowMs;
    } else if (tookMs < timeoutMs / 4 && waiting.length > 0) {
      window = Math.min(windowMax, window + count);
    }
  }

  return {
    get length() {
      return waiting.length;
    },

    /** Lets it wait; or says after how long it may come again. */
    enter(item: Item, nowMs: DurationMs): DurationMs | undefined {
      const waitMs = waiting.length * (msPerItem ?? 0);
      const isLate = nowMs + waitMs + (callMs ?? 0) > item.answerByMs;
      if (waiting.length >= waitingCountMax || isLate) return waitMs;
      waiting.push(item);
      return undefined;
    },

    /** The next call, if one may be sent now. It is under way until `answered`. */
    next(nowMs: DurationMs): Leaving<Item> | undefined {
      const room = Math.min(perCallMax, Math.ceil(window / callsUnderWayMax), window - underWay);
      if (waiting.length === 0 || callsUnderWay >= callsUnderWayMax || room <= 0) return undefined;
      const batch: Item[] = [];
      const late: Item[] = [];
      const left: Item[] = [];
      let bytes = 0;
      let taken = 0;
      for (; taken < waiting.length && batch.length < room; taken += 1) {
        const item = waiting[taken] as Item;
        if (item.signal.aborted) left.push(item);
        else if (nowMs + (callMs ?? 0) > item.answerByMs) late.push(item);
        else {
          bytes += bytesOf(item);
          if (bytes > callBytesMax && batch.length > 0) break;
          batch.push(item);
        }
      }
      waiting = waiting.slice(taken);
      if (waiting.length === 0) {
        msPerItem = undefined;
        callMs = undefined;
      }
      if (batch.length > 0) {
        underWay += batch.length;
        callsUnderWay += 1;
      }
      return { batch, late, left };
    },

    /** The call with so many is over; `nowMs` is undefined if it tells nothing about how fast answers come. */
    answered(count: number, sentMs: DurationMs, nowMs: DurationMs | undefined): void {
      underWay -= count;
      callsUnderWay -= 1;
      if (nowMs === undefined) return;
      adapt(count, sentMs, nowMs);
      if (waiting.length > 0) {
        msPerItem = smoothed(msPerItem, (nowMs - Math.max(lastAnsweredMs, sentMs)) / count);
        callMs = smoothed(callMs, nowMs - sentMs);
      }
      lastAnsweredMs = nowMs;
    },
  };
}

function smoothed(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + (newest - before) * newestShare;
}
