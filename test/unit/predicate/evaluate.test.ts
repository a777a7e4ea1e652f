import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile, describeCompileError } from "../../../src/predicate/core/compile.ts";
import { evaluateBool, evaluateString } from "../../../src/predicate/core/evaluate.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { checkOf } from "../../support/rule-values.ts";

function compiled(source: string) {
  const result = compile(source, ruleVariables);
  if (!result.ok) throw new Error(describeCompileError(result.error));
  return result.value;
}

function bool(source: string, metadata?: JsonObject): boolean | string {
  const check = metadata === undefined ? checkOf({}) : checkOf({ workflow: { metadata } });
  const result = evaluateBool(compiled(source), bindingsOf(check));
  return result.ok ? result.value : result.error;
}

const overBudget = "costs more than 100000 units: it looks at too much data, or too often";

describe("a rule sees the check", () => {
  test.each([
    "workflow.id == 'sample-17' && workflow.state == 'ACTIVE' && workflow.previous_state == 'CREATED'",
    "workflow.version == 2 && workflow.retry_count == 0 && type(workflow.version) == int",
    "from == 'ACTIVE' && to == 'COMPLETED'",
    "request.reason == 'analysis done' && request.requested_by == 'ada' && request.context.instrument == 'lc-3'",
    "now == timestamp('2023-11-14T22:13:20Z') && now - workflow.updated_at == duration('1h')",
    "workflow.created_at < workflow.updated_at",
    "workflow.metadata.qc.passed && 'kurt' in workflow.metadata.qc.operators",
    "workflow.metadata.note == null",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });

  test("and no previous state before the first move", () => {
    const check = checkOf({ workflow: { previousState: undefined } });
    expect(evaluateBool(compiled("workflow.previous_state == ''"), bindingsOf(check))).toEqual({ ok: true, value: true });
  });

  test("with keys that mean something to JavaScript", () => {
    const metadata = JSON.parse('{"constructor": {"a": 1}, "__proto__": 2}') as JsonObject;
    expect(bool("workflow.metadata.constructor.a == 1 && workflow.metadata['__proto__'] == 2", metadata)).toBe(true);
    expect(bool("has(workflow.metadata.toString)", metadata)).toBe(false);
  });
});

// https://github.com/google/cel-spec/blob/master/doc/langdef.md#numbers
describe("JSON numbers are doubles and compare with integers", () => {
  test.each([
    "workflow.metadata.temperature < 8",
    "workflow.metadata.temperature <= 8 && workflow.metadata.temperature > 7 && workflow.metadata.temperature >= 7",
    "workflow.metadata.temperature < 8.0 && workflow.metadata.temperature != 8",
    "8 > workflow.metadata.temperature",
    "workflow.metadata.count == 3 && 3 == workflow.metadata.count && workflow.metadata.count in [1, 2, 3]",
    "workflow.metadata.temperature + 1.0 == 8.5 && int(workflow.metadata.count) + 1 == 4",
  ])("%s", (source) => {
    expect(bool(source, { temperature: 7.5, count: 3 })).toBe(true);
  });

  test("but do not add with them", () => {
    expect(bool("workflow.metadata.temperature + 1 < 8")).toBe(
      "line 1, column 31: found no matching overload for '_+_' applied to '(double, int)'; each number from JSON is a double: write int(workflow.metadata.temperature) + 1",
    );
  });
});

