import { expect, test } from "vitest";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { dataCost } from "../../../src/predicate/core/costs.ts";
import { evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { checkOf } from "../../support/rule-values.ts";

const check = checkOf({
  workflow: {
    metadata: { temperature: 7.5, text: "x".repeat(320), list: [1, 2, 3, 4, 5], words: ["ab", "\\pL"], map: { a: 1 } },
  },
});

// docs/rules.md has the table. What an expression costs is part of the contract: a change here refuses what was allowed, or the reverse.
test.each([
  ["true", 1],
  ["workflow.metadata.temperature < 8", 5],
  ["from == 'ACTIVE' && to == 'COMPLETED'", 7.9375],
  ["has(workflow.metadata.missing) || request.requested_by == 'ada'", 8.1875],
  ["workflow.metadata.text == workflow.metadata.text", 27],
  ["workflow.metadata.text + workflow.metadata.text != ''", 49],
  ["workflow.metadata.text.contains('xxxx')", 6.25],
  ["workflow.metadata.text.startsWith('xx')", 25.125],
  ["workflow.metadata.text.size() == 320", 26],
  ["workflow.metadata.list.all(x, x > 0.0)", 45],
  ["workflow.metadata.list.all(x, workflow.metadata.list.all(y, x + y > 0.0))", 315],
  ["workflow.metadata.list.map(x, x * 2.0).size() == 5", 48],
  ["workflow.metadata.list.filter(x, x > 2.0).size() == 3", 63],
  ["3.0 in workflow.metadata.list", 10],
  ["'a' in workflow.metadata.map", 5.0625],
  ["workflow.metadata.list == [1, 2, 3, 4, 5]", 15],
  ["workflow.metadata.list + [6] != []", 14],
  ["workflow.metadata == workflow.metadata", 38.3125],
  ["request.reason.matches('^[a-z ]+$')", 14.5],
  ["request.reason.matches('^\\\\pL')", 11],
  ["workflow.metadata.text.matches('x{20}y')", 927.875],
  ["!request.reason.matches(workflow.metadata.words[0])", 38],
  ["request.reason.matches(workflow.metadata.words[1])", 336.25],
  ["workflow.metadata.words.all(w, request.reason.matches('^[a-z]'))", 37],
  ["now - workflow.updated_at > duration('30m')", 7.1875],
  ["now.getHours('Europe/Berlin') == 23", 55],
  ["lists.range(100).size() == 100", 105],
  ["workflow.metadata.list.sort().size() == 5", 22],
  ["workflow.metadata.list.sortBy(x, x).size() == 5", 62],
  ["workflow.metadata.list.distinct().size() == 5", 13.5625],
  ["workflow.metadata.list.reverse().slice(0, 2).flatten().size() == 2", 23],
  ["sets.contains(workflow.metadata.list, [1.0, 2.0])", 7.625],
  ["sets.equivalent(workflow.metadata.list, [1.0]) == false", 8.625],
  ["workflow.metadata.words.join(', ') != ''", 9.5625],
  ["workflow.metadata.text.replace('x', 'yy') != ''", 68.5],
  ["workflow.metadata.text.split('x').size() == 321", 28.375],
  ["workflow.metadata.text.indexOf('y') == -1", 27.375],
  ["'%d %s'.format([1, workflow.metadata.words]) != ''", 33.625],
  ["'abab'.replace('a', 'xxxxxxxxxxxxxxxx', 9) != ''", 10.31640625],
  ["'abab'.replace('a', 'xxxxxxxxxxxxxxxx', 1) != ''", 9.31640625],
  ["[workflow.metadata.text] != ['a']", 28],
  ["['a'] != [workflow.metadata.text]", 8.0625],
  ["'%.2f'.format([1.5]) != ''", 27.25],
  ["workflow.metadata.words.sortBy(w, w.size()).size() == 2", 32.3125],
  ["[1, 2].map(x, x).size() == 2", 20],
  ["cel.bind(x, [1, 2], x.size() == 2)", 8],
  ["{'a': [1, 2]}.a.size() == 2", 9],
  ["math.greatest(1, 2, 3) == 3", 10],
  ["optional.of(workflow.metadata) == optional.of(workflow.metadata)", 40.3125],
  ["workflow.metadata.?text.orValue('') != ''", 13],
  ["workflow.metadata.list.all(i, x, i >= 0)", 45],
  ["cel.bind(x, workflow.metadata.list, x.all(y, y in x))", 72],
  ["string(workflow.version) == '2' && int('17') == 17", 10.1875],
])("%s costs %d", (source, cost) => {
  const compiled = compile(source, ruleVariables);
  if (!compiled.ok) throw new Error(compiled.error.message);
  const purse = { left: evaluationCostMax };
  const result = evaluateBool(compiled.value, bindingsOf(check), purse);
  expect(result).toMatchObject({ ok: true });
  expect(evaluationCostMax - purse.left).toBe(cost);
});

test("what rules may see costs by the number of its values: of metadata, of what is sent along, of what is proposed, and of the last event", () => {
  const bare = checkOf({ workflow: { metadata: {} }, context: {}, lastEvent: undefined });
  expect(dataCost(bare)).toBe(0.2);
  expect(dataCost({ ...bare, context: { a: 1, b: [2, 3] } })).toBeCloseTo(0.6);
  expect(dataCost({ ...bare, proposed: { a: null } })).toBeCloseTo(0.4);
  expect(dataCost(checkOf({ workflow: { metadata: { a: {} } }, context: {} }))).toBeCloseTo(0.5);
});
