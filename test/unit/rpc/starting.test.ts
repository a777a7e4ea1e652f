import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { agedMs, arrivalsPerTurnMax, startsPerTurnMax, turnWaitMaxMs, windowLookMs } from "../../../src/rpc/limits.ts";
import { createLine, createQueue, createStarting, type Line, type Queue } from "../../../src/rpc/starting.ts";

/** A connection, and what was done to its socket. */
function lineOf() {
  const done: string[] = [];
  const handle = { readStart: () => void done.push("reads"), readStop: () => void done.push("reads no more") };
  return { line: createLine({ _handle: handle } as unknown as Socket), done };
}

type Asked = { readonly line?: Line; readonly queue?: Queue; readonly timeoutMs?: number; readonly isWhole?: () => boolean };

/** An event loop whose turns, time and idleness are given. */
function world(windowMin?: number) {
  let nowMs = 0;
  let idleMs = 0;
  const turns: (() => void)[] = [];
  let timers: { readonly dueMs: number; readonly run: () => void }[] = [];
  const told: string[] = [];
  const waited: number[] = [];
  const overs = new Map<string, (isAnswered: boolean) => void>();
  const clock = {
    monotonicMs: () => nowMs,
    nextTurn: (run: () => void) => void turns.push(run),
    setTimer: (delayMs: number, run: () => void) => {
      timers.push({ dueMs: nowMs + delayMs, run });
      return () => undefined;
    },
  };
  const starting = createStarting(clock, () => idleMs);
  const [own, standard] = [lineOf().line, createQueue(windowMin)];
  function turn(): void {
    for (const run of turns.splice(0)) run();
  }
  return {
    told,
    waited,
    standard,
    come(name: string, { line = own, queue = standard, timeoutMs, isWhole = () => true }: Asked = {}): void {
      const begin = (waitedMs: number): void => {
        told.push(name);
        waited.push(waitedMs);
      };
      const refuse = (waitMs: number): void => void told.push(`${name} would wait ${Math.round(waitMs)} ms`);
      overs.set(name, starting.enter(queue, { line, timeoutMs, begin, refuse, isWhole }));
    },
    end: (name: string, isAnswered = true): void => overs.get(name)?.(isAnswered),
    turn,
    /** Time passes, in looks; of each the loop was idle for this share. */
    pass(ms: number, idleShare: number): void {
      for (let leftMs = ms; leftMs > 0; leftMs -= windowLookMs) {
        nowMs += windowLookMs;
        idleMs += windowLookMs * idleShare;
        const due = timers.filter(({ dueMs }) => dueMs <= nowMs);
        timers = timers.filter(({ dueMs }) => dueMs > nowMs);
        for (const { run } of due) run();
        turn();
      }
    },
    /** Nothing has been asked to be done later. */
    rests: (): boolean => turns.length === 0 && timers.length === 0,
  };
}

const names = (count: number, of = "call"): string[] => Array.from({ length: count }, (_, index) => `${of} ${index + 1}`);

describe("in one turn of the loop", () => {
  test("a call begins at once, as long as few do", () => {
    const { come, told } = world();
    for (const name of names(startsPerTurnMax)) come(name);
    expect(told).toHaveLength(startsPerTurnMax);
  });

  test("so many begin, and of each connection one after the other", () => {
    const { come, told, turn } = world();
    const [many, few] = [lineOf().line, lineOf().line];
    for (const name of names(3 * startsPerTurnMax, "many")) come(name, { line: many });
    expect(told).toHaveLength(startsPerTurnMax);
    for (const name of names(3, "few")) come(name, { line: few });
    turn();
    expect(told).toHaveLength(2 * startsPerTurnMax);
    const [, ...alternating] = told.slice(startsPerTurnMax).map((name) => name.split(" ")[0]);
    expect(alternating.slice(0, 5)).toEqual(["few", "many", "few", "many", "few"]);
    turn();
    turn();
    expect(told).toHaveLength(3 * startsPerTurnMax + 3);
  });

  test("so many come of one connection, and then nothing more is read from it until the next", () => {
    const { come, turn } = world();
    const { line, done } = lineOf();
    for (const name of names(arrivalsPerTurnMax - 1)) come(name, { line });
    expect(done).toEqual([]);
    come("one more", { line });
    expect(done).toEqual(["reads no more"]);
    turn();
    expect(done).toEqual(["reads no more", "reads"]);
  });
});

