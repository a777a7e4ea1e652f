import { describe, expect, test } from "vitest";
import { type Call, nonLinearizable, type SequentialModel } from "../../support/linearizable.ts";

type Input = { readonly write: number } | "read";

const register: SequentialModel<number, Input, number> = {
  initial: 0,
  step: (state, input) => (input === "read" ? { state, output: state } : { state: input.write, output: input.write }),
  key: String,
  isAnswer: (expected, heard) => expected === heard,
};

const call = (input: Input, output: number | undefined, calledAt: number, answeredAt = Number.POSITIVE_INFINITY) => ({
  ...{ input, output, calledAt, answeredAt },
});

const isRight = (...history: readonly Call<Input, number>[]): boolean => nonLinearizable(register, history) === undefined;

// A test that finds nothing must be able to find something.
describe("a history is linearizable", () => {
  test("if a read beside a write has heard either value", () => {
    expect(isRight(call({ write: 1 }, 1, 0, 10), call("read", 0, 1, 2), call("read", 1, 3, 4))).toBe(true);
  });

  test("not if a later read has heard the older value", () => {
    expect(isRight(call({ write: 1 }, 1, 0, 10), call("read", 1, 1, 2), call("read", 0, 3, 4))).toBe(false);
  });

  test("not if a read after the answer to a write has not heard it", () => {
    expect(isRight(call({ write: 1 }, 1, 0, 1), call("read", 0, 2, 3))).toBe(false);
  });

  test("if what was not answered has been done, or has not, but not both", () => {
    const lost = call({ write: 1 }, undefined, 0);
    expect(isRight(lost, call("read", 1, 5, 6))).toBe(true);
    expect(isRight(lost, call("read", 0, 5, 6))).toBe(true);
    expect(isRight(lost, call("read", 1, 5, 6), call("read", 0, 7, 8))).toBe(false);
  });

  test("and where it is not, the longest right order says how far it goes", () => {
    const history = [call({ write: 1 }, 1, 0, 1), call("read", 1, 2, 3), call("read", 0, 4, 5)];
    expect(nonLinearizable(register, history)).toEqual(history.slice(0, 2));
  });
});
