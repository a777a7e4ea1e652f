import { type Clock, nextTurn } from "../kernel/clock.ts";
import type { TransactionId } from "../kernel/ids.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import type { Transaction } from "./core/types.ts";

/** Which transactions are wanted. Undefined: each one. The same text means the same. */
export type Wanted = { readonly text: string; readonly matches: (transaction: Transaction) => boolean } | undefined;

/** Why a listener hears nothing more. */
type ListenerEnd = { readonly type: "too-slow" } | { readonly type: "defect"; readonly error: unknown };

/** One who hears of changes, at its own pace. */
export type Listener = {
  /** The transaction that changed first of those that wait, as it is now: a change moves it to the end. */
  take(): Transaction | undefined;
  /** True if this one comes yet. */
  awaits(id: TransactionId): boolean;
  /** True if nothing waits. */
  isCurrent(): boolean;
  readonly end: ListenerEnd | undefined;
  leave(): void;
};

/** Those who hear of every change of every transaction. */
export type Changes = {
  tell(transaction: Transaction): void;
  /** Of more than `countMax` that wait, none is told. `wake` is called when there is something to take, or it has ended. */
  listen(options: { readonly wanted: Wanted; readonly countMax: number; readonly wake: () => void }): Listener;
};

/** By id, in the order of the last change: nobody waits behind one busy transaction. */
type Waiting = Map<TransactionId, Transaction>;

/** Those who want the same: a change is judged once for them all, and whoever made it does not wait for that. */
type Feed = {
  readonly wanted: Wanted;
  readonly due: Waiting;
  readonly members: Set<Member>;
  countMax: number;
  isJudging: boolean;
};

type Member = { readonly waiting: Waiting; readonly countMax: number; readonly wake: () => void; end: ListenerEnd | undefined };

export function createChanges({ turns, clock }: { readonly turns: Turns; readonly clock: Clock }): Changes {
  const feeds = new Map<string | undefined, Feed>();
  const breathe = turns();
  return {
    tell: (transaction) => {
      for (const feed of feeds.values()) {
        put(feed.due, transaction);
        if (feed.due.size > feed.countMax) endAll(feed, { type: "too-slow" });
        else if (!feed.isJudging) void judge(feed, breathe, clock);
      }
    },
    listen: ({ wanted, countMax, wake }) => {
      const key = wanted?.text;
      const feed: Feed = feeds.get(key) ?? { wanted, due: new Map(), members: new Set(), countMax, isJudging: false };
      feed.countMax = Math.max(feed.countMax, countMax);
      feeds.set(key, feed);
      const member: Member = { waiting: new Map(), countMax, wake, end: undefined };
      feed.members.add(member);
      return {
        take: () => takeFirst(member.waiting),
        awaits: (id) => member.waiting.has(id) || feed.due.has(id),
        isCurrent: () => member.waiting.size === 0 && feed.due.size === 0,
        get end() {
          return member.end;
        },
        leave: () => {
          feed.members.delete(member);
          if (feed.members.size > 0 || feeds.get(key) !== feed) return;
          feeds.delete(key);
          feed.due.clear();
        },
      };
    },
  };
}

async function judge(feed: Feed, breathe: Breathe, clock: Clock): Promise<void> {
  const { wanted, due, members } = feed;
  feed.isJudging = true;
  // Of changes that follow each other quickly, the newest is enough; and whoever made them goes first.
  await nextTurn(clock);
  while (due.size > 0) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const next = takeFirst(due);
    if (next === undefined) continue;
    try {
      const isWanted = wanted === undefined || wanted.matches(next);
      for (const member of members) hand(member, next, isWanted);
    } catch (error) {
      endAll(feed, { type: "defect", error });
    }
  }
  feed.isJudging = false;
}

function endAll({ due, members }: Feed, why: ListenerEnd): void {
  due.clear();
  for (const member of members) end(member, why);
}

function end(member: Member, why: ListenerEnd): void {
  member.end ??= why;
  member.waiting.clear();
  member.wake();
}

/** What waits as it was before is not told any more, also if what it has become is not wanted. */
function hand(member: Member, transaction: Transaction, isWanted: boolean): void {
  const { waiting, countMax, wake } = member;
  if (member.end) return;
  waiting.delete(transaction.id);
  if (!isWanted) return;
  waiting.set(transaction.id, transaction);
  if (waiting.size > countMax) end(member, { type: "too-slow" });
  else wake();
}

function put(waiting: Waiting, transaction: Transaction): void {
  waiting.delete(transaction.id);
  waiting.set(transaction.id, transaction);
}

function takeFirst(waiting: Waiting): Transaction | undefined {
  const next = waiting.values().next().value;
  if (next) waiting.delete(next.id);
  return next;
}