describe("what cannot be evaluated is an error that says where", () => {
  test.each([
    [
      "workflow.metadata.humidity < 60",
      "line 1, column 19: field not found: humidity; has(workflow.metadata.humidity) asks whether there is one",
    ],
    [
      "true &&\n  workflow.metadata.humidity < 60",
      "line 2, column 21: field not found: humidity; has(workflow.metadata.humidity) asks whether there is one",
    ],
    ["[1].all(x, workflow.metadata.qc.operators[5] == 'x')", "line 1, column 12: index 5 out of bounds"],
    ["1 / (workflow.version - 2) == 1", "line 1, column 3: int divide by zero"],
    ["from", "line 1, column 1: the result is not a bool but string"],
    ["null", "line 1, column 1: the result is not a bool but null_type"],
    ["now.getHours('Mars/' + from) > 1", 'line 1, column 5: "Mars/ACTIVE" is no time zone such as "+02:00" or "Europe/Berlin"'],
    ["int(from) > 1", `line 1, column 1: "ACTIVE" is no int`],
  ])("%s", (source, expected) => {
    expect(bool(source)).toBe(expected);
  });

  test("has() asks for a field without needing it", () => {
    expect(bool("has(workflow.metadata.humidity)")).toBe(false);
    expect(bool("has(workflow.metadata.note) && 'note' in workflow.metadata && workflow.metadata.note == null")).toBe(true);
    expect(bool("!has(workflow.metadata.humidity) || workflow.metadata.humidity < 60")).toBe(true);
  });

  test("a string is wanted where a string is wanted", () => {
    expect(evaluateString(compiled("'at ' + string(workflow.metadata.temperature)"), bindingsOf(checkOf({})))).toEqual({
      ok: true,
      value: "at 7.5",
    });
    expect(evaluateString(compiled("1"), bindingsOf(checkOf({})))).toEqual({
      ok: false,
      error: "line 1, column 1: the result is not a string but int",
    });
  });
});

