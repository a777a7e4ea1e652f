// The worst schemas and metadata that are known, in ms of CPU: to compile, and to validate, first and in the middle of 25.
// Each must be below `loopHoldMsMax`, since both hold the event loop.
import { threadCpuUsage } from "node:process";
import type { Json, JsonObject } from "../src/kernel/json.ts";
import { compileSchema, violationsOf } from "../src/predicate/core/metadata-schema.ts";

const many = <T>(count: number, of: (index: number) => T): readonly T[] => Array.from({ length: count }, (_, index) => of(index));
const fields = (count: number, of: (index: number) => Json, name = "k"): JsonObject =>
  Object.fromEntries(many(count, (index) => [`${name}${index}`, of(index)]));
const nested = (levels: number, leaf: Json): Json => (levels === 0 ? leaf : { a: nested(levels - 1, leaf) });

const wide = fields(4_900, (index) => index);
const list: JsonObject = { a: many(4_900, (index) => index) };
const long = "a-rather-long-name-of-a-field-no-";

/** Each definition refers to the next one, in the way that `refer` says. */
function chain(length: number, refer: (next: Json) => Json, last: Json): JsonObject {
  const definition = (index: number): Json => (index + 1 < length ? refer({ $ref: `#/$defs/d${index + 1}` }) : last);
  return { $defs: fields(length, definition, "d") };
}

const cases: Readonly<Record<string, readonly [schema: JsonObject, metadata: JsonObject]>> = {
  "1,640 properties": [{ properties: fields(40, () => ({ properties: fields(40, () => ({ type: ["integer", "null"] })) })) }, {}],
  "660 properties with four keywords": [
    { properties: fields(660, () => ({ type: "string", minLength: 1, maxLength: 80, enum: ["a"] })) },
    fields(660, () => "b"),
  ],
  "20 problems and more": [{ properties: fields(1_000, () => ({ typo: 1, requird: 2 })) }, {}],
  "ten keywords for each value": [
    {
      additionalProperties: {
        type: "integer",
        minimum: 0,
        maximum: 9_999,
        multipleOf: 1,
        not: { const: -1 },
        enum: many(99, (n) => n),
      },
    },
    wide,
  ],
  "fields, counted": [{ allOf: many(1_900, () => ({ minProperties: 1 })) }, wide],
  "fields, compared": [{ allOf: many(900, () => ({ not: { const: 1 } })) }, wide],
  "values, many times": [{ additionalProperties: { allOf: many(1_900, () => ({ type: "number" })) } }, wide],
  decimals: [{ additionalProperties: { multipleOf: 1e-300 } }, fields(4_900, (index) => Number.MAX_VALUE / (index + 1))],
  "a pattern": [{ additionalProperties: { pattern: "(.*a){20}$" } }, fields(100, () => "ab".repeat(300))],
  "patterns of names": [{ patternProperties: fields(100, () => true, "(.*)-") }, wide],
  "unique objects": [
    { additionalProperties: { allOf: many(500, () => ({ uniqueItems: true })) } },
    { a: many(400, (n) => ({ a: n, b: [n, "x", { c: `dddddddd${n}` }] })) },
  ],
  "unique numbers": [{ additionalProperties: { uniqueItems: true } }, list],
  "what is contained": [{ properties: { a: { allOf: many(300, () => ({ contains: { const: -1 }, minContains: 0 })) } } }, list],
  "a chain at each level": [
    { ...chain(30, (next) => next, { properties: { a: { $ref: "#" } } }), $ref: "#/$defs/d0" },
    nested(31, 1) as JsonObject,
  ],
  "doubled at each step": [
    { ...chain(15, (next) => ({ anyOf: [next, next] }), { type: "string" }), additionalProperties: { $ref: "#/$defs/d0" } },
    wide,
  ],
  "reasons of alternatives": [
    {
      additionalProperties: {
        anyOf: many(3, (n) => ({ additionalProperties: false, properties: fields(100, () => true, `${long}${n}-`) })),
      },
    },
    fields(400, () => fields(10, () => 1, `${long}x-`)),
  ],
  suggestions: [
    { additionalProperties: false, properties: fields(100, () => true, long) },
    fields(1_000, () => 1, `another-${long}`),
  ],
  "an address": [{ additionalProperties: { format: "uri" } }, { a: `http://${"a%20".repeat(15_000)}` }],
  "a repeated pattern": [{ properties: fields(2, (n) => ({ pattern: `a{999}${n}` })) }, {}],
  "letters of either case": [{ properties: { a: { pattern: `(?i)${"k".repeat(120)}` } } }, {}],
  "long patterns": [{ properties: fields(10, (n) => ({ pattern: `${"[a-z0-9]x".repeat(20)}${n}` })) }, {}],
};

const repeats = 25;

function measured<T>(work: () => T): readonly [ms: number, T] {
  const before = threadCpuUsage();
  const result = work();
  const { user, system } = threadCpuUsage(before);
  return [(user + system) / 1000, result];
}

const shown = (ms: number): string => ms.toFixed(1).padStart(6);
const middle = (each: readonly number[]): number => each.toSorted((a, b) => a - b)[Math.floor(each.length / 2)] ?? 0;

for (const [name, [schema, metadata]] of Object.entries(cases)) {
  const compiled = many(repeats, () => measured(() => compileSchema(schema)));
  const result = compiled[0]?.[1];
  const times = compiled.map(([ms]) => ms);
  const compiling = `compile ${shown(times[0] ?? 0)} ${shown(middle(times))}`;
  if (result?.ok !== true) {
    console.log(`${name.padEnd(36)} ${compiling}   refused: ${result?.error[0]?.message}`);
    continue;
  }
  const validated = many(repeats, () => measured(() => violationsOf(result.value, metadata)));
  const answer = validated[0]?.[1];
  const each = validated.map(([ms]) => ms);
  const outcome = answer?.ok === true ? `${answer.value.length} violations` : answer?.error.type;
  console.log(`${name.padEnd(36)} ${compiling}   validate ${shown(each[0] ?? 0)} ${shown(middle(each))}   ${outcome}`);
}
