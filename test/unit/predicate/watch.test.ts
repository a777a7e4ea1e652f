import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { stretchRowsMax } from "../../../src/kernel/limits.ts";
import type { RuleSetChange } from "../../../src/predicate/core/types.ts";
import { watchChanges } from "../../../src/predicate/watch.ts";
import { fakeClock, settled } from "../../support/fake-clock.ts";
import { pausing } from "../../support/pausing.ts";

/** A watch of a history that grows, and what it has told so far. */
function watchOf(count: number, afterSequence = 0) {
  const clock = fakeClock();
  const leaving = new AbortController();
  const told: string[] = [];
  const world = {
    ...{ count, reads: 0, isReadable: Promise.resolve(), isFollowed: false, clock, told, end: "" },
    leave: () => leaving.abort(new Error("left")),
    /** How many wait for the end of the caller. */
    listeners: () => getEventListeners(leaving.signal, "abort").length,
  };
  let ring = (): void => {};
  const engine = {
    async changesAfter({ sequence, limit }: { readonly sequence: number; readonly limit: number }) {
      world.reads += 1;
      const behind = Array.from({ length: world.count }, (_, index) => index + 1).filter((each) => each > sequence);
      const rows = behind.slice(0, limit).map((each) => ({ sequence: each }) as RuleSetChange);
      await world.isReadable;
      return { rows, upTo: undefined };
    },
    onChange(callback: () => void) {
      ring = callback;
      world.isFollowed = true;
      return () => {
        world.isFollowed = false;
      };
    },
  };
  const turns = pausing()();
  const breathe = () => {
    leaving.signal.throwIfAborted();
    return turns();
  };
  const options = { afterSequence, progressIntervalMs: 1_000, breathe, clock, signal: leaving.signal };
  const ended = (async () => {
    for await (const message of watchChanges(engine as never, options))
      told.push(message.type === "change" ? `change ${message.change.sequence}` : `progress ${message.sequence}`);
  })().catch((error: unknown) => {
    world.end = String(error);
  });
  return Object.assign(world, {
    ended,
    add() {
      world.count += 1;
      ring();
    },
    ring: () => ring(),
  });
}

test("a watch begins by saying from where, tells each change once, and waits for the next without looking", async () => {
  const world = watchOf(2);
  await settled();
  expect(world.told).toEqual(["progress 0", "change 1", "change 2"]);
  const { reads } = world;
  await world.clock.pass(999);
  expect([world.reads, world.clock.waiting()]).toEqual([reads, [1]]);
  world.add();
  await settled();
  expect(world.told.slice(3)).toEqual(["change 3"]);
  expect(world.clock.waiting()).toEqual([1_000]);
  world.leave();
  await world.ended;
});

test("what is told while nothing changes is how far it has come, once an interval", async () => {
  const world = watchOf(3, 2);
  await settled();
  await world.clock.pass(2_000);
  expect(world.told).toEqual(["progress 2", "change 3", "progress 3", "progress 3"]);
  // One that is woken for nothing, since another watch has read it already, says nothing.
  world.ring();
  await settled();
  expect(world.told.length).toBe(4);
  world.leave();
  await world.ended;
});

test("a long history is told in stretches, without a pause for progress", async () => {
  const world = watchOf(2 * stretchRowsMax);
  while (world.told.length <= 2 * stretchRowsMax) await settled();
  expect(world.told.filter((each) => each.startsWith("progress"))).toEqual(["progress 0"]);
  expect(world.told.at(-1)).toBe(`change ${2 * stretchRowsMax}`);
  world.leave();
  await world.ended;
});

test("a change that comes while the store is read is not slept through", async () => {
  const world = watchOf(0);
  await settled();
  const read = Promise.withResolvers<void>();
  world.isReadable = read.promise;
  world.ring();
  await settled();
  world.add();
  read.resolve();
  await settled();
  expect(world.told).toEqual(["progress 0", "change 1"]);
  world.leave();
  await world.ended;
});

test("who leaves ends it at once, and nothing is left behind: no timer, nobody who is told", async () => {
  const world = watchOf(1);
  await settled();
  expect(world.isFollowed).toBe(true);
  world.leave();
  await world.ended;
  expect([world.end, world.isFollowed, world.clock.waiting(), world.listeners()]).toEqual(["Error: left", false, [], 0]);

  const early = watchOf(1);
  early.leave();
  await early.ended;
  expect([early.end, early.isFollowed]).toEqual(["Error: left", false]);
});
