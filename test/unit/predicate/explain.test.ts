import { getConformanceSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { type ExplainedPart, type Explanation, explain, explainable } from "../../../src/predicate/core/explain.ts";
import {
  evaluationCostMax,
  explanationBytesMax,
  explanationCostFactor,
  shownLengthMax,
  shownRoundCountMax,
} from "../../../src/predicate/core/limits.ts";
import { types } from "../../../src/predicate/core/typing/type.ts";
import { casesOf, inputsOf, isComparable } from "../../support/cel-conformance.ts";
import { checkOf } from "../../support/rule-values.ts";

function explained(source: string, metadata: JsonObject = {}, purse = { left: 10 * evaluationCostMax }): Explanation {
  const ready = explainable(source, ruleVariables);
  if (!ready.ok) throw new Error(JSON.stringify(ready.error));
  return explain(ready.value, bindingsOf(checkOf({ workflow: { metadata } })), purse);
}

/** `text: value` for each, in the order in which they are told. */
const lines = (parts: readonly ExplainedPart[]): readonly string[] =>
  parts.map(({ text, outcome }) => {
    if (outcome.type === "not-evaluated") return `${text}: -`;
    return `${text}: ${outcome.type === "value" ? outcome.value : outcome.message}`;
  });

const roundsOf = ({ parts }: Explanation, text: string) => parts.find((part) => part.text === text)?.rounds ?? [];

const readsOf = ({ inputs }: Explanation): readonly string[] =>
  inputs.map(({ path, value, isAbsent }) => `${path}: ${isAbsent ? "absent" : (value ?? "present")}`);

describe("each part is told as it was written, with its value", () => {
  test.each<[string, readonly string[]]>([
    ["from == 'ACTIVE'", ["from == 'ACTIVE': true", 'from: "ACTIVE"']],
    [
      "workflow . metadata.count\n  + (workflow.metadata.count * 2.0) > 8.5",
      [
        "workflow . metadata.count\n  + (workflow.metadata.count * 2.0) > 8.5: true",
        "workflow . metadata.count\n  + (workflow.metadata.count * 2.0): 9.0",
        "workflow . metadata.count: 3.0",
        "workflow.metadata.count * 2.0: 6.0",
        "workflow.metadata.count: 3.0",
      ],
    ],
    ["!has(workflow.metadata.note) ", ["!has(workflow.metadata.note): false", "has(workflow.metadata.note): true"]],
    ["-workflow.version in [1, -2]", ["-workflow.version in [1, -2]: true", "-workflow.version: -2", "workflow.version: 2"]],
    [
      "[workflow.id, 'b'][1]",
      ["[workflow.id, 'b'][1]: \"b\"", '[workflow.id, \'b\']: ["sample-17", "b"]', 'workflow.id: "sample-17"'],
    ],
    ["type(from) == string", ["type(from) == string: true", "type(from): string", 'from: "ACTIVE"']],
    [
      "type(now) == google.protobuf.Timestamp",
      [
        "type(now) == google.protobuf.Timestamp: true",
        "type(now): google.protobuf.Timestamp",
        'now: timestamp("2023-11-14T22:13:20Z")',
      ],
    ],
    ["math.greatest(workflow.version, 3)", ["math.greatest(workflow.version, 3): 3", "workflow.version: 2"]],
    ["workflow['state'] == from", ["workflow['state'] == from: true", "workflow['state']: \"ACTIVE\"", 'from: "ACTIVE"']],
    [
      "workflow.metadata.?site.orValue('x')",
      ["workflow.metadata.?site.orValue('x'): \"x\"", "workflow.metadata.?site: optional.none()"],
    ],
    [
      "cel.bind(n, workflow.version, n + n)",
      ["cel.bind(n, workflow.version, n + n): 4", "workflow.version: 2", "n + n: 4", "n: 2", "n: 2"],
    ],
    [
      "{'a': from, ?'b': optional.none()}",
      ["{'a': from, ?'b': optional.none()}: {\"a\": \"ACTIVE\"}", 'from: "ACTIVE"', "optional.none(): optional.none()"],
    ],
    [
      "google.protobuf.Int32Value{value: workflow.version}",
      ["google.protobuf.Int32Value{value: workflow.version}: 2", "workflow.version: 2"],
    ],
  ])("%s", (source, expected) => {
    const explanation = explained(source, { count: 3, note: null });
    expect(lines(explanation.parts)).toEqual(expected);
    for (const { offset, length, text } of explanation.parts) expect(source.slice(offset, offset + length)).toBe(text);
  });

  test("and where it stands, as errors say it", () => {
    const [whole, left, right] = explained("from == 'PAUSED'\n  && to == 'FAILED'").parts;
    expect([whole?.position, left?.position, right?.position]).toEqual([
      { line: 2, column: 3 },
      { line: 1, column: 6 },
      { line: 1, column: 1 },
    ]);
  });
});

describe("what is not reached is told as such", () => {
  test.each<[string, readonly string[]]>([
    [
      "from == 'PAUSED' && to == 'FAILED'",
      ["from == 'PAUSED' && to == 'FAILED': false", "from == 'PAUSED': false", 'from: "ACTIVE"', "to == 'FAILED': -", "to: -"],
    ],
    [
      "from != 'PAUSED' || to == 'FAILED'",
      ["from != 'PAUSED' || to == 'FAILED': true", "from != 'PAUSED': true", 'from: "ACTIVE"', "to == 'FAILED': -", "to: -"],
    ],
    [
      "from == 'PAUSED' ? to : from",
      ["from == 'PAUSED' ? to : from: \"ACTIVE\"", "from == 'PAUSED': false", 'from: "ACTIVE"', "to: -", 'from: "ACTIVE"'],
    ],
    [
      "[1 / int(workflow.metadata.none), workflow.version]",
      [
        "[1 / int(workflow.metadata.none), workflow.version]: E",
        "1 / int(workflow.metadata.none): E",
        "int(workflow.metadata.none): E",
        "workflow.metadata.none: E",
        "workflow.version: -",
      ],
    ],
    [
      "workflow.metadata.?a.orValue(from)",
      ["workflow.metadata.?a.orValue(from): 1.0", "workflow.metadata.?a: optional.of(1.0)", "from: -"],
    ],
  ])("%s", (source, expected) => {
    const error = /line 1, column \d+: field not found.*$/;
    expect(lines(explained(source, { a: 1 }).parts).map((line) => line.replace(error, "E"))).toEqual(expected);
  });

  test("an error that || makes up for is told where it is", () => {
    const { outcome, parts } = explained("workflow.metadata.none == 1 || from == 'ACTIVE'");
    expect(outcome).toEqual({ type: "value", valueType: "bool", value: "true" });
    expect(parts[1]?.outcome).toEqual({
      type: "error",
      message: "line 1, column 19: field not found: none; has(workflow.metadata.none) asks whether there is one",
    });
  });
});

describe("a loop tells what its body has come to for its elements", () => {
  test("of lists, of maps, and with two variables", () => {
    const metadata = { tags: ["a", "bb"], limits: { low: 1 } };
    const list = roundsOf(
      explained("workflow.metadata.tags.map(t, t + from)", metadata),
      "workflow.metadata.tags.map(t, t + from)",
    );
    expect(list.map(({ index, element, parts }) => [index, element, ...lines(parts)])).toEqual([
      [0, '"a"', 't + from: "aACTIVE"', 't: "a"', 'from: "ACTIVE"'],
      [1, '"bb"', 't + from: "bbACTIVE"', 't: "bb"', 'from: "ACTIVE"'],
    ]);
    const source = "workflow.metadata.limits.all(k, v, v < 5)";
    expect(roundsOf(explained(source, metadata), source)).toMatchObject([{ index: 0, element: '["low", 1.0]' }]);
    const sorted = "workflow.metadata.tags.sortBy(t, -t.size())";
    expect(roundsOf(explained(sorted, metadata), sorted).map(({ parts }) => lines(parts)[0])).toEqual([
      "-t.size(): -1",
      "-t.size(): -2",
    ]);
  });

  test("within loops", () => {
    const source = "[[1, 2], [3]].all(x, x.all(y, y < workflow.version))";
    const [first, ...others] = roundsOf(explained(source), source);
    expect(others).toEqual([]);
    expect(first?.parts[0]?.roundCount).toBe(2);
    expect(first?.parts[0]?.rounds.map(({ parts }) => lines(parts)[0])).toEqual([
      "y < workflow.version: true",
      "y < workflow.version: false",
    ]);
  });

  test("the first ones, the first that fails, and the last, which has decided", () => {
    const source = "workflow.metadata.numbers.all(x, 10 / int(x) < 9)";
    const numbers = Array.from({ length: 100 }, (_, at) => (at === 60 || at === 61 ? 0 : at === 80 ? 1 : 5));
    const explanation = explained(source, { numbers });
    const rounds = roundsOf(explanation, source);
    expect(explanation.outcome).toMatchObject({ value: "false" });
    expect(rounds.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 60, 80]);
    expect(rounds).toHaveLength(shownRoundCountMax);
    expect(explanation.parts[0]?.roundCount).toBe(81);
    expect(lines(rounds.at(-1)?.parts ?? [])[0]).toBe("10 / int(x) < 9: false");
  });

  test("once each, if the first that fails is among the first or is the last", () => {
    const source = "workflow.metadata.numbers.map(x, 10 / int(x))";
    const indices = (numbers: number[]) => roundsOf(explained(source, { numbers }), source).map(({ index }) => index);
    expect(indices([5, 0, 5, 5, 5, 5, 5, 5, 0, 5])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9]);
    expect(indices([5, 5, 5, 5, 5, 5, 5, 5, 5, 0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9]);
  });
});

