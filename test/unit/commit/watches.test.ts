import { describe, expect, test } from "vitest";
import { createChanges, type Wanted } from "../../../src/commit/changes.ts";
import type { Phase, Transaction } from "../../../src/commit/core/types.ts";
import type { CoordinatorEnd, EndSignal } from "../../../src/commit/ends.ts";
import { type WatchAllOptions, watchRuns } from "../../../src/commit/watches.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { loopHoldMsMax, sliceMs } from "../../../src/kernel/limits.ts";
import type { Turns } from "../../../src/kernel/turns.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { unhurried } from "../../support/unhurried.ts";
import { begun, world as coordinatorWorld, flush, tx, virtualClock } from "./support.ts";

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const transaction = (name: string, phase: Phase = "PREPARING"): Transaction => ({
  ...begun(["a", "b"]).transaction,
  id: tx(name),
  phase,
});

/** A coordinator, as far as its watches see it. */
function world({ unfinished = 0, turns = unhurried }: { readonly unfinished?: number; readonly turns?: Turns } = {}) {
  const clock = virtualClock();
  const changes = createChanges({ turns, clock });
  const byId = new Map<TransactionId, { view: Transaction }>();
  const ending = new AbortController();
  const show = (view: Transaction): void => {
    if (view.phase === "COMPLETED") byId.delete(view.id);
    else byId.set(view.id, { view });
    changes.tell(view);
  };
  for (let index = 1; index <= unfinished; index += 1) show(transaction(`t${index}`));
  const watched = {
    changes,
    clock,
    turns,
    ownership: { ended: ending.signal as EndSignal<CoordinatorEnd> },
    runs: { byId, areAll: true },
  };
  return {
    clock,
    changes,
    show,
    watch: (options: Partial<WatchAllOptions> = {}) =>
      watchRuns(watched, { wanted: undefined, progressIntervalMs: 1_000, signal: new AbortController().signal, ...options }),
  };
}

type Watch = ReturnType<ReturnType<typeof world>["watch"]>;

/** Of the next message: `t1 PREPARING`, or until when it is told. */
async function next(watch: Watch): Promise<string> {
  const { value, done } = await watch.next();
  if (done) return value.type;
  return value.type === "transaction"
    ? `${value.transaction.id} ${value.transaction.phase}`
    : `progress ${value.asOfMs ?? "none"}`;
}

/** What is told until nothing waits. */
async function toldUntilCurrent(watch: Watch): Promise<readonly string[]> {
  for (const told: string[] = []; ; ) {
    const message = await next(watch);
    if (message.startsWith("progress") && message !== "progress none") return told;
    told.push(message);
  }
}

const wanting = (text: string, matches: (transaction: Transaction) => boolean): Wanted => ({ text, matches });

describe("progress", () => {
  test("comes first, again when what is not over was told, and then in its interval while nothing else is told", async () => {
    const { watch, clock, show } = world({ unfinished: 1 });
    const told = watch();
    expect(await next(told)).toBe("progress none");
    expect(await next(told)).toBe("t1 PREPARING");
    expect(await next(told)).toBe(`progress ${clock.nowMs()}`);
    const third = next(told);
    await clock.advance(999);
    show(transaction("t2", "INIT"));
    expect(await third).toBe("t2 INIT");
    const later = next(told);
    await clock.advance(1_000);
    expect(await later).toBe(`progress ${clock.nowMs()}`);
  });

  test("comes at once if nothing matches, and while many are looked at of which none does", async () => {
    const { watch, clock } = world({ unfinished: 10 });
    const none = wanting("none", () => {
      clock.stall(300);
      return false;
    });
    const told = await toldUntilCurrent(watch({ wanted: none }));
    expect(told).toEqual(["progress none", "progress none", "progress none"]);
  });
});

