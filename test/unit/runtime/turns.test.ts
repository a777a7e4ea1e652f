import { describe, expect, test } from "vitest";
import { sliceMs } from "../../../src/kernel/limits.ts";
import { createTurns } from "../../../src/runtime/turns.ts";

/** A loop whose turns and time pass when the test says so. Work takes the time that it says. */
function world() {
  let nowMs = 1000;
  let next: (() => void)[] = [];
  const turns = createTurns({
    monotonicMs: () => nowMs,
    nextTurn: (run) => void next.push(run),
  });
  const done: string[] = [];
  return {
    turns,
    done,
    pass: (ms: number): void => {
      nowMs += ms;
    },
    /** So many steps, each of so many milliseconds. */
    work: async (name: string, { steps, ms }: { readonly steps: number; readonly ms: number }, signal?: AbortSignal) => {
      const breathe = turns(signal);
      for (let step = 0; step < steps; step += 1) {
        const pause = breathe();
        if (pause !== undefined) await pause;
        done.push(name);
        nowMs += ms;
      }
    },
    /** Ends this turn, says what was done in it, and begins the next. */
    turn: async (): Promise<string> => {
      const doneNow = done.splice(0).join("");
      const began = next;
      next = [];
      // As the loop calls them: no microtask is under way.
      await new Promise<void>((resolve) => {
        setImmediate(() => {
          for (const run of began) run();
          setImmediate(resolve);
        });
      });
      return doneNow;
    },
    idle: () => next.length === 0,
  };
}

test("those with turns of their own take what is theirs, beside all others", () => {
  let nowMs = 0;
  const breathe = createTurns({ monotonicMs: () => nowMs, nextTurn: () => undefined, sliceMs: 1 })();
  expect(breathe()).toBeUndefined();
  nowMs += 1;
  expect(breathe()).toBeInstanceOf(Promise);
});

test("work with time left is not interrupted, not even for a microtask", () => {
  const { turns, pass } = world();
  const breathe = turns();
  expect(breathe()).toBeUndefined();
  pass(sliceMs - 1);
  expect(breathe()).toBeUndefined();
  pass(1);
  expect(breathe()).toBeInstanceOf(Promise);
});

test("long work has one slice a turn", async () => {
  const w = world();
  const work = w.work("a", { steps: 12, ms: sliceMs / 4 });
  expect(await w.turn()).toBe("aaaa");
  expect(await w.turn()).toBe("aaaa");
  expect(await w.turn()).toBe("aaaa");
  await work;
});

test("those who work in the same turn share its slice, and wait in two lines, each in the order in which they came", async () => {
  const w = world();
  for (const name of ["a", "b", "c"]) void w.work(name, { steps: 3, ms: sliceMs });
  const seen = [];
  for (let turn = 0; turn < 9; turn += 1) seen.push(await w.turn());
  expect(seen.join("")).toBe("aaabbcbcc");
  expect(seen.every((done) => done.length === 1)).toBe(true);
});

test("many that have little to do are resumed in one turn", async () => {
  const w = world();
  void w.work("a", { steps: 1, ms: sliceMs });
  for (let index = 0; index < 100; index += 1) void w.work("b", { steps: 1, ms: 0 });
  expect(await w.turn()).toBe("a");
  expect(await w.turn()).toBe("b".repeat(100));
});

test("who comes while others wait gets what they leave, and no turn is kept for nobody", async () => {
  const w = world();
  void w.work("a", { steps: 2, ms: sliceMs });
  await w.turn();
  void w.work("b", { steps: 1, ms: 1 });
  expect(await w.turn()).toBe("a");
  expect(await w.turn()).toBe("b");
  await w.turn();
  expect(w.idle()).toBe(true);
});

test("who has little to do does not wait for all that have much, nor keeps them from going on", async () => {
  const w = world();
  for (let index = 0; index < 50; index += 1) void w.work("L", { steps: 100, ms: sliceMs });
  // Each has waited for a slice, and has used it up.
  for (let turn = 0; turn < 120; turn += 1) await w.turn();
  const seen: string[] = [];
  for (let turn = 0; turn < 10; turn += 1) {
    for (let index = 0; index < 2; index += 1) void w.work("s", { steps: 1, ms: 1 });
    seen.push(await w.turn());
  }
  expect(seen.join("").match(/s/g)?.length).toBeGreaterThanOrEqual(8 * 2);
  expect(seen.join("").match(/L/g)?.length).toBeGreaterThanOrEqual(5);
});

test("who had much to do, and then little, is as good as new", async () => {
  const w = world();
  const breathe = w.turns();
  breathe();
  w.pass(sliceMs);
  const waited = breathe();
  await w.turn();
  await waited;
  await w.turn();
  expect(breathe()).toBeUndefined();
  for (let index = 0; index < 9; index += 1) void w.work("L", { steps: 100, ms: sliceMs });
  for (let turn = 0; turn < 20; turn += 1) await w.turn();
  let turns = 0;
  const resumed = breathe()?.then(() => true);
  while ((await Promise.race([resumed, w.turn().then(() => false)])) === false) turns += 1;
  expect(turns).toBeLessThan(4);
});

describe("whoever it is for ends it", () => {
  test("before the next step", async () => {
    const w = world();
    const leaving = new AbortController();
    const breathe = w.turns(leaving.signal);
    leaving.abort("left");
    expect(breathe).toThrow("left");
  });

  test("while it waits in line", async () => {
    const w = world();
    const leaving = new AbortController();
    const ended = expect(w.work("a", { steps: 2, ms: sliceMs }, leaving.signal)).rejects.toBe("left");
    leaving.abort("left");
    expect(await w.turn()).toBe("a");
    await ended;
    expect(w.done).toEqual([]);
  });
});

test("on the real loop, timers and immediates run between the slices of what never waits for anything else", async () => {
  const breathe = createTurns()();
  let turns = 0;
  let working = true;
  const count = (): void => {
    turns += 1;
    if (working) setImmediate(count);
  };
  setImmediate(count);
  for (let waits = 0; waits < 3; ) {
    const pause = breathe();
    if (pause !== undefined) waits += 1;
    await pause;
  }
  working = false;
  expect(turns).toBeGreaterThanOrEqual(3);
});
