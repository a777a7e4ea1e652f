import fc from "fast-check";
import { expect, test } from "vitest";
import type { Json, JsonObject } from "../../../src/kernel/json.ts";
import { compileSchema, violationsOf } from "../../../src/predicate/core/metadata-schema.ts";

/** A schema, a value that fits it, and one that does not, with the way to what is wrong in it. */
type Sample = { readonly schema: JsonObject; readonly fits: Json; readonly wrong: Json; readonly at: string };

const leaf = fc.oneof(
  fc.tuple(fc.integer(), fc.nat(100)).map(([from, size]): Sample => {
    return { schema: { type: "integer", minimum: from, maximum: from + size }, fits: from, wrong: from + size + 1, at: "" };
  }),
  fc.integer().map((n): Sample => ({ schema: { type: "integer" }, fits: n, wrong: n + 0.5, at: "" })),
  fc.tuple(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme", minLength: 1 })).map(([text, more]): Sample => {
    return { schema: { maxLength: [...text].length }, fits: text, wrong: text + more, at: "" };
  }),
  fc
    .stringMatching(/^[a-z]{1,9}$/)
    .map((text): Sample => ({ schema: { pattern: "^[a-z]+$" }, fits: text, wrong: `${text}1`, at: "" })),
  fc.jsonValue({ maxDepth: 2 }).map((value): Sample => {
    return { schema: { const: value as Json }, fits: JSON.parse(JSON.stringify(value)), wrong: [value as Json, 1], at: "" };
  }),
  fc.uniqueArray(fc.integer(), { minLength: 1 }).map((list): Sample => {
    return { schema: { uniqueItems: true }, fits: list, wrong: [...list, list[0] ?? 0], at: `[${list.length}]` };
  }),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-12-31") }).map((date): Sample => {
    return { schema: { format: "date-time" }, fits: date.toISOString(), wrong: date.toISOString().slice(0, 19), at: "" };
  }),
);

const around = ({ schema, fits, wrong, at }: Sample): fc.Arbitrary<Sample> =>
  fc.oneof(
    fc.stringMatching(/^[a-z]{1,9}$/).map((name): Sample => {
      const parts = { properties: { [name]: schema }, required: [name], additionalProperties: false };
      return { schema: { type: "object", ...parts }, fits: { [name]: fits }, wrong: { [name]: wrong }, at: `.${name}${at}` };
    }),
    fc.stringMatching(/^[a-z]{1,9}$/).map((name): Sample => {
      const parts = { properties: { [name]: schema }, additionalProperties: false };
      return { schema: parts, fits: { [name]: fits }, wrong: { [name]: fits, other_: 1 }, at: ".other_" };
    }),
    fc.nat(3).map((before): Sample => {
      const elements = Array.from({ length: before }, () => fits);
      return {
        schema: { type: "array", items: schema },
        fits: [...elements, fits],
        wrong: [...elements, wrong],
        at: `[${before}]${at}`,
      };
    }),
    fc.constant<Sample>({ schema: { allOf: [true, schema] }, fits, wrong, at }),
    fc.constant<Sample>({ schema: { anyOf: [false, schema] }, fits, wrong, at: "" }),
    fc.constant<Sample>({ schema: { not: { not: schema } }, fits, wrong, at: "" }),
    fc.constant<Sample>({ schema: { if: schema, else: false }, fits, wrong, at: "" }),
  );

const nested = (levels: number): fc.Arbitrary<Sample> => (levels === 0 ? leaf : fc.oneof(leaf, nested(levels - 1).chain(around)));

function violations(schema: JsonObject, value: Json) {
  const compiled = compileSchema({ properties: { top: schema } });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  const found = violationsOf(compiled.value, { top: value });
  if (!found.ok) throw new Error(found.error.type);
  return found.value;
}

test("what is made to fit a schema has no violation, and what is altered has one, at what was altered", () => {
  fc.assert(
    fc.property(nested(5), ({ schema, fits, wrong, at }) => {
      expect(violations(schema, fits)).toEqual([]);
      expect(violations(schema, wrong).map(({ path }) => path)).toEqual([`metadata.top${at}`]);
    }),
    { numRuns: 500 },
  );
});

test("whatever a schema and metadata are, compiling and validating end with an answer, and the same one each time", () => {
  const keywords = [
    "type",
    "properties",
    "items",
    "allOf",
    "anyOf",
    "not",
    "$ref",
    "required",
    "enum",
    "const",
    "pattern",
    "minimum",
    "if",
    "$defs",
    "__proto__",
  ];
  const schemas = fc.letrec((tie) => ({
    schema: fc.oneof({ maxDepth: 5 }, fc.boolean(), fc.dictionary(fc.constantFrom(...keywords), tie("given"), { maxKeys: 3 })),
    given: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<Json>("string", "#", "#/properties/a", "[a-z]", 1, ["a"], "object"),
      tie("schema"),
      fc.array(tie("schema"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "__proto__"), tie("schema"), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(schemas.schema, fc.jsonValue({ maxDepth: 3 }), (schema, value) => {
      const compiled = compileSchema({ properties: { a: schema as Json } });
      if (!compiled.ok) {
        expect(compiled.error.length).toBeGreaterThan(0);
        return;
      }
      const found = violationsOf(compiled.value, { a: value as Json });
      expect(violationsOf(compiled.value, { a: value as Json })).toEqual(found);
    }),
    { numRuns: 1_000 },
  );
});
