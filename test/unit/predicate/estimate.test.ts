import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { structValueCountMax } from "../../../src/kernel/limits.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { estimate } from "../../../src/predicate/core/estimate.ts";
import { evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { product } from "../../../src/predicate/core/sizes.ts";
import { checkOf } from "../../support/rule-values.ts";

function compiledOf(source: string) {
  const compiled = compile(source, ruleVariables);
  if (!compiled.ok) throw new Error(compiled.error.message);
  return compiled.value;
}

const estimateOf = (source: string) => estimate(compiledOf(source));

function run(source: string, metadata: JsonObject) {
  const purse = { left: evaluationCostMax };
  const result = evaluateBool(compiledOf(source), bindingsOf(checkOf({ workflow: { metadata } })), purse);
  return { result, cost: evaluationCostMax - purse.left };
}

test.each([
  ["true", 1, 1],
  ["from == 'ACTIVE'", 3, 3.375],
  ["workflow.version > 1", 4, 4],
  ["request.reason.startsWith('QA')", 4, 129.125],
  ["now.getHours('Europe/Berlin') == 23", 5, 55.8125],
  ["lists.range(10).size() == 10", 15, 15],
  ["[1, 2, 3].all(x, x > 0)", 30, 30],
  ["[1, 2, 3].map(x, x + 1).size() == 3", 33, 42],
  ["lists.range(50).map(x, x).all(x, x >= 0)", 756, 756],
  ["request.reason in ['ab', 'cdefghijklmnopqrs']", 9.1875, 9.1875],
  ["request.reason.matches('^[a-z]+$')", 4.75, 1504.75],
  ["false || lists.range(50).size() == 50", 7, 57],
  ["from == 'ACTIVE' || lists.range(50).size() == 50", 9, 59.375],
  ["to == 'ACTIVE' ? true : lists.range(50).size() == 50", 10, 60.375],
  ["cel.bind(all, lists.range(50), all.size() == 50)", 57, 57],
  ["lists.range(50).filter(x, x > 1) + [1] != []", 610, 660],
])("%s costs from %d to %d", (source, min, max) => {
  expect(estimateOf(source)).toEqual({ min, max });
  const { cost } = run(source, {});
  expect(cost).toBeGreaterThanOrEqual(min);
  expect(cost).toBeLessThanOrEqual(max);
});

const sample = { text: "x".repeat(320), list: [5, 3, 3, 1], words: ["ab", "cd", "x"], nested: [[1], [2, [3]]], map: { a: 1 } };

const charged = [
  "workflow.metadata.text.contains('xxxx') && workflow.metadata.text.indexOf('y') == -1",
  "workflow.metadata.text.replace('x', 'yyyy').size() == 1280",
  "workflow.metadata.text.split('').join('-').size() == 639",
  "workflow.metadata.list.slice(0, 2).reverse() == [3.0, 5.0]",
  "workflow.metadata.nested.flatten(2).size() == 3",
  "workflow.metadata.list.distinct().sort() == [1.0, 3.0, 5.0]",
  "workflow.metadata.words.sortBy(w, w)[0] == 'ab'",
  "sets.contains(workflow.metadata.list, [1.0]) && sets.intersects(workflow.metadata.list, [1.0])",
  "sets.equivalent(workflow.metadata.words, ['x', 'ab', 'cd'])",
  "math.greatest(1, 2, 3) == 3 && math.least([1, 2]) == 1",
  "optional.unwrap([optional.of(1)]).size() == 1 && [optional.of(1)].unwrapOpt().size() == 1",
  "string(bytes(workflow.metadata.text)) == workflow.metadata.text",
  "{'a': workflow.metadata.text, 'b': 1}.transformMapEntry(k, v, {k: v}).size() == 2",
  "workflow.metadata.map.transformMap(k, v, v + 1.0)['a'] == 2.0",
  "workflow.metadata.list.transformList(i, x, x > 1.0, i).size() == 3",
  "workflow.metadata == workflow.metadata && workflow == workflow",
  "google.protobuf.Timestamp{seconds: 1} < now",
  "[?workflow.metadata.?text, 'y'].exists(t, t == 'y')",
  "workflow.metadata.text in workflow.metadata.words || 'a' in workflow.metadata.map",
  "to == 'ACTIVE' ? [] == lists.range(50) : workflow.metadata.text == 'x'.replace('x', workflow.metadata.text)",
  "(workflow.version > 0 ? lists.range(50) : [1]) != (workflow.version > 0 ? [1] : lists.range(50))",
  "workflow.metadata.text.substring(2, 9).upperAscii() == 'XXXXXXX' && 'ab'.reverse() == 'ba'",
  "workflow.metadata.words.join(', ') == 'ab, cd, x' && string(12) == '12' && int('12') == 12",
  "{'a': [1, 2], 'b': [3]}['a'].map(x, [x, x]).flatten().distinct() == [1, 2]",
  "workflow.metadata.list.sort()[0] == 1.0 && now - now == duration('0s') && now.getHours() >= 0",
] as const;

// Each function that is charged for more than its text.
test.each(charged)("%s costs as much as is estimated", (source) => {
  const { min, max = Infinity } = estimateOf(source);
  const { result, cost } = run(source, sample);
  expect(result).toEqual({ ok: true, value: true });
  expect(cost).toBeGreaterThanOrEqual(min);
  expect(cost).toBeLessThanOrEqual(max);
});

// A rule is refused, and a check ends, by these units: a rule that was taken must not become too dear by a slip.
test("each costs from, to, and in fact, to the hundredth of a unit", () => {
  const costs = charged.map((source) => {
    const { min, max = Infinity } = estimateOf(source);
    return [min, max, run(source, sample).cost].map((cost) => Math.round(100 * cost) / 100);
  });
  expect(costs).toEqual([
    [13, 8525.31, 34.63],
    [9, 45129.88, 189.63],
    [10, Infinity, 429.94],
    [11, 24203, 19],
    [8, 14200, 14],
    [10, 3306450, 24],
    [13, 656344109.13, 40.75],
    [13, 638, 13.5],
    [8, 2936.16, 9.24],
    [14, 19, 19],
    [15, 17, 17],
    [9, 20493, 69],
    [12, Infinity, 32],
    [9, Infinity, 17],
    [8, 61499104, 52],
    [9, 28393, 103.06],
    [4, 4, 4],
    [8, 45320.5, 26.13],
    [13, 20205, 16.38],
    [18, 16402.63, 78.5],
    [19, 169, 69],
    [14, 8206.69, 35.13],
    [17, 10738.81, 21.5],
    [18, 554.69, 47],
    [20, 135422.13, 32.13],
  ]);
});

// Of each function and each kind of data.
test.each<[string, number, number | undefined]>([
  ["request.reason.split(',').size() > 1", 7, 263.02],
  ["(lists.range(20) + lists.range(30)).map(x, x + 1).size() == 50", 510, 3010],
  ["(lists.range(20) + lists.range(workflow.version)).map(x, x + 1).size() == 50", 211, undefined],
  ["lists.range(20).map(x, x).map(y, y + 1).size() == 20", 309, 709],
  ["request.reason.split(',').join('-') == 'a'", 8, 2386.14],
  ["request.reason.charAt(1) == request.reason", 7, 257],
  ["request.reason.substring(1) + 'a' == ''", 8.06, 258.06],
  ["request.reason.trim().contains('ab')", 5, 259.03],
  ["request.reason.lowerAscii().startsWith('a')", 5, 255.06],
  ["request.reason.upperAscii() + 'a' == ''", 7.06, 257.06],
  ["request.reason.replace('a', 'bb') == ''", 7, 509.33],
  ["request.reason.replace('a', 'bb', 1).size() == 1", 9, 886.45],
  ["request.reason.indexOf('a', 1) == 1", 7, 134.02],
  ["request.reason.lastIndexOf('a') == 1", 6, 133.02],
  ["request.reason.reverse() + 'a' == ''", 7.06, 257.06],
  ["string(workflow.version) + 'a' == ''", 7.06, 11.06],
  ["bytes(request.reason) == b'a'", 5, 130.06],
  ["string(bytes(request.reason)) == 'a'", 6, 510.06],
  ["request.reason == 'abc'", 4, 4.19],
  ["'abc' != request.reason", 4, 4.19],
  ["request.reason in ['a', request.reason]", 9.06, 134.06],
  ["'a' in request.context", 4, 10100],
  ["[1, 2, 3].slice(0, 2) == [1]", 10, 16],
  ["[1, 2, 3].flatten().size() == 1", 8, 11],
  ["[[1, 2, 3], [request.reason]].flatten().size() == 1", 12, 268],
  ["[1, 2, 3].distinct() == [1]", 8, 14.56],
  ["[request.reason, 'a'].distinct() == ['a']", 8, 278.07],
  ["[1, 2, 3].reverse() == [1]", 8, 14],
  ["[1, 2, 3].sort()[0] == 1", 9, 15],
  ["[request.reason, 'a'].sort()[0] == 'a'", 9, 388.19],
  ["[1, 2, 3].sortBy(x, -x)[0] == 1", 35, 68],
  ["sets.contains([1, 2, 3], [1])", 7, 7.19],
  ["sets.intersects([1, 2, 3], [1])", 7, 7.19],
  ["sets.equivalent([1, 2, 3], [1])", 7, 7.38],
  ["sets.contains([request.reason], ['a', request.reason])", 8, 15.94],
  ["math.greatest([1, 2, 3]) == 1", 7, 10],
  ["math.least(1, 2) == 1", 6, 8],
  ["optional.of(request.reason).value() == 'a'", 6, 256.06],
  ["optional.ofNonZeroValue(request.reason).hasValue()", 4, 254],
  ["optional.unwrap([optional.of(1)]) == [1]", 7, 9],
  ["[optional.of(request.reason)].unwrapOpt().size() == 1", 8, 259],
  ["[1, 2, 3].first().value() == 1", 8, 8],
  ["[1, 2, 3].last().value() == 1", 8, 8],
  ["lists.range(-5).size() == 0", 5, 5],
  ["lists.range(3) + [1, 2, 3] == []", 18, 18],
  ["lists.range(3).map(x, [x]).size() == 3", 31, 31],
  ["[1, 2, 3].filter(x, x > 1).size() == 1", 42, 42],
  ["[1, 2, 3].exists(x, x > 1)", 33, 33],
  ["[1, 2, 3].exists_one(x, x > 1)", 42, 42],
  ["[1, 2, 3].map(x, x > 1, x).size() == 2", 42, 42],
  ["[1, 2, 3].all(i, x, i < x)", 30, 30],
  ["[1, 2, 3].transformMap(i, x, x + i).size() == 3", 33, undefined],
  ["{'a': request.reason}.transformList(k, v, v).size() == 1", 9, 646],
  ["{'a': 1}.transformMapEntry(k, v, {k: v}).size() == 1", 8, undefined],
  ["{'a': request.reason, 'b': 'x'}['a'] == 'y'", 10, 135.13],
  ["[request.reason, 'ab'][0] + 'c' == ''", 10.06, 262.06],
  ["workflow.metadata.a.b == 'x'", 6, 6.06],
  ["workflow.metadata.list.all(x, x == request.reason)", 5, 670005],
  ["workflow == workflow", 3, 14195],
  ["workflow.id == 'x'", 4, 4.06],
  ["workflow.state == 'ACTIVE'", 4, 4.38],
  ["last_event.reason == 'x'", 4, 4.06],
  ["now.getHours() == 1", 4, 54],
  ["now.getHours('UTC') == 1", 5, 55.19],
  ["now - now == duration('1s')", 6, 10.13],
  ["timestamp(request.reason) < now", 5, 134],
  ["int(request.reason) == 1", 5, 130],
  ["double(request.reason) == 1.0", 5, 130],
  ["request.reason.matches('a+') && request.reason.size() > 1", 10, 1139.5],
  ["matches(request.reason, '[ab]c')", 4.5, 1004.5],
  ["true ? request.reason == 'a' : request.reason == 'abcdefghijklmnopqrstuvwxyz'", 10, 11.63],
  ["cel.bind(x, request.reason + 'a', x == 'b' || x == 'c')", 12.06, 137.19],
  ["has(request.context.a) || request.reason == 'a'", 8, 8.06],
  ["type(request.reason) == string", 5, 134],
  ["google.protobuf.StringValue{value: request.reason} == 'a'", 5, 5.06],
  ["[?optional.of(request.reason)].size() == 1", 7, 257],
  ["{?'a': optional.none()}.size() == 0", 6, 10],
  ["request.context.?a.orValue('') == 'x'", 13, 8205.06],
  ["-workflow.version < 0 && !(1 > 2)", 10, 18],
  ["'%s'.format([1]) == '1'", 6, undefined],
  ["base64.encode(b'a') == 'x'", 4, 4.13],
])("%s is estimated to cost from %d to %d", (source, min, max) => {
  const found = estimateOf(source);
  const rounded = [found.min, found.max].map((cost) => cost && Math.round(100 * cost) / 100);
  expect(rounded).toEqual([min, max]);
});

test("nothing of what has no bound is nothing", () => {
  expect([product(0, Infinity), product(Infinity, 0), product(2, 3), product(1, Infinity)]).toEqual([0, 0, 6, Infinity]);
});

test.each([
  ["a pattern that is data", "request.reason.matches(workflow.metadata.pattern)"],
  ["a list of any length", "lists.range(workflow.version).size() > 0"],
  ["what format shows", "'%s'.format([request.reason]) != ''"],
  ["a function that is not estimated", "base64.encode(b'abc') + 'x' != ''"],
])("no largest cost is told of %s", (_, source) => {
  expect(estimateOf(source).max).toBeUndefined();
});

test("the smallest data may cost nothing, the largest all that a Struct may have", () => {
  const { min, max } = estimateOf("workflow.metadata.list.all(x, x > 0)");
  expect(min).toBe(5);
  expect(max).toBe(5 + structValueCountMax * 8 + structValueCountMax * (65536 / 16));
});

test.each([
  ["lists.range(200000).size() > 0"],
  ["lists.range(1000).map(x, lists.range(1000)).size() == 1000"],
  ["lists.range(99000).all(x, x >= 0)"],
])("%s can never finish, and does not", (source) => {
  expect(estimateOf(source).min).toBeGreaterThan(evaluationCostMax);
  expect(run(source, {}).result).toMatchObject({ ok: false, error: expect.stringContaining("costs more than 100000 units") });
});

const many = <Value>(count: number, of: (at: number) => Value): Value[] => Array.from({ length: count }, (_, at) => of(at));

const listeners = many(40, (at) => ({
  name: `listener-${at}`,
  port: 8000 + at,
  protocol: "HTTP",
  hostname: `${at}.example.org`,
}));

/**
 * Kubernetes estimates by the largest data that a schema allows, and refuses these where no maxItems or maxLength stands: "estimated rule
 * cost exceeds budget".
 */
const refusedByKubernetes: readonly (readonly [issue: string, source: string, metadata: JsonObject])[] = [
  [
    "akuity/kargo 4227, receivers have unique names",
    "workflow.metadata.receivers.all(i, size(workflow.metadata.receivers.filter(j, i.name == j.name)) == 1)",
    { receivers: many(40, (at) => ({ name: `receiver-${at}` })) },
  ],
  [
    "kubernetes-sigs/gateway-api 1845, listeners have unique names",
    "workflow.metadata.listeners.all(l1, workflow.metadata.listeners.exists_one(l2, l1.name == l2.name))",
    { listeners },
  ],
  [
    "kubernetes-sigs/gateway-api 847, port, protocol and hostname are unique together",
    `workflow.metadata.listeners.all(l1, workflow.metadata.listeners.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol &&
      (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))`,
    { listeners },
  ],
  [
    "kubernetes/kubernetes 120973, one of three within an array",
    "workflow.metadata.origins.all(o, (has(o.exact) ? 1 : 0) + (has(o.prefix) ? 1 : 0) + (has(o.regex) ? 1 : 0) <= 1)",
    { origins: many(500, (at) => (at % 2 === 0 ? { exact: "a" } : { prefix: "b" })) },
  ],
  [
    "kubernetes/kubernetes 121162, a pattern for each element",
    "workflow.metadata.requirements.all(r, r.key.matches('^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?/)?[a-zA-Z0-9][-a-zA-Z0-9_.]*$'))",
    { requirements: many(50, (at) => ({ key: `example.org/label-${at}` })) },
  ],
  [
    "kubernetes/kubernetes 124234, a message made of a number",
    "'invalid attempts: ' + string(int(workflow.metadata.attempts)) != ''",
    { attempts: 2147483647 },
  ],
  [
    "kubernetes/kubernetes 126239, the number of all elements of lists of lists",
    "workflow.metadata.rules.map(r, r.matches).flatten().size() < 128",
    { rules: many(16, () => ({ matches: [1, 2, 3, 4] })) },
  ],
  [
    "kubernetes/website 32425, contains for each text",
    "workflow.metadata.foo.all(x, x.contains('a string'))",
    { foo: many(1000, (at) => `${at} is a string`) },
  ],
  [
    "cloudpilot-ai/karpenter-provider-gcp 160, network tags",
    "workflow.metadata.networkTags.all(x, x.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$'))",
    { networkTags: many(60, (at) => `tag-${at}`) },
  ],
  [
    "kubernetes-sigs/karpenter 594, requirements have values",
    "workflow.metadata.requirements.all(x, x.operator == 'Gt' || x.operator == 'Lt' ? x.values.size() == 1 && int(x.values[0]) >= 0 : true)",
    { requirements: many(200, (at) => ({ operator: at % 2 === 0 ? "Gt" : "In", values: ["7"] })) },
  ],
  [
    "aws/karpenter-provider-aws 4895, labels of a list that is no literal",
    "workflow.metadata.labels.map(l, l.split('/')[0]).all(d, !(d in workflow.metadata.restricted))",
    { labels: many(100, (at) => `example-${at}.org/a`), restricted: many(20, (at) => `restricted-${at}.org`) },
  ],
];

describe("what Kubernetes refuses by its estimate is accepted, and metered", () => {
  test.each(refusedByKubernetes)("%s", (_, source, metadata) => {
    const { min, max } = estimateOf(source);
    const { result, cost } = run(source, metadata);
    expect(result).toEqual({ ok: true, value: true });
    expect(cost).toBeLessThanOrEqual(evaluationCostMax);
    expect(min).toBeLessThanOrEqual(cost);
    expect(max ?? Infinity).toBeGreaterThanOrEqual(cost);
  });

  test.each(refusedByKubernetes.slice(0, 3))("%s: with too much data it ends within its budget", (_, source) => {
    const named = many(600, (at) => ({ name: `${at}`, port: at, protocol: "HTTP" }));
    expect(run(source, { listeners: named, receivers: named }).result).toMatchObject({ ok: false });
  });
});
