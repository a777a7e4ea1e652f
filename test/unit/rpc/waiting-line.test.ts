import { describe, expect, test } from "vitest";
import { createWaitingLine, type Waiting } from "../../../src/rpc/clients/waiting-line.ts";

const limits = {
  perCallMax: 128,
  callBytesMax: 1_000,
  callsUnderWayMax: 2,
  windowMin: 16,
  windowMax: 256,
  waitingCountMax: 8192,
};
const timeoutMs = 1_000;
const patient = new AbortController().signal;

type Second = { came: number; refused: number; late: number; answered: number; answeredTooLate: number };

/** An engine that answers so many a millisecond, whatever waits behind it, seen through a line for as many seconds as loads are given. */
function play({ perMs, loads }: { readonly perMs: (nowMs: number) => number; readonly loads: readonly number[] }) {
  const line = createWaitingLine<Waiting>(limits, timeoutMs, () => 1);
  const seconds = loads.map((): Second => ({ came: 0, refused: 0, late: 0, answered: 0, answeredTooLate: 0 }));
  const calls: { readonly batch: readonly Waiting[]; readonly sentMs: number; done: number }[] = [];
  let dueCount = 0;
  for (let nowMs = 0; nowMs < loads.length * 1_000; nowMs += 1) {
    const index = Math.floor(nowMs / 1_000);
    const second = seconds[index] as Second;
    for (dueCount += loads[index] as number; dueCount >= 1; dueCount -= 1) {
      second.came += 1;
      if (line.enter({ answerByMs: nowMs + timeoutMs, signal: patient }, nowMs) !== undefined) second.refused += 1;
    }
    for (let credit = perMs(nowMs); credit > 0 && calls[0] !== undefined; ) {
      const [call] = calls;
      const served = Math.min(credit, call.batch.length - call.done);
      credit -= served;
      call.done += served;
      if (call.batch.length - call.done > 1e-9) break;
      calls.shift();
      line.answered(call.batch.length, call.sentMs, nowMs);
      const inTime = call.batch.filter(({ answerByMs }) => answerByMs >= nowMs).length;
      second.answered += inTime;
      second.answeredTooLate += call.batch.length - inTime;
    }
    for (let next = line.next(nowMs); next !== undefined; next = line.next(nowMs)) {
      second.late += next.late.length;
      if (next.batch.length > 0) calls.push({ batch: next.batch, sentMs: nowMs, done: 0 });
    }
  }
  return seconds;
}

const sum = (seconds: readonly Second[], name: keyof Second): number =>
  seconds.reduce((total, second) => total + second[name], 0);
const lasting = (seconds: number, perMs: number): number[] => Array.from({ length: seconds }, () => perMs);

describe("three times as much as the engine can judge, for 30 s", () => {
  test.each([0.05, 0.5, 5])(
    "of %d a millisecond: at least four fifths of what it can judge is answered in time, and all of it soon after",
    (perMs) => {
      const seconds = play({
        perMs: () => perMs,
        loads: [...lasting(2, perMs / 2), ...lasting(30, 3 * perMs), ...lasting(5, perMs / 2)],
      });
      const overload = seconds.slice(2, 32);
      expect(sum(overload, "answered") / (perMs * 30_000)).toBeGreaterThan(0.8);
      // Most of what is refused is refused when it comes, and little is judged in vain.
      expect(sum(overload, "late")).toBeLessThan(0.15 * sum(overload, "came"));
      expect(sum(overload, "answeredTooLate")).toBeLessThan(0.1 * sum(overload, "answered"));
      const after = seconds.slice(34);
      expect(sum(after, "refused") + sum(after, "late") + sum(after, "answeredTooLate")).toBe(0);
      expect(sum(after, "answered")).toBeGreaterThan(0.95 * sum(after, "came"));
    },
  );
});

test("an engine that stands still for three seconds is back at once when it goes on", () => {
  const perMs = (nowMs: number) => (nowMs >= 2_000 && nowMs < 5_000 ? 0 : 5);
  const after = play({ perMs, loads: lasting(10, 4) }).slice(6);
  expect(sum(after, "refused") + sum(after, "late") + sum(after, "answeredTooLate")).toBe(0);
});

test("once nobody waits, the slow answers of before refuse nobody", () => {
  const line = createWaitingLine<Waiting>(limits, timeoutMs, () => 1);
  const enter = (nowMs: number) => line.enter({ answerByMs: nowMs + timeoutMs, signal: patient }, nowMs);
  let nowMs = 0;
  for (let count = 0; count < 300; count += 1) enter(nowMs);
  for (let next = line.next(nowMs); next !== undefined; next = line.next(nowMs)) {
    line.answered(next.batch.length, nowMs, nowMs + 300);
    nowMs += 300;
  }
  for (let count = 0; count < 2_048; count += 1) expect(enter(nowMs)).toBeUndefined();
});

test("no more wait than the line holds, and the last is told how long it would last", () => {
  const line = createWaitingLine<Waiting>({ ...limits, waitingCountMax: 300 }, timeoutMs, () => 1);
  const enter = (nowMs: number) => line.enter({ answerByMs: nowMs + timeoutMs, signal: patient }, nowMs);
  for (let count = 0; count < 300; count += 1) expect(enter(0)).toBeUndefined();
  expect(enter(0)).toBe(0);
  expect(line.next(0)?.batch).toHaveLength(128);
  line.answered(128, 0, 64);
  expect(line.length).toBe(172);
  for (let count = 0; count < 128; count += 1) expect(enter(64)).toBeUndefined();
  expect(enter(64)).toBe(300 * 0.5);
});

test("as few as the window allows are under way while answers are slow, and more again when they are fast", () => {
  const line = createWaitingLine<Waiting>(limits, timeoutMs, () => 1);
  for (let count = 0; count < 5_000; count += 1) line.enter({ answerByMs: 1e9, signal: patient }, 0);
  const sizes: (number | undefined)[] = [];
  let nowMs = 0;
  for (const tookMs of [10, 600, 600, 600, 600, 600, 300, 10, 10, 10, 10, 10]) {
    const batch = line.next(nowMs)?.batch;
    sizes.push(batch?.length);
    line.answered(batch?.length ?? 0, nowMs, nowMs + tookMs);
    nowMs += tookMs;
  }
  expect(sizes).toEqual([128, 128, 64, 32, 16, 8, 8, 8, 12, 18, 27, 41]);
});

test("a call has no more bytes than one may have, but for what is larger alone; and who is late is not weighed", () => {
  const weighed: number[] = [];
  const line = createWaitingLine<Waiting & { readonly bytes: number }>(limits, timeoutMs, ({ bytes }) => {
    weighed.push(bytes);
    return bytes;
  });
  for (const bytes of [400, 600, 1, 5_000, 999, 7]) line.enter({ answerByMs: 10, signal: patient, bytes }, 0);
  line.enter({ answerByMs: 1, signal: patient, bytes: 3 }, 0);
  const calls = Array.from({ length: 6 }, () => {
    const batch = line.next(5)?.batch ?? [];
    line.answered(batch.length, 5, undefined);
    return batch.map(({ bytes }) => bytes);
  });
  expect(calls).toEqual([[400, 600], [1], [5_000], [999], [7], []]);
  expect(weighed).not.toContain(3);
});
