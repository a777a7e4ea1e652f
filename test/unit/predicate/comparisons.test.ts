import { describe, expect, test } from "vitest";
import type { Comparison } from "../../../src/predicate/core/comparisons.ts";
import type { Variables } from "../../../src/predicate/core/compile.ts";
import { compileFilter } from "../../../src/predicate/core/filter.ts";
import { anyRecord, recordOf, types } from "../../../src/predicate/core/typing/type.ts";

const variables: Variables = {
  one: recordOf({ id: types.string, count: types.int, at: types.timestamp, open: types.bool, data: anyRecord }),
};

function filterOf(expression: string) {
  const filter = compileFilter(variables, expression);
  if (!filter.ok) throw new Error(filter.error.message);
  return filter.value;
}

const textOf = ({ field, operator, literals }: Comparison): string =>
  [field, operator, ...literals.map(({ value }) => JSON.stringify(value))].join(" ");

const saidBy = (expression: string): readonly string[] => filterOf(expression).comparisons.map(textOf);

// Stores look only where the comparisons lead. One that is not seen costs the look at all there is; one too many hides what was wanted.
describe("what a filter says of fields", () => {
  test.each([
    ["one.id == 'a'", 'one.id == "a"'],
    ["'a' != one.id", 'one.id != "a"'],
    ["3 < one.count", "one.count > 3"],
    ["one.count <= 3u", "one.count <= 3"],
    ["one.at >= timestamp('1970-01-01T00:00:00.5Z')", "one.at >= 500"],
    ["one.id.startsWith('a')", 'one.id startsWith "a"'],
    ["one.id in ['a', 'b']", 'one.id in "a" "b"'],
    ["'a' in [one.id]", 'one.id == "a"'],
    ["one.id == 'a' || 'b' == one.id || one.id in ['c']", 'one.id in "a" "b" "c"'],
    ["one.open", "one.open == true"],
    ["one.data['a'] == 'x'", 'one.data.a == "x"'],
    ["one.data.a['b'] == 1", "one.data.a.b == 1"],
    ["one['data']['a'] == 1", "one.data.a == 1"],
    ["one.data['a']", "one.data.a == true"],
  ])("%s: all of it", (expression, said) => {
    expect(saidBy(expression)).toEqual([said]);
    expect(filterOf(expression).onlyCompares).toBe(true);
  });

  test("joined by &&, however nested: each", () => {
    const expression = "one.id == 'a' && (one.count > 1 && (one.open && one.count < 9))";
    expect(saidBy(expression)).toEqual(['one.id == "a"', "one.count > 1", "one.open == true", "one.count < 9"]);
    expect(filterOf(expression).onlyCompares).toBe(true);
  });

  test.each([
    ["one.id == 'a' && one.id.size() > 1", ['one.id == "a"']],
    ["one.id == 'a' || one.count == 1", []],
    ["one.count == 1 || one.count > 3", []],
    ["!one.open", []],
    ["one.count + 1 == 2", []],
    ["one.id == string(one.count)", []],
    ["one.id == string('a')", []],
    ["one.id in ['a', string(one.count)]", []],
    ["'a' in [one.id, string(one.count)]", []],
    ["'a'.startsWith(one.id)", []],
    ["one.at > timestamp(one.id)", []],
    ["one.id.contains('a')", []],
    ["one.count == 9007199254740993", []],
    ["one.data[one.id] == 'x'", []],
    ["one.data['a b'] == 'x'", []],
    ["one.data.list[0] == 1", []],
    ["{'a': 1}['a'] == one.count", []],
    ["[one].all(other, other.id == 'a')", []],
    ["cel.bind(id, one.id, id == 'a')", []],
  ])("%s: not all of it, and nothing else", (expression, said) => {
    expect(saidBy(expression)).toEqual(said);
    expect(filterOf(expression).onlyCompares).toBe(false);
  });
});
