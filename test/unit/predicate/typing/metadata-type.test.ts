import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../../src/kernel/json.ts";
import { bindingsOf, variablesWith } from "../../../../src/predicate/core/bindings.ts";
import { compile } from "../../../../src/predicate/core/compile.ts";
import { evaluate } from "../../../../src/predicate/core/evaluate.ts";
import { metadataType } from "../../../../src/predicate/core/typing/metadata-type.ts";
import { types } from "../../../../src/predicate/core/typing/type.ts";
import { checkOf } from "../../../support/rule-values.ts";

const schema: JsonObject = {
  type: "object",
  properties: {
    temperature: { type: "number" },
    count: { type: "integer" },
    counts: { type: "array", items: { type: "integer" } },
    pair: { type: "array", prefixItems: [{ type: "integer" }, { type: "string" }] },
    technician: { type: ["string"], format: "email" },
    priority: { enum: ["low", "high"] },
    mixed: { enum: ["low", 3] },
    kind: { const: "blood" },
    five: { const: 5 },
    level: { type: "integer", enum: [-1, 2, 3] },
    rate: { type: "number", const: 0.5 },
    maybe: { type: ["integer", "null"], enum: [1, null] },
    list: { const: [1] },
    ok: { type: "boolean" },
    gone: { type: "null" },
    note: { type: ["string", "null"] },
    site: { type: "object", properties: { country: { type: "string" } }, additionalProperties: { type: "integer" } },
    open: { type: "object", properties: { a: { type: "string" } }, additionalProperties: true },
    anything: { type: "object" },
    nothing: { type: "object", additionalProperties: false },
    either: { type: "object", properties: { a: { type: "string" } }, oneOf: [{ required: ["a"] }] },
    home: { $ref: "#/$defs/a~1b" },
    tree: { $ref: "#/$defs/tree" },
    lost: { $ref: "#/$defs/lost" },
    elsewhere: { $ref: "https://example.org/schema" },
    any: true,
  },
  required: ["temperature"],
  $defs: {
    "a/b": { type: "object", properties: { street: { type: "string" } } },
    tree: { type: "object", properties: { size: { type: "integer" }, left: { $ref: "#/$defs/tree" } } },
  },
};

const metadata = metadataType(schema);
const variables = variablesWith({ metadata, facts: { risk: types.double } });

const values: JsonObject = {
  temperature: 7,
  count: 3,
  counts: [1, 2],
  technician: "ada",
  priority: "high",
  site: { country: "DE", rooms: 4 },
  note: null,
  tree: { size: 1, left: { size: 2 } },
};

function outcomeOf(source: string): unknown {
  const compiled = compile(source, variables);
  if (!compiled.ok) return compiled.error.message;
  const result = evaluate(compiled.value, bindingsOf(checkOf({ workflow: { metadata: values } }), metadata), { left: 1000 });
  return result.ok ? result.value : result.error;
}

