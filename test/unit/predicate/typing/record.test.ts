import { describe, expect, test } from "vitest";
import { compile } from "../../../../src/predicate/core/compile.ts";
import { recordOf, types } from "../../../../src/predicate/core/typing/type.ts";

const variables = {
  closed: recordOf({ count: types.int }),
  open: recordOf({ count: types.int }, types.string),
};

function problemOf(source: string): string | undefined {
  const compiled = compile(source, variables, "bool");
  return compiled.ok ? undefined : compiled.error.message;
}

describe("what can never be equal is told before it is asked", () => {
  test.each([
    ["optional.of(closed.count) == optional.of('a')", "an optional(int) is never equal to an optional(string)"],
    ["closed.count == optional.of(1)", "an int is never equal to an optional(int)"],
    ["{'a': closed.count} == {'a': 'x'}", "a map(string, int) is never equal to a map(string, string)"],
    ["{closed.count: 'a'} == {'x': 'a'}", "a map(int, string) is never equal to a map(string, string)"],
  ])("%s", (source, message) => {
    expect(problemOf(source)).toContain(message);
  });

  test.each([
    "optional.of(closed.count) == optional.of(2.0)",
    "optional.none() == optional.of(closed.count)",
    "{'a': closed.count} == {'a': 1.0}",
    "{} == {'a': closed.count}",
  ])("%s may be", (source) => {
    expect(problemOf(source)).toBe(undefined);
  });
});

test("an element of what may not be there may not be there", () => {
  expect(problemOf("[[closed.count]].first()[0].hasValue()")).toBe(undefined);
  expect(problemOf("[[closed.count]].first()[0] == 1")).toContain("an optional(int) is never equal to an int");
  expect(problemOf("[[closed.count]].first()['a'].hasValue()")).toContain("the elements of a list have numbers");
});

describe("a record", () => {
  test("has its fields, each with its type", () => {
    expect(problemOf("closed.count + 1 == 2 && open['count'] > 0 && has(closed.count)")).toBe(undefined);
    expect(problemOf("closed.count == 'x'")).toBe("an int is never equal to a string");
    expect(problemOf("closed.cuont == 1")).toBe('unknown field "cuont" of closed; did you mean "count"?');
    expect(problemOf("closed.?cuont == 1")).toBe('unknown field "cuont" of closed; did you mean "count"?');
  });

  test("may have others, of one type", () => {
    expect(problemOf("open.other == 'x'")).toBe(undefined);
    expect(problemOf("open.other == 1")).toContain("a string is never equal to an int");
  });
});

test("what has the name of a group of functions is a variable where there is one", () => {
  const problem = (source: string, of: Parameters<typeof compile>[1]) => {
    const compiled = compile(source, of);
    return compiled.ok ? undefined : compiled.error.message;
  };
  expect(problem("lists.size() == 1", { lists: types.string })).toBe(undefined);
  expect(problem("cel.bind(math, 'a', math.size() == 1)", {})).toBe(undefined);
  expect(problem("lists.size() == 1", {})).toBe('unknown function "lists.size"');
});
