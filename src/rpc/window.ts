import { type Entry, Roster } from "../kernel/roster.ts";
import type { DurationMs } from "../kernel/time.ts";
import { agedMs, idleShareWanted } from "./limits.ts";

/** A call that has begun, until it is answered. */
export type Begun = { readonly atMs: DurationMs; readonly isWhole: () => boolean };

/**
 * How many calls of one method have begun at a time. As long as the event loop has idle time, all that come; when it has none, more at a time
 * would make none of them faster: each would only be in memory for longer, and be copied by each collection of garbage. So calls that came
 * then wait before they are read. What waits for somebody else, for participants or for an engine elsewhere, leaves the loop idle, and so holds
 * nobody back. What has been under way for long is not counted any more, as it waits for somebody else, whatever else the loop has to do; nor
 * is a call whose request has still not come whole.
 */
export type Window = ReturnType<typeof createWindow>;

/** How fast room is made is measured over so many calls, or over this time. */
const measuredCount = 16;
const measuredMs: DurationMs = 1_000;

/** How much the newest measurement counts: a few of them, and the estimate has followed. */
const newestShare = 0.25;

export function createWindow(sizeMin: number) {
  let size = sizeMin;
  /** In the order in which they began. */
  const young = new Roster<Begun>();
  /** Those that have ended, or do not count any more, since the last measurement. */
  let left = 0;
  let passedMs = 0;
  /** Unknown while nobody waits. */
  let leftPerMs: number | undefined;

  function measureAnew(): void {
    [left, passedMs, leftPerMs] = [0, 0, undefined];
  }

  function measure(tookMs: DurationMs): void {
    passedMs += tookMs;
    if (left < measuredCount && passedMs < measuredMs) return;
    const newest = left / passedMs;
    leftPerMs = leftPerMs === undefined ? newest : leftPerMs + (newest - leftPerMs) * newestShare;
    [left, passedMs] = [0, 0];
  }

  function leave(entry: Entry<Begun>): void {
    if (young.leave(entry)) left += 1;
  }

  return {
    measureAnew,

    hasRoom: (): boolean => young.size < size,

    begin: (begun: Begun): Entry<Begun> => young.enter(begun),

    /** `isAnswered`: somebody has heard of it. What was given up says nothing about how fast calls are answered. */
    end(entry: Entry<Begun>, isAnswered: boolean): void {
      if (young.leave(entry) && isAnswered) left += 1;
    },

    /** Follows what has been since the last look, at which share of the time the loop was idle. Returns whether there is anything to look at. */
    look(nowMs: DurationMs, tookMs: DurationMs, idleShare: number, waitingCount: number): boolean {
      for (const entry of young.entries()) {
        const ageMs = nowMs - (entry.member?.atMs ?? nowMs);
        if (ageMs < tookMs) break;
        if (ageMs >= agedMs || entry.member?.isWhole() === false) leave(entry);
      }
      const change = 1 + idleShare - idleShareWanted;
      if (change < 1) size = Math.max(sizeMin, Math.floor(Math.min(size, young.size) * change));
      else if (waitingCount > 0) size = Math.ceil(size * change);
      if (waitingCount > 0) measure(tookMs);
      else measureAnew();
      return waitingCount > 0 || young.size > sizeMin;
    },

    /** After how long a call begins before which so many wait, and how long it takes then, as far as that is known. */
    forecast(waitingCount: number): { readonly waitMs: DurationMs; readonly serviceMs: DurationMs } {
      if (leftPerMs === undefined || leftPerMs === 0) return { waitMs: 0, serviceMs: 0 };
      // Little's law.
      return { waitMs: waitingCount / leftPerMs, serviceMs: young.size / leftPerMs };
    },
  };
}
