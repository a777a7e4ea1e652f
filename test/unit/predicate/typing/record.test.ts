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
