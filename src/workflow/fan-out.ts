import { type Clock, nextTurn } from "../kernel/clock.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import type { Turns } from "../kernel/turns.ts";
import { createFeed, type Feed, type Place, type Wanted } from "./feed.ts";
import { recentBytesMax, recentCountMax } from "./limits.ts";
import type { WorkflowStore } from "./ports.ts";
import { createRecentEvents, type RecentBounds } from "./recent-events.ts";

/** Reads what comes once for all watches that have caught up, and hands each event to those that want it. */
export type FanOut = {
  /**
   * A place after this sequence, up to which the watch has read by itself. Nothing, if what follows is not in memory: then it reads on.
   * `wake` is called when there may be more.
   */
  follow(afterSequence: number, wanted: Wanted, wake: () => void): Place | undefined;
};

type Followed = { readonly wanted: Wanted; readonly feed: Feed; placeCount: number };

export function createFanOut(options: {
  readonly store: WorkflowStore;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly bounds?: RecentBounds;
}): FanOut {
  const { store, turns, clock, bounds = { countMax: recentCountMax, bytesMax: recentBytesMax } } = options;
  const recent = createRecentEvents(bounds);
  const breathe = turns();
  /** By workflow, undefined being all of them; then by filter. */
  const feeds = new Map<WorkflowId | undefined, Map<string | undefined, Followed>>();
  let unsubscribe: (() => void) | undefined;
  let isReading = false;
  let hasMore = false;

  const feedsOf = (workflowId: WorkflowId | undefined): Iterable<Followed> => feeds.get(workflowId)?.values() ?? [];

  function* allFeeds(): Iterable<Feed> {
    for (const byFilter of feeds.values()) for (const { feed } of byFilter.values()) yield feed;
  }

  /** Also what came between the watch's last look at the store and now, of which nobody tells. */
  function lookForMore(): void {
    hasMore = true;
    if (isReading) return;
    isReading = true;
    void readOn()
      .catch(failAll)
      .finally(() => {
        isReading = false;
        if (hasMore && feeds.size > 0) lookForMore();
      });
  }

  async function readOn(): Promise<void> {
    // Those whose events these are have their answers first.
    await nextTurn(clock);
    while (hasMore && feeds.size > 0) {
      hasMore = false;
      while (await readStretch());
    }
  }

  /** True if there may be another one. */
  async function readStretch(): Promise<boolean> {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const afterSequence = recent.newest;
    const { rows: events, upTo } = await store.listEvents({ afterSequence, limit: stretchRowsMax });
    const [first] = events;
    // Nobody follows any more, or somebody does again.
    if (first === undefined || recent.newest !== afterSequence) return false;
    for (const event of events) {
      if (event.sequence > recent.newest + 1) skipTo(event.sequence - 1);
      recent.add(event);
      for (const { feed } of feedsOf(event.workflowId)) feed.offer(event);
      for (const { feed } of feedsOf(undefined)) feed.offer(event);
    }
    return upTo !== undefined;
  }

  /** What was purged before it was read: each watch that has not told it meets its end in the store. */
  function skipTo(sequence: number): void {
    recent.restart(sequence);
    for (const feed of allFeeds()) feed.skipTo(sequence);
  }

  function failAll(error: unknown): void {
    const failed = [...allFeeds()];
    endFollowing();
    for (const feed of failed) feed.fail(error);
  }

  function beginFollowing(afterSequence: number): void {
    recent.restart(afterSequence);
    unsubscribe = store.onAppend(lookForMore);
  }

  function endFollowing(): void {
    feeds.clear();
    unsubscribe?.();
    unsubscribe = undefined;
  }

  /** Of what was read already, a new feed takes what follows its first place. */
  function addFeed(afterSequence: number, wanted: Wanted): Followed {
    const feed = createFeed({ recent, filter: wanted.filter, afterSequence, countMax: bounds.countMax, breathe });
    const workflowId = onlyWorkflow(wanted);
    for (let sequence = afterSequence + 1; sequence <= recent.newest; sequence += 1) {
      const event = recent.at(sequence);
      if (event && (workflowId === undefined || event.workflowId === workflowId)) feed.offer(event);
    }
    const followed = { wanted, feed, placeCount: 0 };
    const byFilter = feeds.get(workflowId) ?? new Map<string | undefined, Followed>();
    feeds.set(workflowId, byFilter.set(wanted.filter?.text, followed));
    return followed;
  }

  /** The last one that leaves a feed takes it along. */
  function leave(followed: Followed): void {
    followed.placeCount -= 1;
    const workflowId = onlyWorkflow(followed.wanted);
    const key = followed.wanted.filter?.text;
    const byFilter = feeds.get(workflowId);
    if (followed.placeCount > 0 || byFilter?.get(key) !== followed) return;
    byFilter.delete(key);
    if (byFilter.size === 0) feeds.delete(workflowId);
    if (feeds.size === 0) endFollowing();
  }

  return {
    follow: (afterSequence, wanted, wake) => {
      if (feeds.size === 0) beginFollowing(afterSequence);
      const isInMemory = afterSequence >= recent.newest || recent.at(afterSequence + 1) !== undefined;
      if (!isInMemory) return undefined;
      const followed = feeds.get(onlyWorkflow(wanted))?.get(wanted.filter?.text) ?? addFeed(afterSequence, wanted);
      const place = followed.feed.placeAfter(afterSequence, wake);
      followed.placeCount += 1;
      lookForMore();
      return {
        next: () => place.next(),
        get cursor() {
          return place.cursor;
        },
        leave: () => {
          place.leave();
          leave(followed);
        },
      };
    },
  };
}

/** A filter can name it, too. */
function onlyWorkflow({ workflowId, filter }: Wanted): WorkflowId | undefined {
  const [named, ...others] = filter?.known.workflowId?.oneOf ?? [];
  return workflowId ?? (others.length === 0 ? (named as WorkflowId | undefined) : undefined);
}
