import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../../src/kernel/json.ts";
import { compileSchema, violationsOf } from "../../../src/predicate/core/metadata-schema.ts";
import { schemaNodeCountMax } from "../../../src/predicate/core/schema/limits.ts";

function schemaOf(schema: JsonObject) {
  const compiled = compileSchema(schema);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

/** As `path: message`. */
function violations(schema: JsonObject, metadata: JsonObject): readonly string[] {
  const found = violationsOf(schemaOf(schema), metadata);
  if (!found.ok) return [found.error.type];
  return found.value.map(({ path, message }) => `${path}: ${message}`);
}

function problems(schema: JsonObject): readonly string[] {
  const compiled = compileSchema(schema);
  return compiled.ok ? [] : compiled.error.map(({ path, message }) => `${path}: ${message}`);
}

const named = (schema: Json): JsonObject => ({ properties: { a: schema } });
const many = <T>(count: number, of: (index: number) => T): readonly T[] => Array.from({ length: count }, (_, index) => of(index));
const draft7 = "http://json-schema.org/draft-07/schema#";

describe("what is wrong with metadata says where, and what would be right", () => {
  const sample: JsonObject = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://example.com/sample",
    title: "A sample",
    type: "object",
    properties: {
      temperature: { type: "number", minimum: -80, exclusiveMaximum: 25 },
      count: { type: "integer" },
      tags: { type: "array", items: { type: "string", maxLength: 5 }, uniqueItems: true },
      site: { $ref: "#/$defs/site" },
      note: { type: ["string", "null"] },
    },
    required: ["temperature"],
    additionalProperties: false,
    $defs: { site: { type: "object", properties: { country: { enum: ["DE", "FR"] } }, required: ["country"] } },
    "x-owner": "the laboratory",
  };

  test("what is asked for not to hold, and does not, is no violation", () => {
    expect(violations({ not: { patternProperties: { "^n_": { type: "number" } } } }, { n_a: "x" })).toEqual([]);
  });

  test("what fits has no violation", () => {
    const metadata = { temperature: 24.9, count: 3, tags: ["a", "b"], site: { country: "DE", city: "Ulm" }, note: null };
    expect(violations(sample, metadata)).toEqual([]);
  });

  test("all of it is told, in the order of the schema", () => {
    const metadata = { count: 7.5, temprature: 3, tags: ["cold", "urgent", "cold"], site: {}, note: [], "content-type": {} };
    expect(violations(sample, metadata)).toEqual([
      "metadata.count: is 7.5, must be an integer",
      "metadata.tags[1]: has 6 characters, must have at most 5",
      "metadata.tags[2]: is the same as [0]; each must be there once",
      "metadata.site.country: is missing",
      "metadata.note: is an array, must be a string or null",
      "metadata.temperature: is missing",
      'metadata.temprature: is not known; did you mean "temperature"?',
      'metadata["content-type"]: is not known',
    ]);
  });

  test.each<[Json, Json, string]>([
    [{ minimum: 3 }, 2, "is 2, must be at least 3"],
    [{ maximum: 3 }, 4, "is 4, must be at most 3"],
    [{ exclusiveMinimum: 3 }, 3, "is 3, must be more than 3"],
    [{ exclusiveMaximum: 3 }, 3, "is 3, must be less than 3"],
    [{ minimum: 3 }, Number.NaN, "is NaN, must be at least 3"],
    [{ multipleOf: 0.01 }, 19.999, "is 19.999, must be a multiple of 0.01"],
    [{ multipleOf: 2 }, Number.POSITIVE_INFINITY, "is Infinity, must be a multiple of 2"],
    [{ minLength: 2 }, "😀", "has 1 character, must have at least 2"],
    [{ pattern: "^[a-z]+$" }, "a1", 'is "a1", must match ^[a-z]+$'],
    [{ format: "date" }, "2025-02-29", 'is "2025-02-29", must be a date'],
    [{ const: "x" }, "y", 'is "y", must be "x"'],
    [{ const: [1] }, [2], "is an array, must be as const has it"],
    [{ enum: ["a", null, 3] }, "b", 'is "b", must be "a", null or 3'],
    [
      { enum: many(11, (i) => `value-${i}-of`) },
      "value-7-off",
      'is "value-7-off", must be one of 11 values; did you mean "value-7-of"?',
    ],
    [{ enum: many(10, (i) => i) }, "x", 'is "x", must be 0, 1, 2, 3, 4, 5, 6, 7, 8 or 9'],
    [{ enum: many(11, (i) => i) }, "x", 'is "x", must be one of 11 values'],
    [{ enum: many(10, (i) => `v${i}`) }, "v", `is "v", must be ${many(9, (i) => `"v${i}"`).join(", ")} or "v9"`],
    [
      { anyOf: many(3, (i) => ({ const: i })) },
      "x",
      'fits none of 3 alternatives: is "x", must be 0; is "x", must be 1; is "x", must be 2',
    ],
    [{ enum: ["blood", "tissue"] }, "blod", 'is "blod", must be "blood" or "tissue"'],
    [{ enum: ["blood", { b: 1 }] }, "blod", 'is "blod", must be one of 2 values; did you mean "blood"?'],
    [{ enum: many(11, (i) => i) }, {}, "is an object, must be one of 11 values"],
    [{ minItems: 2 }, [1], "has 1 element, must have at least 2"],
    [{ maxItems: 1 }, [1, 2], "has 2 elements, must have at most 1"],
    [{ contains: { const: 1 } }, [2], 'has 0 elements as "contains" asks, must have at least 1'],
    [{ contains: { const: 1 }, maxContains: 1 }, [1, 1], 'has 2 elements as "contains" asks, must have at most 1'],
    [{ minProperties: 1 }, {}, "has 0 fields, must have at least 1"],
    [{ maxProperties: 1 }, { a: 1, b: 2 }, "has 2 fields, must have at most 1"],
    [false, 1, "must not be there"],
    [{ not: { type: "string" } }, "x", 'is "x", which "not" excludes'],
    [{ oneOf: [{ type: "number" }, { minimum: 3 }] }, 4, 'fits alternatives 1 and 2 of "oneOf", must fit one'],
    [
      { anyOf: [{ type: "number" }, { type: "null" }] },
      "x",
      'fits none of 2 alternatives: is "x", must be a number; is "x", must be null',
    ],
    [
      { oneOf: many(4, (i) => ({ required: [`f${i}`] })) },
      {},
      "fits none of 4 alternatives: .f0 is missing; .f1 is missing; .f2 is missing; …",
    ],
    [{ type: "number" }, `a\u202e\n${"x".repeat(60)}`, `is "a\\u202e\\n${"x".repeat(37)}…", must be a number`],
  ])("%j of %j", (schema, value, message) => {
    expect(violations(named(schema), { a: value })).toEqual([`metadata.a: ${message}`]);
  });

  test.each<[JsonObject, JsonObject, string]>([
    [{ propertyNames: { maxLength: 2 } }, { abc: 1 }, "metadata.abc: has 3 characters, must have at most 2"],
    [{ patternProperties: { "^n_": { type: "number" } } }, { n_a: "x", b: "x" }, 'metadata.n_a: is "x", must be a number'],
    [{ dependentRequired: { card: ["expiry"] } }, { card: 1 }, 'metadata.expiry: is missing, and needed beside "card"'],
    [{ dependentSchemas: { card: { required: ["expiry"] } } }, { card: 1 }, "metadata.expiry: is missing"],
    [
      { $schema: draft7, dependencies: { card: ["expiry"] } },
      { card: 1 },
      'metadata.expiry: is missing, and needed beside "card"',
    ],
    [JSON.parse('{ "if": { "required": ["a"] }, "then": { "required": ["b"] } }'), { a: 1 }, "metadata.b: is missing"],
    [{ if: { required: ["a"] }, else: { required: ["b"] } }, {}, "metadata.b: is missing"],
    [{ dependentSchemas: { a: false, b: true } }, { a: 1, b: 1 }, "metadata: must not be there"],
    [
      { $schema: draft7, dependencies: { a: ["b"], b: true, c: false } },
      { a: 1 },
      'metadata.b: is missing, and needed beside "a"',
    ],
    [
      { additionalProperties: { uniqueItems: false, maxItems: 1 } },
      { a: [1, 1] },
      "metadata.a: has 2 elements, must have at most 1",
    ],
    [{ additionalProperties: { items: { prefixItems: [true, false] } } }, { a: [[1, 2]] }, "metadata.a[0][1]: must not be there"],
  ])("%j of %j", (schema, metadata, violation) => {
    expect(violations(schema, metadata)).toEqual([violation]);
  });

  test.each([
    ["23:59:59Z", true],
    ["00:00:00+23:59", true],
    ["00:00:00-00:59", true],
    ["24:00:00Z", false],
    ["00:60:00Z", false],
    ["00:00:61Z", false],
    ["00:00:00+24:00", false],
    ["00:00:00+00:60", false],
    // Seconds are added at midnight in UTC.
    ["23:59:60Z", true],
    ["00:58:60+00:59", true],
    ["22:59:60Z", false],
  ])("of the times of a day, %s is one: %s", (time, isTime) => {
    expect(violations(named({ format: "time" }), { a: time })).toHaveLength(isTime ? 0 : 1);
  });

  test("a keyword says nothing of values that it is not about", () => {
    const all = {
      minimum: 3,
      minLength: 9,
      pattern: "x",
      format: "date",
      minItems: 9,
      uniqueItems: true,
      items: false,
      contains: false,
    };
    const more = {
      minProperties: 9,
      properties: { b: false },
      required: ["b"],
      propertyNames: false,
      dependentRequired: { b: ["c"] },
    };
    expect(violations(named({ ...all, ...more }), { a: true })).toEqual([]);
  });

  test("and may stand beside several types, if it is about one of them", () => {
    const schema = named({ type: ["string", "number"], minimum: 3 });
    expect([violations(schema, { a: "x" }), violations(schema, { a: 3 }), violations(schema, { a: 2 }).length]).toEqual([
      [],
      [],
      1,
    ]);
  });

  test("nothing is as short as may be", () => {
    expect(violations(named({ minLength: 0, minItems: 0 }), { a: "" })).toEqual([]);
  });

  test("a name that was meant, as long as few names have been looked at", () => {
    const properties = (count: number) => ({ temperature: true, ...Object.fromEntries(many(count - 1, (i) => [`f${i}`, true])) });
    const meant = (count: number) =>
      violations(
        { properties: properties(count), additionalProperties: false },
        { temprature: 1, temperatur: 1, temperture: 1 },
      ).filter((each) => each.endsWith('did you mean "temperature"?')).length;
    // 500 of them, for all that is wrong together.
    expect([meant(166), meant(167), meant(200)]).toEqual([3, 2, 2]);
  });

  test("the first 20, and how many more", () => {
    const metadata = Object.fromEntries(many(25, (i) => [`f${i}`, 1]));
    const found = violations({ additionalProperties: { type: "string" } }, metadata);
    expect(found.length).toBe(21);
    expect(found.at(-1)).toBe("metadata: has 5 more violations");
  });
});