describe("what was read of the variables", () => {
  test.each<[string, readonly string[]]>([
    ["from == 'PAUSED' && to == 'FAILED'", ['from: "ACTIVE"']],
    [
      "workflow.metadata.site.country == 'DE' && workflow.metadata['site'].country != ''",
      ['workflow.metadata.site.country: "DE"'],
    ],
    [
      "workflow.metadata[from] == 1 || workflow.metadata['x y'] == 2",
      ["workflow.metadata.ACTIVE: absent", 'from: "ACTIVE"', 'workflow.metadata["x y"]: 2.0'],
    ],
    ["workflow.metadata.tags[workflow.version - 1]", ['workflow.metadata.tags[1]: "b"', "workflow.version: 2"]],
    [
      "has(workflow.metadata.none) || has(workflow.metadata.tags)",
      ["workflow.metadata.none: absent", "workflow.metadata.tags: present"],
    ],
    ["workflow.metadata.?site.?zip.hasValue()", ["workflow.metadata.site.zip: optional.none()"]],
    [
      "workflow.metadata.tags.all(t, t in workflow.metadata && t != from)",
      ['workflow.metadata.tags: ["a", "b"]', 'workflow.metadata: {"site": {"country": "DE"}, "tags": ["a", "b"], "x y": 2.0}'],
    ],
    [
      "workflow.metadata.tags[1 / int(workflow.metadata.none)] == 'x'",
      ["workflow.metadata.tags[…]: absent", "workflow.metadata.none: absent"],
    ],
    ["cel.bind(from, to, from == to) && {'from': 1}.from == 1", ['to: "COMPLETED"']],
    ["type(from) == string", ['from: "ACTIVE"']],
  ])("%s", (source, expected) => {
    const metadata = { site: { country: "DE" }, tags: ["a", "b"], "x y": 2 };
    expect(readsOf(explained(source, metadata))).toEqual(expected);
  });
});