describe("what is not over", () => {
  test("is looked at when it is told: each once, as it is by then", async () => {
    const { watch, show } = world({ unfinished: 5 });
    const told = watch();
    expect(await next(told)).toBe("progress none");
    expect(await next(told)).toBe("t1 PREPARING");
    // Before, just now, and after it was told.
    show(transaction("t3", "COMMITTING"));
    show(transaction("t4", "COMPLETED"));
    show(transaction("t1", "COMMITTING"));
    show(transaction("t6", "INIT"));
    show(transaction("t3", "COMPLETED"));
    const rest = await toldUntilCurrent(told);
    expect(rest.slice(0, 2)).toEqual(["t2 PREPARING", "t5 PREPARING"]);
    expect(rest.slice(2)).toEqual(["t4 COMPLETED", "t1 COMMITTING", "t6 INIT", "t3 COMPLETED"]);
  });

  test("is looked at in slices, and not at all before it is read", async () => {
    const loop = { nowMs: 0, turnBeganMs: 0, longestMs: 0 };
    const turns = createTurns({
      monotonicMs: () => loop.nowMs,
      nextTurn: (run) =>
        void setImmediate(() => {
          loop.turnBeganMs = loop.nowMs;
          run();
        }),
      afterwards: (run) => process.nextTick(run),
    });
    const { watch } = world({ unfinished: 30_000, turns });
    let looked = 0;
    const none = wanting("none", () => {
      looked += 1;
      loop.nowMs += 1;
      loop.longestMs = Math.max(loop.longestMs, loop.nowMs - loop.turnBeganMs);
      return false;
    });
    const stop = new AbortController();
    const told = watch({ wanted: none, signal: stop.signal });
    expect(await next(told)).toBe("progress none");
    expect(looked).toBe(0);
    const rest = next(told);
    await turn();
    await turn();
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThanOrEqual(3 * sliceMs);
    expect(await rest).toMatch(/^progress \d/);
    expect(looked).toBe(30_000);
    expect(loop.longestMs).toBeLessThanOrEqual(loopHoldMsMax);

    const leaving = watch({ wanted: none, signal: stop.signal });
    await next(leaving);
    const end = next(leaving);
    await turn();
    stop.abort();
    const before = looked;
    expect(await end).toBe("caller-left");
    expect(looked).toBe(before);
  });
});

describe("a change", () => {
  test("is judged once for all that have the same filter, and wakes nobody who does not want it", async () => {
    const { changes } = world();
    let judged = 0;
    let woken = 0;
    const wanted = () =>
      wanting("committing", ({ phase }) => {
        judged += 1;
        return phase === "COMMITTING";
      });
    const wake = (): void => {
      woken += 1;
    };
    const listeners = Array.from({ length: 100 }, () => changes.listen({ wanted: wanted(), countMax: 10, wake }));
    for (let index = 0; index < 5; index += 1) changes.tell(transaction(`t${index}`));
    await flush();
    expect([judged, woken]).toEqual([5, 0]);
    changes.tell(transaction("t1", "COMMITTING"));
    await flush();
    expect([judged, woken]).toEqual([6, 100]);
    for (const listener of listeners) expect(listener.take()).toMatchObject({ id: "t1", phase: "COMMITTING" });
  });

  test("is judged at the pace of its filter: whoever made it does not wait, nor who has another filter", async () => {
    const nextTurn = (): Promise<void> => turn();
    const { changes } = world({ turns: () => nextTurn });
    let judged = 0;
    const options = { countMax: 1_000, wake: () => {} };
    const slow = changes.listen({
      ...options,
      wanted: wanting("slow", () => {
        judged += 1;
        return true;
      }),
    });
    const all = changes.listen({ ...options, wanted: undefined });
    for (let index = 0; index < 20; index += 1) changes.tell(transaction(`t${index}`));
    expect(judged).toBe(0);
    expect(slow.isCurrent()).toBe(false);
    expect(slow.awaits(tx("t19"))).toBe(true);
    while (!slow.isCurrent()) {
      await turn();
      while (slow.take());
      while (all.take());
    }
    expect(judged).toBe(20);
    expect(all.isCurrent()).toBe(true);
  });

  test("that follows another in the same turn of the loop is judged and told as one with it", async () => {
    const { watch, show } = world();
    const told = watch();
    await toldUntilCurrent(told);
    const first = next(told);
    for (const phase of ["INIT", "PREPARING", "COMMITTING"] as const) {
      show(transaction("t1", phase));
      for (let i = 0; i < 10; i += 1) await Promise.resolve();
    }
    expect(await first).toBe("t1 COMMITTING");
  });

  test("takes the place of the one that waits, also if it is not wanted any more", async () => {
    const { changes } = world();
    const preparing = wanting("preparing", ({ phase }) => phase === "PREPARING");
    const listener = changes.listen({ wanted: preparing, countMax: 10, wake: () => {} });
    for (const name of ["t1", "t2", "t3"]) changes.tell(transaction(name));
    changes.tell(transaction("t1"));
    changes.tell(transaction("t2", "COMMITTING"));
    await flush();
    expect([listener.take()?.id, listener.take()?.id, listener.take()]).toEqual(["t3", "t1", undefined]);
  });

  // A slow reader of what is in doubt would be shown, as in doubt, what is over.
  test("that waits to be taken is not told any more once it has become what is not wanted", async () => {
    const { changes } = world();
    const preparing = wanting("preparing", ({ phase }) => phase === "PREPARING");
    const listener = changes.listen({ wanted: preparing, countMax: 10, wake: () => {} });
    changes.tell(transaction("t1"));
    await flush();
    expect([listener.isCurrent(), listener.awaits(tx("t1"))]).toEqual([false, true]);
    changes.tell(transaction("t1", "COMPLETED"));
    await flush();
    expect([listener.isCurrent(), listener.take()]).toEqual([true, undefined]);
  });

  test("is not kept for nobody", async () => {
    const { changes } = world();
    let judged = 0;
    const wanted = wanting("any", () => {
      judged += 1;
      return true;
    });
    const listener = changes.listen({ wanted, countMax: 10, wake: () => {} });
    listener.leave();
    changes.tell(transaction("t1"));
    await flush();
    expect(judged).toBe(0);
  });
});