describe("decimals are divided as they are written", () => {
  test.each<[number, number, boolean]>([
    [19.99, 0.01, true],
    [0.3, 0.1, true],
    [-4.5, 1.5, true],
    [1e308, 0.5, true],
    [1e-7, 1e-9, true],
    [0.35, 0.1, false],
    [9, 2, false],
  ])("%d by %d: %s", (value, of, isMultiple) => {
    expect(violations(named({ multipleOf: of }), { a: value }).length === 0).toBe(isMultiple);
  });
});

describe("what is wrong with a schema says where, and what to write", () => {
  test.each<[JsonObject, string]>([
    [{ requred: ["a"] }, '#/requred: is no keyword of JSON Schema; did you mean "required"?'],
    [{ colour: 1 }, "#/colour: is no keyword of JSON Schema"],
    [named({ type: "int" }), '#/properties/a/type: there is no type "int"; write integer'],
    [named({ type: ["string", "int"] }), '#/properties/a/type: there is no type "int"; write integer'],
    [
      named({ type: ["string", 3] }),
      "#/properties/a/type: must be one of string, number, integer, boolean, null, array, object, or several in an array",
    ],
    [named({ type: "dict" }), '#/properties/a/type: there is no type "dict"; write object'],
    [named({ type: "sting" }), '#/properties/a/type: there is no type "sting"; write string'],
    [
      named({ type: "decimal", minimum: 1 }),
      '#/properties/a/type: there is no type "decimal"; there are string, number, integer, boolean, null, array, object',
    ],
    [
      named({ type: 3 }),
      "#/properties/a/type: must be one of string, number, integer, boolean, null, array, object, or several in an array",
    ],
    [
      named({ type: [] }),
      "#/properties/a/type: must be one of string, number, integer, boolean, null, array, object, or several in an array",
    ],
    [named({ type: "string", minimum: 1 }), "#/properties/a/minimum: says nothing of the type beside it"],
    [named({ pattern: "(a" }), '#/properties/a/pattern: "(a" is no RE2 pattern: error parsing regexp: missing closing ): `(a`'],
    [named({ pattern: 3 }), "#/properties/a/pattern: is 3, must be a string"],
    [named({ format: "datetime" }), '#/properties/a/format: there is no format "datetime"; did you mean "date-time"?'],
    [
      named({ format: "colour" }),
      '#/properties/a/format: there is no format "colour"; there are date-time, date, time, duration, email, uuid, uri',
    ],
    [named({ format: 1 }), "#/properties/a/format: is 1, must be a string"],
    [named({ $ref: "#/$defs/site" }), '#/properties/a/$ref: "#/$defs/site" is no schema within this one'],
    [named({ $ref: "#/%" }), '#/properties/a/$ref: "#/%" is no schema within this one'],
    [
      named({ $ref: "https://example.com/s" }),
      '#/properties/a/$ref: "https://example.com/s" is not within this schema; refer with #/…',
    ],
    [named({ $ref: 1 }), "#/properties/a/$ref: is 1, must be a string"],
    [named({ $ref: "x/properties/a" }), '#/properties/a/$ref: "x/properties/a" is not within this schema; refer with #/…'],
    [named(3), "#/properties/a: is 3, must be a schema: an object, true or false"],
    [{ properties: { "a/b~c": 3 } }, "#/properties/a~1b~0c: is 3, must be a schema: an object, true or false"],
    [{ properties: [] }, "#/properties: is an array, must be an object"],
    [{ patternProperties: 1 }, "#/patternProperties: is 1, must be an object"],
    [
      { patternProperties: { "(": true } },
      '#/patternProperties: "(" is no RE2 pattern: error parsing regexp: missing closing ): `(`',
    ],
    [{ patternProperties: 1, properties: 1, additionalProperties: false }, "#/patternProperties: is 1, must be an object"],
    [{ dependentRequired: 1 }, "#/dependentRequired: is 1, must be an object"],
    [{ dependentSchemas: 1 }, "#/dependentSchemas: is 1, must be an object"],
    [{ $schema: draft7, dependencies: 1 }, "#/dependencies: is 1, must be an object"],
    [{ $defs: 1 }, "#/$defs: is 1, must be an object"],
    [{ required: "a" }, "#/required: must be an array of names"],
    [{ allOf: [] }, "#/allOf: is empty, must be an array of schemas"],
    [{ allOf: "ab" }, '#/allOf: is "ab", must be an array of schemas'],
    [{ anyOf: {} }, "#/anyOf: is an object, must be an array of schemas"],
    [{ oneOf: 1 }, "#/oneOf: is 1, must be an array of schemas"],
    [named({ enum: "a" }), '#/properties/a/enum: is "a", must be an array'],
    [named({ enum: [] }), "#/properties/a/enum: is empty: no value could be one of these"],
    [named({ minimum: "3" }), '#/properties/a/minimum: is "3", must be a number'],
    [named({ multipleOf: 0 }), "#/properties/a/multipleOf: is 0, must be a number above 0"],
    [named({ minLength: -1 }), "#/properties/a/minLength: is -1, must be a whole number, at least 0"],
    [named({ maxItems: 1.5 }), "#/properties/a/maxItems: is 1.5, must be a whole number, at least 0"],
    [{ maxProperties: null }, "#/maxProperties: is null, must be a whole number, at least 0"],
    [named({ uniqueItems: 1 }), "#/properties/a/uniqueItems: is 1, must be true or false"],
    [
      named({ items: [true] }),
      "#/properties/a/items: is an array, must be a schema; write prefixItems for one schema an element",
    ],
    [named({ minContains: 1 }), '#/properties/a/minContains: does nothing without "contains"'],
    [named({ contains: true, minContains: "1" }), '#/properties/a/minContains: is "1", must be a whole number, at least 0'],
    [JSON.parse('{ "then": true }'), '#/then: does nothing without "if"'],
    [{ dependencies: {} }, '#/dependencies: is of draft-07; in 2020-12 write "dependentRequired" or "dependentSchemas"'],
    [{ $schema: draft7, prefixItems: [true] }, '#/prefixItems: is of draft 2020-12; in draft-07 write "items" with an array'],
    [{ $schema: draft7, additionalItems: false }, '#/additionalItems: does nothing, unless "items" is an array'],
    [
      { $schema: draft7, definitions: { a: true }, $ref: "#/definitions/a", minProperties: 1 },
      '#/minProperties: draft-07 ignores it beside "$ref"; put both into "allOf"',
    ],
    [named({ $id: "x" }), "#/properties/a/$id: is not supported within a schema; refer with #/…"],
    [
      { $schema: "http://json-schema.org/draft-04/schema#" },
      "#/$schema: must be one of https://json-schema.org/draft/2020-12/schema, http://json-schema.org/draft-07/schema",
    ],
    [
      { $schema: 4 },
      "#/$schema: must be one of https://json-schema.org/draft/2020-12/schema, http://json-schema.org/draft-07/schema",
    ],
    [{ type: "array" }, "#/type: metadata is always an object"],
  ])("%j", (schema, problem) => {
    expect(problems(schema)[0]).toBe(problem);
  });

  test.each([
    ["int", "integer"],
    ["float", "number"],
    ["double", "number"],
    ["bool", "boolean"],
    ["str", "string"],
    ["text", "string"],
    ["list", "array"],
    ["map", "object"],
    ["dict", "object"],
    ["nil", "null"],
    ["Any", 'no "type" at all'],
  ])("what other languages call %s is %s", (other, meant) => {
    expect(problems(named({ type: other }))).toEqual([`#/properties/a/type: there is no type "${other}"; write ${meant}`]);
  });

  test.each(["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"])(
    "%s is for people",
    (name) => {
      expect(problems(named({ [name]: 1 }))).toEqual([]);
    },
  );

  test.each(["contentEncoding", "contentMediaType", "contentSchema", "x-anything"])("%s is for other programs", (name) => {
    expect(problems(named({ [name]: 1 }))).toEqual([]);
    // draft-07 says nothing of what is beside a reference.
    if (name !== "x-anything")
      expect(problems({ $schema: draft7, definitions: { a: true }, $ref: "#/definitions/a", [name]: 1 })).toEqual([]);
  });

  test.each<[string, RegExp, "2020-12" | "draft-07"]>([
    ["additionalItems", /write "prefixItems" and "items"$/, "2020-12"],
    ["dependencies", /write "dependentRequired" or "dependentSchemas"$/, "2020-12"],
    ["prefixItems", /write "items" with an array$/, "draft-07"],
    ["minContains", /^is of draft 2020-12$/, "draft-07"],
    ["maxContains", /^is of draft 2020-12$/, "draft-07"],
    ["dependentRequired", /write "dependencies"$/, "draft-07"],
    ["dependentSchemas", /write "dependencies"$/, "draft-07"],
    ["unevaluatedProperties", /^is not supported; list all properties/, "2020-12"],
    ["unevaluatedItems", /^is not supported; write "items"/, "2020-12"],
    ["id", /^is of draft-04/, "2020-12"],
    ["$anchor", /^is not supported; refer with/, "2020-12"],
    ["$dynamicRef", /^is not supported; write "\$ref"/, "2020-12"],
    ["$dynamicAnchor", /^is not supported; refer with/, "2020-12"],
    ["$recursiveRef", /^is not supported; write "\$ref"/, "2020-12"],
    ["$vocabulary", /^is not supported$/, "2020-12"],
    ["nullable", /^is of OpenAPI/, "2020-12"],
  ])("%s is no keyword here, and it is said what is: %s", (name, advice, draft) => {
    const [problem = ""] = problems({ ...(draft === "draft-07" && { $schema: draft7 }), [name]: true });
    expect(problem.replace(`#/${name}: `, "")).toMatch(advice);
  });

  test.each([
    [["number", "integer"], { minimum: 1, maximum: 2, exclusiveMinimum: 1, exclusiveMaximum: 2, multipleOf: 1 }],
    [["string"], { minLength: 1, maxLength: 2, pattern: "a", format: "date" }],
    [["array"], { minItems: 1, maxItems: 2, uniqueItems: true, contains: true, items: true, prefixItems: [true] }],
    [
      ["object"],
      {
        properties: {},
        patternProperties: {},
        additionalProperties: true,
        propertyNames: true,
        minProperties: 1,
        maxProperties: 2,
        required: ["a"],
      },
    ],
  ] as const)("of %s and nothing else something is said by %j", (subjects, keywords) => {
    for (const [keyword, given] of Object.entries(keywords)) {
      for (const type of ["string", "number", "integer", "boolean", "null", "array", "object"]) {
        const isAbout = (subjects as readonly string[]).includes(type);
        expect([keyword, type, problems(named({ type, [keyword]: given }))]).toEqual([
          keyword,
          type,
          isAbout ? [] : [`#/properties/a/${keyword}: says nothing of the type beside it`],
        ]);
      }
    }
  });

  test("where else something is wrong, circles are not looked for", () => {
    const circle = { allOf: [{ $ref: "#" }] };
    expect(problems(circle)).toEqual([expect.stringContaining("never ends")]);
    expect(problems({ ...circle, requird: [] })).toEqual([expect.stringContaining('did you mean "required"?')]);
  });

  test("patterns may have so many characters together, and as many of them as that", () => {
    const of = (length: number, before = "") => problems(named({ pattern: `${before}${"a".repeat(length - before.length)}` }));
    expect([of(2_048), of(2_049).length]).toEqual([[], 1]);
    // Of either case, sixteen times fewer.
    expect([of(128, "(?i)"), of(129, "(?i)").length]).toEqual([[], 1]);
    // One that stands twice is counted once.
    expect(problems({ properties: { a: { pattern: "a".repeat(2_000) }, b: { pattern: "a".repeat(2_000) } } })).toEqual([]);
  });

  test("all of it is told", () => {
    expect(problems({ properties: { a: { type: "int" }, b: { minimun: 3 } }, requird: [] })).toEqual([
      '#/properties/a/type: there is no type "int"; write integer',
      '#/properties/b/minimun: is no keyword of JSON Schema; did you mean "minimum"?',
      '#/requird: is no keyword of JSON Schema; did you mean "required"?',
    ]);
  });

  test("up to a number that people read", () => {
    for (const wrong of [{ tpe: "string" }, { tpe: "string", requird: 1 }, 3, { required: many(30, () => 1), items: 1 }]) {
      const found = problems({ properties: Object.fromEntries(many(200, (i) => [`f${i}`, wrong])) });
      expect(found.length).toBe(21);
      expect(found.at(-1)).toBe("#: may have more problems than these");
    }
    const references = problems({ allOf: many(30, () => ({ $ref: "#/x" })), dependentRequired: { a: 1 } });
    expect(references.length).toBe(21);
    expect(problems({ allOf: many(30, () => 1), title: "x", items: 1 }).length).toBe(21);
    expect(problems({ dependentRequired: Object.fromEntries(many(30, (i) => [`f${i}`, 1])) }).length).toBe(21);
  });
});

