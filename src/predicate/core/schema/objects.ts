import { assert } from "../../../kernel/assert.ts";
import type { JsonObject } from "../../../kernel/json.ts";
import { counted } from "../../../kernel/text.ts";
import type { Regex } from "../regex.ts";
import { countOf, fieldsOf, isObject, type Keyword, namesOf } from "./part.ts";
import { type Assertion, fail, holds, isOver, type Node, type Run, spend } from "./run.ts";
import { suggestion } from "./suggestion.ts";
import { fits } from "./texts.ts";
import { named, type Place } from "./words.ts";

const fieldCountBound =
  (words: string, allows: (count: number, limit: number) => boolean): Keyword =>
  (given, part) => {
    const limit = countOf(given, part);
    if (limit === undefined) return undefined;
    return ofFields(
      (names, _, at, run) =>
        allows(names.length, limit) || fail(run, at, () => `has ${counted(names.length, "field")}, must have ${words} ${limit}`),
    );
  };

export const minProperties = fieldCountBound("at least", (count, limit) => count >= limit);
export const maxProperties = fieldCountBound("at most", (count, limit) => count <= limit);

function ofFields(asserts: (names: readonly string[], value: JsonObject, at: Place, run: Run) => boolean): Assertion {
  return (value, at, run) => {
    if (!isObject(value)) return true;
    const names = Object.keys(value);
    return spend(run, 2 * names.length) && asserts(names, value, at, run);
  };
}

/** Of each name, what `asserts` says; after the first that does not hold no more if nobody wants to know. */
function ofEach(asserts: (name: string, value: JsonObject, at: Place, run: Run) => boolean): Assertion {
  return ofFields((names, value, at, run) => {
    let all = true;
    for (const name of names) {
      if (asserts(name, value, at, run)) continue;
      if (run.findings === undefined || isOver(run)) return false;
      all = false;
    }
    return all;
  });
}

const holdsIn = (node: Node, name: string, value: JsonObject, at: Place, run: Run): boolean =>
  holds(node, value[name] ?? null, { within: at, key: name }, run);

export const properties: Keyword = (given, part) => {
  const fields = fieldsOf(given, part)?.map(([name, schema]) => [name, part.schemaWithin(schema, name)] as const);
  if (fields === undefined) return undefined;
  const nodes = new Map(fields);
  return ofEach((name, value, at, run) => {
    const node = nodes.get(name);
    return node === undefined || holdsIn(node, name, value, at, run);
  });
};

export const patternProperties: Keyword = (given, part) => {
  const fields = fieldsOf(given, part)?.map(
    ([source, schema]) => [part.regex(source), part.schemaWithin(schema, source)] as const,
  );
  if (fields === undefined) return undefined;
  return ofEach((name, value, at, run) => {
    let all = true;
    for (const [regex, node] of fields) {
      if (regex !== undefined && fits(regex, name, run) && !holdsIn(node, name, value, at, run)) all = false;
    }
    return all && !isOver(run);
  });
};

/** Of what `properties` and `patternProperties` leave. */
export const additionalProperties: Keyword = (given, part) => {
  const node = part.schemaWithin(given);
  const { properties: listed = {}, patternProperties: patterns = {} } = part.schema;
  const names = isObject(listed) ? Object.keys(listed) : [];
  const known = new Set(names);
  const regexes = isObject(patterns) ? Object.keys(patterns).map((source) => part.beside("patternProperties").regex(source)) : [];
  const isLeft = (name: string, run: Run): boolean =>
    !known.has(name) && !regexes.some((regex: Regex | undefined) => regex !== undefined && fits(regex, name, run));
  return ofEach((name, value, at, run) => {
    if (!isLeft(name, run)) return !isOver(run);
    if (given !== false) return holdsIn(node, name, value, at, run);
    return fail(run, { within: at, key: name }, () => `is not known${suggestion(name, names, run)}`);
  });
};

export const propertyNames: Keyword = (given, part) => {
  const node = part.schemaWithin(given);
  // At the object itself: what is there is the name, not the value.
  return ofEach((name, _, at, run) => holds(node, name, { within: at, key: name }, run));
};

export const required: Keyword = (given, part) => {
  const names = namesOf(given, part);
  return names && ((value, at, run) => !isObject(value) || hasAll(names, value, at, run, "is missing"));
};

function hasAll(names: readonly string[], value: JsonObject, at: Place, run: Run, words: string): boolean {
  if (!spend(run, names.length)) return false;
  let all = true;
  for (const name of names) {
    if (Object.hasOwn(value, name)) continue;
    all = fail(run, { within: at, key: name }, () => words);
  }
  return all;
}

export const dependentRequired: Keyword = (given, part) => {
  const fields = fieldsOf(given, part)?.map(([name, names]) => [name, namesOf(names, part) ?? []] as const);
  return (
    fields &&
    dependent(
      fields,
      (names, name) => (value, at, run) =>
        hasAll(names, value as JsonObject, at, run, `is missing, and needed beside ${named(name)}`),
    )
  );
};

export const dependentSchemas: Keyword = (given, part) => {
  const fields = fieldsOf(given, part)?.map(([name, schema]) => [name, part.schemaHere(schema, name)] as const);
  return fields && dependent(fields, (node) => (value, at, run) => holds(node, value, at, run));
};

/** draft-07: names, or a schema. */
export const dependencies: Keyword = (given, part) => {
  const fields = fieldsOf(given, part);
  if (fields === undefined) return undefined;
  const isNames = ([, needed]: (typeof fields)[number]): boolean => Array.isArray(needed);
  const names = dependentRequired(Object.fromEntries(fields.filter(isNames)), part);
  const schemas = dependentSchemas(Object.fromEntries(fields.filter((field) => !isNames(field))), part);
  assert(names && schemas, "both are given objects");
  return (value, at, run) => {
    const [first, second] = [names(value, at, run), schemas(value, at, run)];
    return first && second;
  };
};

function dependent<T>(fields: readonly (readonly [string, T])[], assertionOf: (needed: T, name: string) => Assertion): Assertion {
  const assertions = fields.map(([name, needed]) => [name, assertionOf(needed, name)] as const);
  return (value, at, run) => {
    if (!isObject(value)) return true;
    if (!spend(run, assertions.length)) return false;
    let all = true;
    for (const [name, assertion] of assertions) {
      if (Object.hasOwn(value, name) && !assertion(value, at, run)) all = false;
    }
    return all;
  };
}