// Which side is converted, and to what, depends on both: a literal stays as it is.
test.each([
  ["count < text", "write count < double(text)"],
  ["count < '3'", "write count < 3"],
  ["count < 'x'", ""],
  ["count < list", ""],
  ["text < count", "write double(text) < count"],
  ["text < workflow.version", "write int(text) < workflow.version"],
  ["text < 2.0", "write double(text) < 2.0"],
  ["text < list[0]", "write double(text) < …"],
  ["workflow.version < text", "write workflow.version < int(text)"],
  ["2 < text", "write 2 < int(text)"],
  ["2.5 < text", "write 2.5 < double(text)"],
  ["'3.5' < count", "write 3.5 < count"],
  ["none < count", "none is null: ask none != null first"],
  ["none < 2", "none is null: ask none != null first"],
  ["none < text", "none is null: ask none != null first"],
  ["list[1] < 2", ""],
  ["text < list", ""],
  ["count + workflow.version > 1", "each number from JSON is a double: write int(count) + workflow.version"],
  ["workflow.version + count > 1", "each number from JSON is a double: write workflow.version + int(count)"],
  ["list[0] + workflow.version > 1", "write … + double(workflow.version)"],
  ["count + 'x' != ''", 'each number from JSON is a double: write string(count) + "x"'],
  ["'x' + count != ''", 'each number from JSON is a double: write "x" + string(count)'],
  ["'x' + none != ''", ""],
  ["none + 'x' != ''", "none is null: ask none != null first"],
  // A loop goes through it: the loop stands in the same place, and has other operands.
  ["(count + text).all(x, x > 0)", "write count + double(text)"],
])("%s fails for its types, and says what to write instead: %s", (short, hint) => {
  const long = (text: string) => text.replace(/\b(count|text|list|none)\b/g, "workflow.metadata.$1");
  const message = bool(long(short), { count: 1.5, text: "2", list: [1, null], none: null });
  expect(message).toMatch(/^line 1, column \d+: found no matching overload for '_[<+]_' applied to '\(\w+, \w+\)'/);
  expect(
    String(message)
      .split(/'(?:; )?/)
      .at(-1),
  ).toBe(long(hint));
});

// Each kind of part can fail in its own way. The mark stands where the error is said to be.
describe("every error of an evaluation has a line and a column: of", () => {
  const metadata = { zero: 0, one: 1, name: "sample-17", tags: ["urgent"], note: null, huge: 1e300 };

  test.each([
    ["division", "true &&\n 1 §/ int(workflow.metadata.zero) == 1", "int divide by zero"],
    ["modulus", "1 §% int(workflow.metadata.zero) == 1", "int modulus by zero"],
    ["a sum", "9223372036854775807 §+ workflow.version > 0", "int overflow during _+_"],
    ["a difference", "-9223372036854775807 §- workflow.version > 0", "int overflow during _-_"],
    ["a product", "workflow.version §* 9223372036854775807 > 0", "int overflow during _*_"],
    ["a uint", "uint(workflow.version) §- 3u > 0u", "uint overflow during _-_"],
    ["a sign", "§-(workflow.version - 9223372036854775807 - 3) > 0", "int overflow during type conversion"],
    ["an index", "§workflow.metadata.tags[5] == 'a'", "index 5 out of bounds"],
    ["an index that is calculated", "workflow.metadata.tags§[workflow.version] == 'a'", "index 2 out of bounds"],
    ["a key", "workflow.metadata§[from] == 1", "field not found: ACTIVE"],
    ["a key of no type of keys", "workflow.metadata§[workflow.metadata.tags] == 1", "field not found"],
    ["a field", "workflow.metadata.§none == 1", "field not found: none"],
    ["a field of what has none", "workflow.metadata.zero.§foo == 1", "field not found: foo"],
    ["a field of null", "workflow.metadata.note.§x == 1", "field not found: x"],
    ["an operator that does not fit", "workflow.metadata.tags §< 1", "found no matching overload for '_<_'"],
    ["a function that does not fit", "§size(workflow.metadata.zero) == 1", "found no matching overload for 'size'"],
    ["not", "§!workflow.metadata.name", "found no matching overload for '!_'"],
    ["and", "workflow.metadata.name §&& true", "type mismatch: expected bool, got string"],
    ["or", "workflow.metadata.name §|| false", "type mismatch: expected bool, got string"],
    ["a condition", "workflow.metadata.name §? true : false", "found no matching overload for _?_:_"],
    ["a loop over what is no list", "workflow.metadata.zero.§all(x, true)", "type mismatch: iterable vs double"],
    ["the body of a loop", "workflow.metadata.tags.map(x, 1 §/ int(workflow.metadata.zero)) == []", "int divide by zero"],
    ["a conversion", "§int(workflow.metadata.name) > 1", '"sample-17" is no int'],
    ["a conversion of a word", "§bool(workflow.metadata.name)", '"sample-17" is no bool'],
    ["a number beyond its type", "§int(workflow.metadata.huge) > 1", "int overflow during type conversion"],
    ["a number beyond a uint", "§uint(workflow.metadata.huge) > 1u", "uint overflow during type conversion"],
    ["a time", "timestamp('9999-12-31T23:59:59Z') §+ (now - now + duration('1h')) > now", "timestamp out of range"],
    ["a method", "workflow.metadata.name.§substring(50) == ''", "index 50 out of bounds"],
    ["a pattern", "workflow.metadata.name.§matches('(' + from)", "error parsing regexp"],
    ["a map", "§{workflow.metadata.name: 1, 'sample-17': 2} == {}", "the key sample-17 stands twice"],
    ["an optional", "workflow.metadata.?x.y.§value() == 1", "optional.none() has no value"],
    ["a name for a value", "cel.bind(x, 1 §/ int(workflow.metadata.zero), x == 1)", "int divide by zero"],
    ["bytes", "§string(b'\\xff' + bytes(workflow.id)) == ''", "these bytes are no string: they are not UTF-8"],
    ["a message", "§google.protobuf.Int32Value{value: workflow.version * 99999999999} == 1", "int32 out of range"],
    ["the result", "workflow.metadata.§name", "the result is not a bool but string"],
  ])("%s", (_name, marked, message) => {
    const [before = "", after = ""] = marked.split("§");
    const lines = before.split("\n");
    const place = `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1}`;
    expect(String(bool(before + after, metadata))).toContain(`${place}: ${message}`);
  });
});

describe("time is the same on every machine", () => {
  test.each([
    "now.getFullYear() == 2023 && now.getMonth() == 10 && now.getDate() == 14 && now.getDayOfMonth() == 13",
    "now.getDayOfWeek() == 2 && now.getDayOfYear() == 317 && now.getHours() == 22 && now.getMinutes() == 13",
    "now.getSeconds() == 20 && now.getMilliseconds() == 0",
    "now.getHours('+02:30') == 0 && now.getHours('-01:00') == 21 && now.getHours('01:00') == 23",
    "now.getHours('Europe/Berlin') == 23 && now.getHours('UTC') == 22 && now.getDate('Asia/Tokyo') == 15",
    // An hour that daylight saving time skips in New York.
    "timestamp('2024-03-10T02:30:00Z').getHours() == 2",
    "timestamp('2024-03-10T06:59:00Z').getHours('America/New_York') == 1",
    "timestamp('2024-03-10T07:00:00Z').getHours('America/New_York') == 3",
  ])("%s", (source) => {
    const zone = process.env["TZ"];
    try {
      process.env["TZ"] = "America/New_York";
      expect(bool(source)).toBe(true);
    } finally {
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });

  test("more zones than are kept", () => {
    const zones = Intl.supportedValuesOf("timeZone").slice(0, 150);
    expect(bool("workflow.metadata.zones.all(zone, now.getSeconds(zone) == 20)", { zones })).toBe(true);
  });
});

describe("the cost of an evaluation is bounded", () => {
  const big = Array.from({ length: 10_000 }, (_, index) => index);
  const text = "a".repeat(60_000);

  test.each([
    ["a nested loop", "workflow.metadata.big.all(x, workflow.metadata.big.all(y, x + y >= 0.0))"],
    ["an error swallowed by ||", "workflow.metadata.big.all(x, workflow.metadata.big.all(y, x + y >= 0.0)) || true"],
    [
      "an error swallowed by a loop",
      "[1, 2].exists(z, workflow.metadata.big.all(x, workflow.metadata.big.all(y, x + y >= 0.0)) || true)",
    ],
    ["a search in each element", "workflow.metadata.big.all(x, workflow.metadata.text.contains('ab'))"],
    ["a large regular expression", "workflow.metadata.text.matches('(a{30}|b){30}$')"],
    ["a text that doubles", `['aaaaaaaaaaaaaaaa']${".map(x, x + x)".repeat(29)}[0].size() > 0`],
    ["bytes that double", `[b'aaaaaaaaaaaaaaaa']${".map(x, x + x)".repeat(29)}[0].size() > 0`],
    ["a list that doubles", `[[1]]${".map(x, x + x)".repeat(29)}[0].size() > 0`],
    ["a long list", "lists.range(1000000000).size() > 0"],
    ["a flat list of shared parts", `[[1]${".map(x, [x, x])".repeat(29)}].flatten(30).size() > 0`],
    ["a text of shared parts", `'%s'.format([[1]${".map(x, [x, x])".repeat(29)}]) != ''`],
    ["a comparison of shared parts that are optional", `[optional.of([1]${".map(x, [x, x])".repeat(29)})].all(x, x == x)`],
    ["what is put in many times", `['aaaaaaaaaaaaaaaa']${".map(x, x.replace('a', x))".repeat(9)}[0].size() > 0`],
    [
      "a text put between many",
      "[workflow.metadata.text, workflow.metadata.text].join(workflow.metadata.text + workflow.metadata.text).split('').join(workflow.metadata.text) != ''",
    ],
    ["a large sort", "workflow.metadata.big.sort().size() > 0"],
    ["each compared with each", "workflow.metadata.big.distinct().size() > 0"],
    ["sets", "sets.equivalent(workflow.metadata.big, workflow.metadata.big)"],
    [
      "names for texts that double",
      `${Array.from({ length: 25 }, (_, at) => `cel.bind(t${at + 1}, t${at} + t${at}, `)
        .join("")
        .replaceAll("t0", "from")}t25 != ''${")".repeat(25)}`,
    ],
    ["two variables", "workflow.metadata.big.all(i, x, workflow.metadata.big.all(j, y, x + y >= 0.0)) || true"],
    ["a comparison of shared parts", `[[1]${".map(x, [x, x])".repeat(29)}].all(x, x == x)`],
    ["a comparison of much data", "[1,2,3,4,5,6,7,8,9,10,11,12].all(x, workflow.metadata == workflow.metadata)"],
    ["a search through a list", "[1,2,3,4,5,6,7,8,9,10,11,12].all(x, 9999.0 in workflow.metadata.big)"],
  ])("%s", (_name, source) => {
    expect(bool(source, { big, text })).toMatch(new RegExp(`^line 1, column \\d+: ${overBudget}$`));
  });

  test("it is told where the budget was used up, and of each evaluation by itself", () => {
    const source = "true && workflow.metadata.few.all(x, workflow.metadata.§big.all(y, x + y >= 0.0)) || true";
    const [before = "", after = ""] = source.split("§");
    const metadata = { big: big.slice(0, 5000), few: [1, 2, 3, 4] };
    expect(bool(before + after, metadata)).toBe(`line 1, column ${before.length + 1}: ${overBudget}`);
    // What has failed before, and did not matter, is not where.
    expect(bool(`int(request.reason) == 1 || (${before + after})`, metadata)).toBe(
      `line 1, column ${"int(request.reason) == 1 || (".length + before.length + 1}: ${overBudget}`,
    );
    expect(evaluateBool({ ...compiled("true"), baseCost: evaluationCostMax + 1 }, bindingsOf(checkOf({})))).toEqual({
      ok: false,
      error: overBudget,
    });
  });

  test.each([
    ["one pass over a large list", "workflow.metadata.big.all(x, x >= 0.0)"],
    ["collecting thousands of elements", "workflow.metadata.some.map(x, x + 1.0).filter(x, x > 5.0).size() == 3995"],
    [
      "collecting as many beside a value that is optional",
      "workflow.metadata.some.map(x, x + 1.0).filter(x, x > 5.0).size() == 3995 && !workflow.metadata.?none.hasValue()",
    ],
    ["the keys of a map", "workflow.metadata.all(key, key in ['big', 'some', 'text', 'map']) && 'big' in workflow.metadata"],
    ["a loop within a loop", "[[1, 2], [3]].map(x, x.map(y, y * 2)) == [[2, 4], [6]] && [1] + [2] == [1, 2]"],
    ["a comparison of maps", "workflow.metadata.map == {'a': 1, 'b': [2.0]} && workflow.metadata.map != {'a': 2}"],
    ["an ordinary regular expression", "from.matches('^[A-Z]{2,10}$') && !from.matches('^A{1,}$') && ''.matches('')"],
    ["a search in a long text", "!workflow.metadata.text.contains('ab')"],
  ])("not so that it hinders: %s", (_name, source) => {
    expect(bool(source, { big, text, some: big.slice(0, 4000), map: { a: 1, b: [2] } })).toBe(true);
  });

  test("it ends when nobody waits for it, and no || swallows that", () => {
    let asked = 0;
    const purse = { left: evaluationCostMax, stopped: () => ++asked > 20 };
    const source = "[1, 2, 3, 4, 5, 6, 7, 8, 9].all(x, [1, 2, 3, 4, 5, 6, 7, 8, 9].all(y, x + y > 0)) || true";
    expect(evaluateBool(compiled(source), bindingsOf(checkOf({})), purse)).toEqual({ ok: false, error: "was stopped" });
    expect(asked).toBeLessThan(50);
  });

  // A backtracking matcher would need 2^40 steps here.
  test("a regular expression takes linear time", () => {
    expect(bool("workflow.metadata.text.matches('^(a+)+$')", { text: `${"a".repeat(40)}!` })).toBe(false);
  });

  test("a pattern that is no literal can be wrong, and is then an ordinary error", () => {
    expect(bool("workflow.metadata.text.matches('(' + workflow.id)", { text: "x" })).toContain("missing closing )");
    expect(bool("workflow.metadata.text.matches('^' + from)", { text: "ACTIVE" })).toBe(true);
  });

  test("a loop over what is no list is an ordinary error", () => {
    expect(bool("dyn(workflow.version).all(x, true)")).toContain("type mismatch: iterable vs int");
  });
});