describe("names of authors and callers are only names", () => {
  const hostile = ["__proto__", "constructor", "toString", "hasOwnProperty", "*/", "'", '"', "`${", "\\", "a\u2028b", "]", ""];

  test.each(hostile)("%j", (name) => {
    const schema = JSON.parse(
      `{"properties":{${JSON.stringify(name)}:{"type":"number"}},"required":[${JSON.stringify(name)}],"additionalProperties":false}`,
    );
    const withValue = (value: string): JsonObject => JSON.parse(`{${JSON.stringify(name)}:${value}}`);
    expect(violations(schema, withValue("1"))).toEqual([]);
    expect(violations(schema, withValue('"x"')).length).toBe(1);
    expect(violations(schema, {})[0]).toMatch(/is missing$/);
    expect(violations({ additionalProperties: false }, withValue("1"))[0]).toMatch(/is not known$/);
    expect(violations({ dependentRequired: JSON.parse(`{${JSON.stringify(name)}:["x"]}`) }, {})).toEqual([]);
    expect(violations({ propertyNames: { const: name } }, withValue("1"))).toEqual([]);
  });

  test("a keyword is one of the schema's own", () => {
    expect(problems(JSON.parse('{"__proto__":{"type":"string"}}'))).toEqual(["#/__proto__: is no keyword of JSON Schema"]);
    expect(problems(JSON.parse('{"constructor":1}'))).toEqual(["#/constructor: is no keyword of JSON Schema"]);
  });

  test("equal values are equal whatever the order of their fields, and only those", () => {
    const unique = named({ uniqueItems: true });
    expect(
      violations(unique, {
        a: [
          { x: 1, y: [-0] },
          { y: [0], x: 1 },
        ],
      }).length,
    ).toBe(1);
    const different = [
      1,
      "1",
      true,
      "true",
      null,
      "null",
      [],
      {},
      [1],
      ["1"],
      { "a:1": 1 },
      { a: 1 },
      ["a,b"],
      ["a", "b"],
      [[1], 2],
      [[1, 2]],
    ];
    expect(violations(unique, { a: different })).toEqual([]);
  });
});

