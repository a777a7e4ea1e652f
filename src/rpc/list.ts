import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import { answerBytesMax, stretchRowsMax } from "../kernel/limits.ts";
import type { Stretch } from "../kernel/stretch.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page.ts";

/** Resources that one page asks its filter about. One that matches rarely must not make a call read the whole store. */
const askedCountMax = 10_000;

/** Rows that one page looks at, most of which the store passes over by itself: some 0.1 s. */
const lookedCountMax = 500_000;

/** What one page may take, turns of others included. Half of the caller's time, if that is less. */
const pageMsMax: DurationMs = 2_000;

/** Its tag and its length. */
const itemOverheadBytes = 5;

/** The page token, and whatever small an answer has beside its items. */
const restBytesMax = 1024;

/** Something that can be listed. */
export type List<Row> = {
  /** Names the list and what narrows it, so that a page token cannot continue another one. */
  readonly scope: string;
  /** What a place in it looks like. */
  readonly place?: RegExp;
  readonly keyOf: (row: Row) => string;
  /** In the order of the list: what comes after this place, at most so many rows. */
  readonly read: (after: string | undefined, limit: number) => Promise<Stretch<Row, string | number>>;
  /** Undefined: all are wanted. */
  readonly matches: ((row: Row) => boolean | Promise<boolean>) | undefined;
  readonly encode: (row: Row) => Uint8Array;
};

export type PageRequest = { readonly pageSize: number; readonly pageToken: string };

export type PageCaller = { readonly signal: AbortSignal; readonly deadlineMs: TimeMs | undefined };

export type Page = { readonly items: readonly Uint8Array[]; readonly nextPageToken: string };

export type ReadPage = <Row>(list: List<Row>, request: PageRequest, caller: PageCaller) => Promise<Page>;

/**
 * The one way in which lists are answered. A page ends when it is full, by count or by bytes; when enough was looked at, or for long enough;
 * or with the list. All but the last give a token, also if nothing was found. Rejects with the signal's reason.
 */
export function createReadPage({ turns, clock }: { readonly turns: Turns; readonly clock: Pick<Clock, "nowMs"> }): ReadPage {
  return async (list, request, caller) => {
    const { scope, keyOf, matches } = list;
    const found = createItems(pageSize(request.pageSize));
    const isOver = overAfter(clock.nowMs, caller.deadlineMs);
    const breathe = turns(caller.signal);
    let after = decodePageToken(scope, request.pageToken, list.place);
    const pageUpTo = (place: string | undefined): Page => {
      assert(place !== undefined, "a page that ends early has looked at something");
      return { items: found.items, nextPageToken: encodePageToken(scope, place) };
    };
    let asked = 0;
    for (let looked = 0; ; ) {
      const beforeRead = breathe();
      if (beforeRead !== undefined) await beforeRead;
      // One more than there is room for tells whether more follow. How many a filter leaves, nobody knows.
      const stretch = await list.read(after, matches ? stretchRowsMax : Math.min(found.room() + 1, stretchRowsMax));
      for (const row of stretch.rows) {
        const pause = breathe();
        if (pause !== undefined) {
          await pause;
          if (asked > 0 && isOver()) return pageUpTo(after);
        }
        if (found.room() === 0) return pageUpTo(after);
        const wanted = matches?.(row) ?? true;
        if (typeof wanted === "boolean" ? wanted : await wanted) {
          if (!found.add(list.encode(row))) return pageUpTo(after);
        }
        after = keyOf(row);
        asked += 1;
      }
      if (stretch.upTo === undefined) return { items: found.items, nextPageToken: "" };
      after = String(stretch.upTo);
      looked += stretch.looked;
      if (asked >= askedCountMax || looked >= lookedCountMax || isOver()) return pageUpTo(after);
    }
  };
}

function overAfter(nowMs: () => TimeMs, deadlineMs = Number.POSITIVE_INFINITY): () => boolean {
  const startMs = nowMs();
  const endsAtMs = startMs + Math.min(pageMsMax, (deadlineMs - startMs) / 2);
  return () => nowMs() >= endsAtMs;
}

/** The items of a page, while there is room. One always fits: the largest resource has some 0.6 MiB. */
function createItems(countMax: number) {
  const items: Uint8Array[] = [];
  let bytes = restBytesMax;
  return {
    items,
    room: () => countMax - items.length,
    add(item: Uint8Array): boolean {
      bytes += item.length + itemOverheadBytes;
      if (bytes > answerBytesMax) return false;
      items.push(item);
      return true;
    },
  };
}