describe("while the loop has no time", () => {
  const busy = 0;

  test("as many have begun as the window has room for, and one begins for each that ends", () => {
    const { come, told, turn, end, pass, waited } = world(2);
    for (const name of ["a", "b", "c", "d"]) come(name);
    pass(100, busy);
    expect(told).toEqual(["a", "b"]);
    end("b");
    turn();
    expect([told, waited]).toEqual([
      ["a", "b", "c"],
      [0, 0, 100],
    ]);
    pass(100, busy);
    expect(told).toEqual(["a", "b", "c"]);
  });

  test("who has left while it waited does not begin", () => {
    const { come, told, turn, end, standard } = world(1);
    for (const name of ["a", "b", "c"]) come(name);
    end("b");
    expect(standard.waitingCount).toBe(1);
    end("a");
    turn();
    expect(told).toEqual(["a", "c"]);
  });

  test("another method has a window of its own", () => {
    const { come, told } = world(1);
    for (const name of ["a", "b"]) come(name);
    come("of another method", { queue: createQueue(1) });
    come("a watch", { queue: createQueue(undefined) });
    expect(told).toEqual(["a", "of another method", "a watch"]);
  });

  test("what has been under way for long holds nobody back", () => {
    const { come, told, pass } = world(1);
    for (const name of ["waits for its participants", "b", "c"]) come(name);
    pass(agedMs - windowLookMs, busy);
    expect(told).toHaveLength(1);
    pass(2 * windowLookMs, busy);
    expect(told).toEqual(["waits for its participants", "b"]);
  });

  test("whose request does not come whole holds nobody back", () => {
    const { come, told, pass } = world(1);
    come("half", { isWhole: () => false });
    come("b");
    come("c");
    pass(3 * windowLookMs, busy);
    expect(told).toEqual(["half", "b"]);
  });

  test("a window that has grown becomes as small again", () => {
    const { come, told, pass, end } = world(2);
    for (const name of names(100)) come(name);
    pass(100, 1);
    expect(told).toHaveLength(100);
    pass(500, busy);
    for (const name of names(98)) end(name);
    for (const name of names(5, "later")) come(name);
    pass(100, busy);
    expect(told).toHaveLength(100);
  });

  test("whose turn would come too late for its caller is refused when it comes, and told when it may come again", () => {
    const { come, told, pass, end } = world(10);
    for (const name of names(50)) come(name);
    // One ends each 10 ms: of 50 that wait, the last begins after half a second, and is answered 0.1 s later.
    for (const name of names(40)) {
      end(name);
      pass(windowLookMs, busy);
      come(`after ${name}`);
    }
    come("hurried", { timeoutMs: 500 });
    come("patient", { timeoutMs: 1_000 });
    come("without a deadline");
    expect(told.at(-1)).toBe("hurried would wait 400 ms");
    end("call 41");
    pass(windowLookMs, busy);
    expect(told.at(-1)).toBe("after call 1");
  });

  test("what callers give up says nothing about how fast others are answered", () => {
    const { come, told, pass, end } = world(10);
    for (const name of names(60)) come(name);
    for (const name of names(20)) {
      end(name, false);
      pass(windowLookMs, busy);
    }
    come("hurried", { timeoutMs: 100 });
    expect(told.at(-1)).toBe("call 30");
    for (const name of names(40).slice(20)) {
      end(name);
      pass(windowLookMs, busy);
    }
    come("hurried, too", { timeoutMs: 100 });
    expect(told.at(-1)).toMatch(/^hurried, too would wait/);
  });

  test("how much another connection asks for makes nobody wait longer than his turn", () => {
    const { come, told, pass, end } = world(10);
    const many = lineOf().line;
    for (const name of names(1_000)) come(name, { line: many });
    for (const name of names(40)) {
      end(name);
      pass(windowLookMs, busy);
    }
    come("one more", { line: many, timeoutMs: 5_000 });
    expect(told.at(-1)).toMatch(/^one more would wait 9\d\d\d ms$/);
    come("of one who asks seldom", { timeoutMs: 500 });
    for (const name of ["call 41", "call 42"]) end(name);
    pass(2 * windowLookMs, busy);
    expect(told.slice(-2)).toContain("of one who asks seldom");
  });

  test("whose time has run out meanwhile is refused when its turn comes", () => {
    const { come, told, pass, end } = world(1);
    come("a");
    come("b", { timeoutMs: 100 });
    come("c");
    pass(200, busy);
    end("a");
    pass(2 * windowLookMs, busy);
    expect(told).toEqual(["a", expect.stringMatching(/^b would wait/), "c"]);
  });

  test("nobody waits for longer than some seconds", () => {
    const { come, told, pass, end } = world(1);
    for (const name of names(20)) come(name);
    for (const name of names(8)) {
      end(name);
      // A slow loop, which is busy: half a second each.
      pass(500, busy);
    }
    come("late", { timeoutMs: 10 * turnWaitMaxMs });
    expect(told.at(-1)).toMatch(/^late would wait 5\d\d\d ms$/);
  });
});

test("while the loop has time, all begin, whatever those before them wait for", () => {
  const { come, told, pass } = world(2);
  for (const name of names(1_000)) come(name);
  pass(20 * windowLookMs, 1);
  expect(told).toHaveLength(1_000);
});

test("once nobody waits and few are under way, nothing looks at them any more", () => {
  const { come, end, pass, turn, rests } = world(2);
  for (const name of ["a", "b", "c"]) come(name);
  end("a");
  turn();
  pass(2 * windowLookMs, 0);
  for (const name of ["b", "c"]) end(name);
  pass(2 * windowLookMs, 0);
  expect(rests()).toBe(true);
});