describe("more than may wait", () => {
  test.each([
    { what: "for a slow reader", turns: unhurried },
    { what: "for a slow filter", turns: (() => turn) as Turns },
  ])("$what end its watch", async ({ turns }) => {
    const { changes } = world({ turns });
    let woken = 0;
    const wake = (): void => {
      woken += 1;
    };
    const listener = changes.listen({ wanted: undefined, countMax: 10, wake });
    for (let index = 0; index < 11; index += 1) changes.tell(transaction(`t${index}`));
    await flush();
    expect(listener.end).toEqual({ type: "too-slow" });
    expect(listener.take()).toBeUndefined();
    expect(woken).toBeGreaterThan(0);
  });

  test("are not the changes of one", async () => {
    const { changes } = world();
    const listener = changes.listen({ wanted: undefined, countMax: 1, wake: () => {} });
    for (let index = 0; index < 100; index += 1) changes.tell(transaction("t1"));
    await flush();
    expect(listener.end).toBeUndefined();
  });
});

// Whoever waits for the end by a watch would hear the end of the watch, and never that of the transaction.
test("a slow reader of one transaction is told that it is completed, though it was over before the reader came again", async () => {
  const w = coordinatorWorld();
  await w.start();
  const { driver } = w.coordinator();
  const a = await w.participant("a");
  await w.participant("b");
  const committing = Promise.withResolvers<void>();
  const { commit } = a.resource;
  a.resource.commit = async (work) => {
    await committing.promise;
    return commit(work);
  };
  const { id } = await w.run(["a", "b"]);
  await flush();
  const told = driver.watch(id, new AbortController().signal);
  expect(await told.next()).toMatchObject({ value: { phase: "COMMITTING" } });
  committing.resolve();
  await flush();
  expect((await w.log.get(id))?.phase).toBe("COMPLETED");
  expect(await told.next()).toMatchObject({ done: false, value: { phase: "COMPLETED" } });
  expect(await told.next()).toEqual({ done: true, value: { type: "over" } });
});

test("a filter that fails is a defect of that watch, and is asked nothing more", async () => {
  const { watch, show } = world();
  let asked = 0;
  const broken = watch({
    wanted: wanting("broken", () => {
      asked += 1;
      throw new Error("a defect");
    }),
  });
  await toldUntilCurrent(broken);
  const failing = next(broken);
  await flush();
  for (const name of ["t1", "t2", "t3"]) show(transaction(name));
  await expect(failing).rejects.toThrow("a defect");
  await flush();
  expect(asked).toBe(1);
});
