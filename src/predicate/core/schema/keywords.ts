import {
  additionalItems,
  contains,
  containsBound,
  items,
  itemsOrPrefix,
  maxItems,
  minItems,
  prefixItems,
  uniqueItems,
} from "./arrays.ts";
import { allOf, anyOf, branch, ifThenElse, not, oneOf, reference } from "./combinators.ts";
import { exclusiveMaximum, exclusiveMinimum, maximum, minimum, multipleOf } from "./numbers.ts";
import {
  additionalProperties,
  dependencies,
  dependentRequired,
  dependentSchemas,
  maxProperties,
  minProperties,
  patternProperties,
  properties,
  propertyNames,
  required,
} from "./objects.ts";
import { type Draft, fieldsOf, type Keyword } from "./part.ts";
import { format, maxLength, minLength, pattern } from "./texts.ts";
import { constant, oneOfValues, type } from "./values.ts";

/** For people and other programs; it says nothing of values. */
const annotation: Keyword = () => undefined;

/** Schemas that are there to be referred to. */
const definitions: Keyword = (given, part) => {
  for (const [name, schema] of fieldsOf(given, part) ?? []) part.schemaWithin(schema, name);
  return undefined;
};

const annotations: readonly string[] = [
  "$schema",
  "$comment",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "contentEncoding",
  "contentMediaType",
  "contentSchema",
];

/** What may stand beside a `$ref` of draft-07, which ignores all else there. */
export const besideReference: ReadonlySet<string> = new Set(["$ref", "$id", "definitions", "$defs", ...annotations]);

const common: readonly (readonly [string, Keyword])[] = [
  ...annotations.map((name) => [name, annotation] as const),
  ["$ref", reference],
  ["$defs", definitions],
  ["definitions", definitions],
  ["type", type],
  ["const", constant],
  ["enum", oneOfValues],
  ["minimum", minimum],
  ["maximum", maximum],
  ["exclusiveMinimum", exclusiveMinimum],
  ["exclusiveMaximum", exclusiveMaximum],
  ["multipleOf", multipleOf],
  ["minLength", minLength],
  ["maxLength", maxLength],
  ["pattern", pattern],
  ["format", format],
  ["minItems", minItems],
  ["maxItems", maxItems],
  ["uniqueItems", uniqueItems],
  ["contains", contains],
  ["properties", properties],
  ["patternProperties", patternProperties],
  ["additionalProperties", additionalProperties],
  ["propertyNames", propertyNames],
  ["minProperties", minProperties],
  ["maxProperties", maxProperties],
  ["required", required],
  ["allOf", allOf],
  ["anyOf", anyOf],
  ["oneOf", oneOf],
  ["not", not],
  ["if", ifThenElse],
  ["then", branch],
  ["else", branch],
];

export const keywordsOf: Readonly<Record<Draft, ReadonlyMap<string, Keyword>>> = {
  "2020-12": new Map([
    ...common,
    ["items", items],
    ["prefixItems", prefixItems],
    ["minContains", containsBound],
    ["maxContains", containsBound],
    ["dependentRequired", dependentRequired],
    ["dependentSchemas", dependentSchemas],
  ]),
  "draft-07": new Map([
    ...common,
    ["items", itemsOrPrefix],
    ["additionalItems", additionalItems],
    ["dependencies", dependencies],
  ]),
};

/** Of what they say something. */
const subjects: readonly (readonly [types: readonly string[], keywords: readonly string[]])[] = [
  [
    ["number", "integer"],
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  ],
  [["string"], ["minLength", "maxLength", "pattern", "format"]],
  [["array"], ["minItems", "maxItems", "uniqueItems", "contains", "items", "prefixItems", "additionalItems"]],
  [
    ["object"],
    ["properties", "patternProperties", "additionalProperties", "propertyNames", "minProperties", "maxProperties", "required"],
  ],
];

export const subjectOf: ReadonlyMap<string, readonly string[]> = new Map(
  subjects.flatMap(([types, keywords]) => keywords.map((keyword) => [keyword, types] as const)),
);

/** Of other drafts, and what would need more than the document or the value: what to write instead. */
export const advice: ReadonlyMap<string, string> = new Map([
  ["additionalItems", 'is of draft-07; in 2020-12 write "prefixItems" and "items"'],
  ["dependencies", 'is of draft-07; in 2020-12 write "dependentRequired" or "dependentSchemas"'],
  ["prefixItems", 'is of draft 2020-12; in draft-07 write "items" with an array'],
  ["minContains", "is of draft 2020-12"],
  ["maxContains", "is of draft 2020-12"],
  ["dependentRequired", 'is of draft 2020-12; in draft-07 write "dependencies"'],
  ["dependentSchemas", 'is of draft 2020-12; in draft-07 write "dependencies"'],
  ["unevaluatedProperties", 'is not supported; list all properties in one schema with "additionalProperties"'],
  ["unevaluatedItems", 'is not supported; write "items" beside "prefixItems"'],
  ["$id", "is not supported within a schema; refer with #/…"],
  ["id", "is of draft-04; a schema needs none"],
  ["$anchor", "is not supported; refer with #/…"],
  ["$dynamicRef", 'is not supported; write "$ref" with #/…'],
  ["$dynamicAnchor", "is not supported; refer with #/…"],
  ["$recursiveRef", 'is not supported; write "$ref" with #/…'],
  ["$vocabulary", "is not supported"],
  ["nullable", 'is of OpenAPI; write "type": ["…", "null"]'],
]);