describe("values are shown as they are written", () => {
  test.each([
    ["'a\"b'", '"a\\"b"'],
    ["3", "3"],
    ["3u", "3u"],
    ["[3.0, 7.5, 1e300, -0.0 / 0.0]", "[3.0, 7.5, 1e+300, NaN]"],
    ["b'a\\x00'", 'b"\\x61\\x00"'],
    ["[[], {}, null, true]", "[[], {}, null, true]"],
    ["{'a': [1], 2: 'b'}", '{"a": [1], 2: "b"}'],
    ["int", "int"],
    ["optional.of([1])", "optional.of([1])"],
    ["optional.none()", "optional.none()"],
    ["duration('90m')", 'duration("5400s")'],
    ["now", 'timestamp("2023-11-14T22:13:20Z")'],
    ["google.protobuf.Timestamp{seconds: 999999999999999}", "google.protobuf.Timestamp"],
  ])("%s", (source, value) => {
    expect(explained(source).outcome).toMatchObject({ type: "value", value });
  });

  test("and cut where they are long", () => {
    const long = explained("workflow.metadata.text", { text: "é".repeat(60_000) }).outcome;
    expect(long).toMatchObject({ value: `"${"é".repeat(shownLengthMax - 1)}…` });
    const shared = explained(`[[1]${".map(x, [x, x])".repeat(29)}]`).outcome;
    expect(shared).toMatchObject({ value: expect.stringMatching(/^\[+1, 1\], \[1.*…$/) });
    const bytes = explained("bytes(workflow.metadata.text)", { text: "a".repeat(60_000) }).outcome;
    expect(bytes).toMatchObject({ value: expect.stringMatching(/^b"(\\x61){49}\\x…$/) });
  });
});

describe("an explanation is bounded", () => {
  const nested = "workflow.metadata.big.all(x, workflow.metadata.few.all(y, workflow.metadata.few.all(z, x + y + z >= 0.0)))";
  const metadata = { big: Array.from({ length: 40 }, () => 1), few: Array.from({ length: 9 }, () => 2), text: "x".repeat(300) };

  test("in bytes: the outer parts and what was read stay, and it says how much is missing", () => {
    const explanation = explained(`${nested} && workflow.metadata.text != ''`, metadata);
    expect(explanation.omittedCount).toBeGreaterThan(0);
    expect(Buffer.byteLength(JSON.stringify(explanation))).toBeLessThan(explanationBytesMax);
    expect(lines(explanation.parts).at(-2)).toBe("workflow.metadata.text != '': true");
    expect(readsOf(explanation)).toHaveLength(3);
  });

  test("in what is told of the parts, which leaves room for what was read", () => {
    const { parts, omittedCount } = explained(nested, metadata);
    expect(omittedCount).toBeGreaterThan(0);
    const bytes = JSON.stringify(parts).length;
    expect(bytes).toBeLessThan((explanationBytesMax * 3) / 4);
    expect(bytes).toBeGreaterThan(explanationBytesMax / 2);
  });

  test("in what is read", () => {
    const source = "workflow.metadata.list.all(a, workflow.metadata.list.all(b, has(workflow.metadata[a + b].x) || true))";
    const list = Array.from({ length: 10 }, (_, at) => `${at}${"k".repeat(90)}`);
    const explanation = explained(source, { list });
    expect(explanation.omittedCount).toBeGreaterThan(0);
    expect(explanation.inputs.length).toBeGreaterThan(10);
    expect(JSON.stringify(explanation.inputs).length).toBeLessThan(explanationBytesMax / 4);
  });

  test("in the values of what is read", () => {
    const fields = Array.from({ length: 60 }, (_, at) => `f${at}`);
    const metadata = Object.fromEntries(fields.map((field) => [field, "x".repeat(500)]));
    const explanation = explained(fields.map((field) => `workflow.metadata.${field} != ''`).join(" && "), metadata);
    expect(explanation.inputs.length).toBeLessThan(fields.length);
    expect(JSON.stringify(explanation.inputs).length).toBeLessThan(explanationBytesMax / 4);
  });

  test("in cost, by the budget of a plain evaluation, which it takes a fixed number of times", () => {
    const purse = { left: 1000 };
    const { cost } = explained("from == 'PAUSED'", {}, purse);
    expect(purse.left).toBe(1000 - cost * explanationCostFactor);
    const all = Array.from({ length: 400 }, (_, at) => at);
    const { outcome, parts } = explained("workflow.metadata.all.all(x, workflow.metadata.all.all(y, x + y >= 0.0)) || true", {
      all,
    });
    expect(outcome).toEqual({
      type: "error",
      message: "line 1, column 48: costs more than 100000 units: it looks at too much data, or too often",
    });
    expect(parts).not.toEqual([]);
  });

  test("by whoever asked, who may have gone", () => {
    const { outcome } = explained("from == 'PAUSED'", {}, { left: 1000, stopped: () => true } as { left: number });
    expect(outcome).toEqual({ type: "error", message: "was stopped" });
  });

  test("in the error that it ends with", () => {
    const { outcome } = explained("int(workflow.metadata.text) == 1", { text: "x".repeat(60_000) });
    expect(outcome.type === "error" && outcome.message.length).toBe(1000);
  });
});

test("what does not compile is not explained", () => {
  expect(explainable("from ==", ruleVariables)).toMatchObject({ ok: false, error: { line: 1, column: 8 } });
});

test.each(getConformanceSuite().suites.map((suite) => [suite.name, suite] as const))(
  "an explanation comes to what a plain evaluation comes to, and tells the same of the whole: %s",
  (_name, suite) => {
    for (const [path, { expr, bindings }] of casesOf(suite, "").filter(([, each]) => isComparable(each))) {
      const inputs = inputsOf(bindings);
      const ready = explainable(expr, Object.fromEntries(Object.keys(inputs).map((name) => [name, types.dyn])));
      if (!ready.ok) continue;
      const plain = evaluate(ready.value.expression, inputs, { left: evaluationCostMax });
      const { outcome, parts } = explain(ready.value, inputs, { left: evaluationCostMax });
      expect([path, outcome.type]).toEqual([path, plain.ok ? "value" : "error"]);
      if (!plain.ok) expect([path, outcome]).toEqual([path, { type: "error", message: plain.error }]);
      const [whole] = parts;
      if (whole?.length === expr.trim().length) expect([path, whole.outcome]).toEqual([path, outcome]);
    }
  },
);