describe("with a schema", () => {
  test.each([
    "workflow.metadata.count + 1 == 4 && workflow.metadata.counts[1] * 2 == 4 && workflow.metadata.counts.all(n, n % 3 > 0)",
    "workflow.metadata.temperature + 0.5 == 7.5 && type(workflow.metadata.temperature) == double",
    "workflow.metadata.technician.startsWith('a') && workflow.metadata.priority == 'high'",
    "workflow.metadata.priority in ['low', 'high'] && workflow.metadata.note == null",
    "workflow.metadata.site.country == 'DE' && workflow.metadata.site.rooms + 1 == 5",
    "!has(workflow.metadata.ok) && workflow.metadata.?ok.orValue(true)",
    "!has(workflow.metadata.open.b) || workflow.metadata.open.b.c.d > 3 || true",
    "!has(workflow.metadata.anything) || workflow.metadata.anything.x.y == 3",
    "!has(workflow.metadata.either) || workflow.metadata.either.b == 3",
    "!has(workflow.metadata.home) || workflow.metadata.home.street == 'x'",
    "!has(workflow.metadata.any) || workflow.metadata.any.x == workflow.metadata.lost.y",
    "!has(workflow.metadata.elsewhere) || workflow.metadata.elsewhere.y == workflow.metadata.pair[0]",
    "!has(workflow.metadata.mixed) || workflow.metadata.mixed == 3",
    "!has(workflow.metadata.mixed) || workflow.metadata.mixed in ['low', 3u, 3.0]",
    "!has(workflow.metadata.five) || workflow.metadata.five == 5 && 5.0 == workflow.metadata.five && workflow.metadata.five + 1.0 > 2.0",
    "!has(workflow.metadata.level) || workflow.metadata.level == -1 || workflow.metadata.level > 7 || workflow.metadata.level + 5 == 8",
    "!has(workflow.metadata.rate) || workflow.metadata.rate == 0.5 || [workflow.metadata.rate, 7.0].exists(r, r == 7.0)",
    "!has(workflow.metadata.maybe) || workflow.metadata.maybe == null || workflow.metadata.maybe == 1",
    "!has(workflow.metadata.list) || workflow.metadata.list == [1] || workflow.metadata.five == b'x'",
    "workflow.metadata.tree.size + 1 == 2 && workflow.metadata.tree.left.size + 1.0 == 3.0",
    "workflow.metadata.all(k, v, k != 'count' || v == 3)",
  ])("%s", (source) => {
    expect(outcomeOf(source)).toBe(true);
  });

  test.each([
    ["workflow.metadata.temprature < 8", 'unknown field "temprature" of workflow.metadata; did you mean "temperature"?'],
    [
      "workflow.metadata.?temprature.orValue(7.0) < 8.0",
      'unknown field "temprature" of workflow.metadata; did you mean "temperature"?',
    ],
    ["'temprature' in workflow.metadata", 'unknown field "temprature" of workflow.metadata; did you mean "temperature"?'],
    ["workflow.metadata['temprature'] < 8", 'unknown field "temprature" of workflow.metadata; did you mean "temperature"?'],
    ["workflow.metadata.home.zip == ''", 'unknown field "zip" of workflow.metadata.home; known: street'],
    ["workflow.metadata.nothing.x == ''", 'unknown field "x" of workflow.metadata.nothing'],
    ["workflow.metadata.count == 'three'", "an int is never equal to a string"],
    [
      "workflow.metadata.count + 1.0 > 2.0",
      'there is no "+" for an int and a double; write double(workflow.metadata.count) + 1.0',
    ],
    ["workflow.metadata.priority == 'hgih'", 'workflow.metadata.priority is never "hgih"; did you mean "high"?'],
    ["workflow.metadata.kind == 'urine'", 'workflow.metadata.kind is never "urine"; it is one of blood'],
    ["workflow.metadata.five == 6", "workflow.metadata.five is never 6; it is one of 5"],
    ["6u != workflow.metadata.five", "workflow.metadata.five is never 6; it is one of 5"],
    ["workflow.metadata.five == 'five'", 'workflow.metadata.five is never "five"; it is one of 5'],
    ["workflow.metadata.five == null", "workflow.metadata.five is never null; it is one of 5"],
    ["workflow.metadata.level == -2", "workflow.metadata.level is never -2; it is one of -1, 2, 3"],
    ["workflow.metadata.level in [2, 4]", "workflow.metadata.level is never 4; it is one of -1, 2, 3"],
    ["workflow.metadata.level == (workflow.id == 'a' ? 2 : 4)", "workflow.metadata.level is never 4; it is one of -1, 2, 3"],
    ["workflow.metadata.rate == 0.25", "workflow.metadata.rate is never 0.25; it is one of 0.5"],
    ["workflow.metadata.maybe == 2", "workflow.metadata.maybe is never 2; it is one of 1, null"],
    ["workflow.metadata.maybe == true", "workflow.metadata.maybe is never true; it is one of 1, null"],
    ["workflow.metadata.mixed == 'lw'", 'workflow.metadata.mixed is never "lw"; it is one of "low", 3'],
    ["workflow.metadata.mixed == 'lwo'", 'workflow.metadata.mixed is never "lwo"; did you mean "low"?'],
    ["workflow.metadata.site.rooms == 'x'", "an int is never equal to a string"],
    ["workflow.metadata.gone == 3", "null is never equal to an int"],
    ["workflow.metadata.ok + 1 == 2", 'there is no "+" for a bool and an int'],
    ["facts.rsik > 0.5", 'unknown field "rsik" of facts; did you mean "risk"?'],
    ["facts.risk == 'high'", "a double is never equal to a string"],
  ])("%s is refused", (source, message) => {
    expect(outcomeOf(source)).toContain(message);
  });
});

test.each(["workflow.metadata.priority > 1", "workflow.state > 1", "2.0 < workflow.metadata.kind"])(
  "%s: no conversion is told of words that are no numbers",
  (source) => {
    expect(outcomeOf(source)).toMatch(/^there is no "[<>]" for an? (string|double) and an? (string|int)$/);
  },
);

