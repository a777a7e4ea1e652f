import type { Json, JsonObject } from "../../../kernel/json.ts";
import type { Regex } from "../regex.ts";
import type { Assertion, Node } from "./run.ts";
import { shown } from "./words.ts";

export type Draft = "2020-12" | "draft-07";

/** A keyword of a schema, while that is compiled. */
export type Part = {
  /** With the keywords beside it. */
  readonly schema: JsonObject;
  /** What is wrong with it. */
  readonly problem: (message: string) => undefined;
  /** A schema for a part of the value. `keys` lead to it from the keyword. */
  readonly schemaWithin: (given: Json, ...keys: readonly (string | number)[]) => Node;
  /** A schema for the same value. */
  readonly schemaHere: (given: Json, ...keys: readonly (string | number)[]) => Node;
  /** The schema that a `$ref` names, once all are compiled. */
  readonly referred: (reference: string) => { readonly node: Node };
  readonly regex: (pattern: string) => Regex | undefined;
  readonly beside: (keyword: string) => Part;
};

/** Nothing: it says nothing of values, or something is wrong with it. */
export type Keyword = (given: Json, part: Part) => Assertion | undefined;

/** The readers say what is wrong with what is given. */
export function countOf(given: Json, part: Part): number | undefined {
  if (typeof given === "number" && Number.isSafeInteger(given) && given >= 0) return given;
  return part.problem(`is ${shown(given)}, must be a whole number, at least 0`);
}

export function textOf(given: Json, part: Part): string | undefined {
  return typeof given === "string" ? given : part.problem(`is ${shown(given)}, must be a string`);
}

export function listOf(given: Json, part: Part): readonly Json[] | undefined {
  return Array.isArray(given) ? given : part.problem(`is ${shown(given)}, must be an array`);
}

export function schemasOf(given: Json, part: Part): readonly Json[] | undefined {
  if (Array.isArray(given) && given.length > 0) return given;
  return part.problem(`${Array.isArray(given) ? "is empty" : `is ${shown(given)}`}, must be an array of schemas`);
}

export function namesOf(given: Json, part: Part): readonly string[] | undefined {
  if (Array.isArray(given) && given.every((name) => typeof name === "string")) return given;
  return part.problem(`must be an array of names`);
}

export function fieldsOf(given: Json, part: Part): readonly (readonly [string, Json])[] | undefined {
  return isObject(given) ? Object.entries(given) : part.problem(`is ${shown(given)}, must be an object`);
}

export const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