describe("a schema may refer to itself, as long as that ends", () => {
  const tree: JsonObject = { properties: { name: { type: "string" }, children: { items: { $ref: "#" } } } };

  test("for a part of the value", () => {
    expect(violations(tree, { children: [{ name: "a", children: [{ name: 3 }] }] })).toEqual([
      "metadata.children[0].children[0].name: is 3, must be a string",
    ]);
  });

  test.each<JsonObject>([
    { $ref: "#" },
    { allOf: [{ $ref: "#" }] },
    { not: { $ref: "#" } },
    { if: { $ref: "#" } },
    { dependentSchemas: { a: { $ref: "#" } } },
    { $defs: { a: { anyOf: [{ $ref: "#/$defs/b" }] }, b: { oneOf: [{ $ref: "#/$defs/a" }] } }, $ref: "#/$defs/a" },
  ])("not for the value itself: %j", (schema) => {
    expect(problems(schema)[0]).toMatch(/refers to itself for the same value, which never ends$/);
  });

  test("a chain of references has an end", () => {
    const chain = (length: number): JsonObject => ({
      $defs: Object.fromEntries(
        many(length, (i) => [`d${i}`, i + 1 < length ? { $ref: `#/$defs/d${i + 1}` } : { properties: { a: { $ref: "#" } } }]),
      ),
      $ref: "#/$defs/d0",
    });
    expect(problems(chain(32))).toEqual(["#: more than 32 schemas are within each other for one value"]);
    // The deepest metadata, through the longest chain at each level, asked in the way that takes most of the stack.
    const deepest = JSON.parse(`${'{"a":'.repeat(32)}1${"}".repeat(32)}`);
    expect(violations(chain(30), deepest)).toEqual([]);
    const alternatives = JSON.parse(JSON.stringify(chain(15)).replaceAll(/{"\$ref":("[^"]+")}/g, '{"anyOf":[{"$ref":$1}]}'));
    expect(violations(alternatives, deepest)).toEqual([]);
  });
});

describe("a schema is bounded", () => {
  test.each<[string, () => JsonObject, RegExp]>([
    ["bytes", () => ({ title: "é".repeat(33_000) }), /^#: has more than 65536 bytes$/],
    ["levels", () => JSON.parse(`${'{"not":'.repeat(65)}{}${"}".repeat(65)}`), /^#: is nested deeper than 64 levels$/],
    [
      "schemas",
      () => ({ properties: Object.fromEntries(many(schemaNodeCountMax, (i) => [`f${i}`, true])) }),
      /^#: has more than 2000 schemas$/,
    ],
    [
      "characters of patterns",
      () => named({ pattern: "a".repeat(2049) }),
      /^#\/properties\/a\/pattern: all patterns together may have 2048 characters/,
    ],
    [
      "letters of either case",
      () => named({ pattern: `(?i)${"k".repeat(128)}` }),
      /^#\/properties\/a\/pattern: all patterns together may have 2048 characters/,
    ],
    [
      "repetitions",
      () => named({ allOf: many(3, (i) => ({ pattern: `a{999}${i}` })) }),
      /^#\/properties\/a\/allOf\/2\/pattern: all patterns together may cost/,
    ],
    [
      "what it takes for no metadata",
      () => ({ allOf: many(10, (i) => ({ required: [`a${i}`] })), $defs: {}, ...doubling(30) }),
      /^#: takes more than 100000 steps for empty metadata$/,
    ],
  ])("in %s", (_, schema, problem) => {
    expect(problems(schema())[0]).toMatch(problem);
  });

  /** Each refers to the next one twice. */
  function doubling(levels: number): JsonObject {
    const next = (i: number): Json => ({ allOf: many(2, () => ({ $ref: `#/$defs/d${i + 1}` })) });
    return {
      $defs: Object.fromEntries(many(levels / 2, (i) => [`d${i}`, i + 1 < levels / 2 ? next(i) : {}])),
      $ref: "#/$defs/d0",
    };
  }

  test("a pattern that stands twice counts once", () => {
    expect(problems({ allOf: many(10, () => ({ pattern: "a".repeat(2000) })) })).toEqual([]);
  });
});

describe("a validation is bounded: beyond, it is refused and not cut short", () => {
  const wide: JsonObject = Object.fromEntries(many(4_900, (i) => [`k${i}`, i]));
  const list: JsonObject = { a: many(4_900, (i) => i) };
  const text: JsonObject = { a: "ab".repeat(20_000) };
  const numbers: JsonObject = Object.fromEntries(many(4_900, (i) => [`k${i}`, (i + 1) * 1e-300]));

  test.each<[string, JsonObject, JsonObject]>([
    ["fields, many times", { allOf: many(900, () => ({ minProperties: 1 })) }, wide],
    ["names", { propertyNames: { allOf: many(90, () => ({ maxLength: 9 })) } }, wide],
    ["comparisons", { allOf: many(900, () => ({ not: { const: 1 } })) }, wide],
    ["values, many times", { additionalProperties: { allOf: many(90, () => ({ type: "number" })) } }, wide],
    ["all but one", { additionalProperties: { not: { allOf: many(90, () => ({ type: "number" })) } } }, wide],
    ["decimals", { additionalProperties: { multipleOf: 1e-301 } }, numbers],
    ["patterns", named({ pattern: "(.*a){20}$" }), text],
    ["patterns of names", { patternProperties: { "(.*1){20}$": true } }, wide],
    ["patterns of other names", { patternProperties: { "(.*1){20}$": true }, additionalProperties: true }, wide],
    ["unique elements", { properties: { a: { allOf: many(90, () => ({ uniqueItems: true })) } } }, list],
    [
      "elements that are sought",
      { properties: { a: { allOf: many(90, () => ({ contains: { const: -1 }, minContains: 0 })) } } },
      list,
    ],
    ["elements", { properties: { a: { allOf: many(90, () => ({ items: { minimum: 0 } })) } } }, list],
    ["lengths", named({ allOf: many(900, () => ({ minLength: 1 })) }), text],
    [
      "missing names",
      { additionalProperties: { allOf: [{ dependentSchemas: { b: true } }, { required: many(60, (i) => `m${i}`) }] } },
      Object.fromEntries(many(2_400, (i) => [`k${i}`, { b: i }])),
    ],
    ["lists", named({ allOf: many(90, () => ({ not: { const: [1] } })) }), list],
    [
      "what depends on others",
      { additionalProperties: { dependentRequired: Object.fromEntries(many(60, (i) => [`m${i}`, []])) } },
      Object.fromEntries(many(2_400, (i) => [`k${i}`, { b: i }])),
    ],
    [
      "alternatives within alternatives",
      {
        additionalProperties: { $ref: "#/$defs/d0" },
        $defs: Object.fromEntries(
          many(14, (i) => [`d${i}`, i < 13 ? { anyOf: many(2, () => ({ $ref: `#/$defs/d${i + 1}` })) } : false]),
        ),
      },
      list,
    ],
  ])("%s", (_, schema, metadata) => {
    expect(violations(schema, metadata)).toEqual(["schema-too-expensive"]);
  });

  test("ordinary schemas of the largest metadata are far from it", () => {
    const field = { type: "integer", minimum: 0, maximum: 10_000, multipleOf: 1, not: { const: -1 } };
    expect(violations({ type: "object", additionalProperties: field, minProperties: 1 }, wide)).toEqual([]);
    expect(violations({ properties: { a: { items: field, uniqueItems: true } } }, list)).toEqual([]);
  });

  test("many objects that are the same", () => {
    const a = many(1_600, (i) => ({ a: 1, b: [i] }));
    expect(violations({ properties: { a: { allOf: many(90, () => ({ uniqueItems: true })) } } }, { a })).toEqual([
      "schema-too-expensive",
    ]);
    expect(violations({ properties: { a: { const: 1 } } }, { a: { ...wide } })).toEqual(["metadata.a: is an object, must be 1"]);
    const within = { const: wide };
    expect(violations({ $defs: { within }, additionalProperties: { $ref: "#/$defs/within" } }, { a: wide, b: wide })).toEqual([
      "schema-too-expensive",
    ]);
    expect(violations({ allOf: [{ not: { const: 1 } }, { not: { const: 2 } }] }, wide)).toEqual(["schema-too-expensive"]);
  });

  test("suggestions end before the budget does", () => {
    const known = Object.fromEntries(many(100, (i) => [`a-rather-long-name-of-a-field-${i}`, true]));
    const metadata = Object.fromEntries(many(30, (i) => [`another-long-name-of-a-field-${i}`, 1]));
    expect(violations({ properties: known, additionalProperties: false }, metadata).length).toBe(21);
  });
});