test("of words that are numbers it is", () => {
  const sizes = variablesWith({ metadata: metadataType({ type: "object", properties: { size: { enum: ["1", "2"] } } }) });
  const compiled = compile("workflow.metadata.size > 1", sizes);
  expect(!compiled.ok && compiled.error.message).toContain("write int(workflow.metadata.size) > 1");
});

test.each([
  ["workflow.metadata.count + 1 > 2", { count: 1.5 }, "workflow.metadata.count is an int"],
  ["workflow.metadata.count + 1 > 2", { count: 1e19 }, "workflow.metadata.count is an int"],
  ["1 < workflow.metadata.count + 1", { count: "3" }, "workflow.metadata.count is an int"],
  ["workflow.metadata.count + 1 > 2", { count: null }, "workflow.metadata.count is an int"],
  ["workflow.metadata.counts.all(n, n % 2 == 1)", { counts: [1, 2.5] }, "n is an int"],
  ["workflow.metadata.technician + 'x' != ''", { technician: 3 }, "workflow.metadata.technician is a string"],
])("%s with %j: no rule is to be written otherwise for what breaks its schema", (source, broken, said) => {
  const compiled = compile(source, variables);
  const bindings = bindingsOf(checkOf({ workflow: { metadata: broken as JsonObject } }), metadata);
  const result = compiled.ok && evaluate(compiled.value, bindings, { left: 1000 });
  expect(result && !result.ok && result.error).toMatch(/; by its schema .*, and this value breaks it$/);
  expect(result && !result.ok && result.error).toContain(`; by its schema ${said}, and this value breaks it`);
});

test("what breaks the schema stays as it is", () => {
  const check = checkOf({ workflow: { metadata: { count: 1.5, counts: "none", site: [1] } } });
  const compiled = compile("dyn(workflow.metadata) == dyn({'count': 1.5, 'counts': 'none', 'site': [1.0]})", variables);
  expect(compiled.ok && evaluate(compiled.value, bindingsOf(check, metadata), { left: 1000 })).toEqual({ ok: true, value: true });
});

test("a schema without properties says nothing, and without facts there are none", () => {
  expect(compile("workflow.metadata.x > 1", variablesWith({ metadata: metadataType({}) }))).toMatchObject({ ok: true });
  expect(compile("workflow.metadata.x > 1", variablesWith({}))).toMatchObject({ ok: true });
  expect(compile("facts.x > 1", variablesWith({}))).toMatchObject({ ok: false });
});

test("a schema that refers to the same again and again has a type at once", () => {
  const properties = Object.fromEntries(["a", "b", "c"].map((name) => [name, { $ref: "#/$defs/node0" }]));
  const levels = Array.from({ length: 60 }, (_, at) => [
    `node${at}`,
    { type: "object", properties: { a: { $ref: `#/$defs/node${at + 1}` }, b: { $ref: `#/$defs/node${at + 1}` } } },
  ]);
  const deep = variablesWith({ metadata: metadataType({ properties, $defs: Object.fromEntries(levels) }) });
  expect(compile("workflow.metadata.a.a.b.a.x == 1 || workflow.metadata.all(k, v, v == 1)", deep)).toMatchObject({
    error: { message: 'unknown field "x" of workflow.metadata.a.a.b.a; known: a, b', others: [] },
  });
});

test.each([
  ["allOf", [true]],
  ["anyOf", [true]],
  ["oneOf", [true]],
  ["if", true],
  ["dependentSchemas", {}],
  ["patternProperties", {}],
  ["unevaluatedProperties", true],
  ["$ref", "#"],
])("beside %s there may be fields that are not listed", (word, value) => {
  const listed: JsonObject = { type: "object", properties: { a: { type: "string" } } };
  const restOf = (given: JsonObject) => {
    const type = metadataType(given);
    return type.kind === "record" ? type.rest : type;
  };
  expect(restOf(listed)).toBeUndefined();
  expect(restOf({ ...listed, [word]: value })).toBe(types.dyn);
});

test.each([[["low", {}]], [[1, [2]]], [[{}, []]]])("of values that are not all single nothing is known: %j", (values) => {
  expect(metadataType({ properties: { a: { enum: values } } })).toMatchObject({ fields: { a: types.dyn } });
  expect(metadataType({ properties: { a: { enum: values } } })).not.toHaveProperty("fields.a.values");
});
