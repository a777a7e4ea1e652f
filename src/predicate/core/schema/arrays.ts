import { counted } from "../../../kernel/text.ts";
import { canonical } from "./equal.ts";
import { countOf, type Keyword, type Part, schemasOf } from "./part.ts";
import { type Assertion, fail, holds, isOver, type Node, quietly } from "./run.ts";
import { shown } from "./words.ts";

const sizeBound =
  (words: string, allows: (size: number, limit: number) => boolean): Keyword =>
  (given, part) => {
    const limit = countOf(given, part);
    if (limit === undefined) return undefined;
    return (value, at, run) =>
      !Array.isArray(value) ||
      allows(value.length, limit) ||
      fail(run, at, () => `has ${counted(value.length, "element")}, must have ${words} ${limit}`);
  };

export const minItems = sizeBound("at least", (size, limit) => size >= limit);
export const maxItems = sizeBound("at most", (size, limit) => size <= limit);

export const uniqueItems: Keyword = (given, part) => {
  if (typeof given !== "boolean") return part.problem(`is ${shown(given)}, must be true or false`);
  if (!given) return undefined;
  return (value, at, run) => {
    if (!Array.isArray(value)) return true;
    const seen = new Map<string, number>();
    for (const [index, element] of value.entries()) {
      const text = canonical(element, run);
      if (isOver(run)) return false;
      const first = seen.get(text);
      if (first !== undefined)
        return fail(run, { within: at, key: index }, () => `is the same as [${first}]; each must be there once`);
      seen.set(text, index);
    }
    return true;
  };
};

export const prefixItems: Keyword = (given, part) => {
  const nodes = schemasOf(given, part)?.map((schema, index) => part.schemaWithin(schema, index));
  return nodes && each((index) => nodes[index], 0, nodes.length);
};

/** Of what `prefixItems` leaves. */
export const items: Keyword = (given, part) => {
  if (Array.isArray(given)) return part.problem("is an array, must be a schema; write prefixItems for one schema an element");
  return rest(given, part, part.schema["prefixItems"]);
};

/** draft-07: one schema for all, or one an element. */
export const itemsOrPrefix: Keyword = (given, part) =>
  Array.isArray(given) ? prefixItems(given, part) : rest(given, part, undefined);

export const additionalItems: Keyword = (given, part) => {
  const { items: prefix } = part.schema;
  return Array.isArray(prefix) ? rest(given, part, prefix) : part.problem('does nothing, unless "items" is an array');
};

function rest(given: Parameters<Keyword>[0], part: Part, prefix: Parameters<Keyword>[0] | undefined): Assertion {
  const node = part.schemaWithin(given);
  return each(() => node, Array.isArray(prefix) ? prefix.length : 0, Number.POSITIVE_INFINITY);
}

function each(nodeOf: (index: number) => Node | undefined, from: number, to: number): Assertion {
  return (value, at, run) => {
    if (!Array.isArray(value)) return true;
    let all = true;
    for (
      let index = from;
      index < Math.min(to, value.length) && (all || run.findings !== undefined) && !isOver(run);
      index += 1
    ) {
      const node = nodeOf(index);
      if (node !== undefined && !holds(node, value[index], { within: at, key: index }, run)) all = false;
    }
    return all;
  };
}

export const contains: Keyword = (given, part) => {
  const node = part.schemaWithin(given);
  const { minContains: given1, maxContains: given2 } = part.schema;
  const least = typeof given1 === "number" ? given1 : 1;
  const most = typeof given2 === "number" ? given2 : Number.POSITIVE_INFINITY;
  return (value, at, run) => {
    if (!Array.isArray(value)) return true;
    const quiet = quietly(run);
    let count = 0;
    for (let index = 0; index < value.length && !isOver(run); index += 1) {
      if (holds(node, value[index], { within: at, key: index }, quiet)) count += 1;
    }
    if (count < least)
      return fail(run, at, () => `has ${counted(count, "element")} as "contains" asks, must have at least ${least}`);
    return count <= most || fail(run, at, () => `has ${counted(count, "element")} as "contains" asks, must have at most ${most}`);
  };
};

/** `contains` reads it. */
export const containsBound: Keyword = (given, part) => {
  if (part.schema["contains"] === undefined) return part.problem('does nothing without "contains"');
  countOf(given, part);
  return undefined;
};
