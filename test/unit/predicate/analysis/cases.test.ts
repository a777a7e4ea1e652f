import { expect, test } from "vitest";
import { always, both, type Case, type Cases, mayMeet, type Work } from "../../../../src/predicate/core/analysis/cases.ts";
import { ranged } from "../../../../src/predicate/core/analysis/domain.ts";
import { pointsRange } from "../../../../src/predicate/core/analysis/range.ts";

/** Each of these is one number. */
const caseOf = (numbers: Readonly<Record<string, number>>): Case =>
  new Map(
    Object.entries(numbers).map(([key, value]) => {
      const term = { key, domain: undefined, implied: () => [] };
      return [key, { term, domain: ranged("number", pointsRange([value])) }];
    }),
  );

const one: Cases = [caseOf({ a: 1, b: 1 })];
const other: Cases = [caseOf({ c: 1 })];

test("to join costs a condition of the smaller of two, and one more", () => {
  for (const [left, right] of [
    [one, other],
    [other, one],
  ] as const) {
    const work: Work = { left: 2 };
    expect(both(left, right, work)).toHaveLength(1);
    expect(work.left).toBe(0);
    expect(both(left, right, { left: 1 })).toBeUndefined();
    const asked: Work = { left: 2 };
    expect(mayMeet(left, right, asked).next()).toEqual({ done: true, value: true });
    expect(asked.left).toBe(0);
    expect(mayMeet(left, right, { left: 1 }).next()).toEqual({ done: true, value: undefined });
  }
});

test("what is never so is never so together with anything, and of too many nothing is known", () => {
  const work = (): Work => ({ left: 100 });
  for (const any of [undefined, [], one]) {
    expect([both([], any, work()), both(any, [], work())]).toEqual([[], []]);
    expect([mayMeet([], any, work()).next().value, mayMeet(any, [], work()).next().value]).toEqual([false, false]);
  }
  for (const some of [undefined, one, always]) {
    expect([both(undefined, some, work()), both(some, undefined, work())]).toEqual([undefined, undefined]);
    expect([mayMeet(undefined, some, work()).next().value, mayMeet(some, undefined, work()).next().value]).toEqual([
      undefined,
      undefined,
    ]);
  }
});

test("it is asked in steps of some hundred conditions", () => {
  const of = (from: number): Cases => Array.from({ length: 60 }, (_, at) => caseOf({ a: from + at }));
  const [steps, work] = [[] as number[], { left: 20_000 }];
  const asked = mayMeet(of(0), of(100), work);
  let left = work.left;
  for (let next = asked.next(); ; next = asked.next()) {
    steps.push(left - work.left);
    left = work.left;
    if (next.done) {
      expect(next.value).toBe(false);
      break;
    }
  }
  expect(steps).toEqual([...Array.from({ length: 14 }, () => 500), 200]);
});
