import {
  holesRange,
  intersectRanges,
  type Order,
  type Ordered,
  orderRange,
  pointsRange,
  type Range,
  wholeRange,
} from "./range.ts";

/** The values of a term that are compared by size. A number is one of any type. */
export type Family = "number" | "text" | "time" | "span";

/** What else a term may be. `other`: of a type that is looked at no closer, such as a list. `error`: it has no value. */
export type Flag = "error" | "other" | "nan" | "null" | "true" | "false";

/** All that a term may be. */
export type Domain = { readonly flags: ReadonlySet<Flag>; readonly ranges: ReadonlyMap<Family, Range> };

/** A value that stands in the expression. */
export type Constant = { readonly type: Family; readonly value: Ordered } | { readonly type: "null" | "true" | "false" };

const families: readonly Family[] = ["number", "text", "time", "span"];
const flags: readonly Flag[] = ["error", "other", "nan", "null", "true", "false"];

const domain = (flagged: readonly Flag[], ranges: readonly (readonly [Family, Range])[] = []): Domain => ({
  flags: new Set(flagged),
  ranges: new Map(ranges),
});

export const anything: Domain = domain(
  flags,
  families.map((family) => [family, wholeRange] as const),
);

export const flagged = (...only: readonly Flag[]): Domain => domain(only);

export const ranged = (family: Family, range: Range, ...also: readonly Flag[]): Domain => domain(also, [[family, range]]);

const without = (...gone: readonly Flag[]): Domain => ({
  ...anything,
  flags: new Set(flags.filter((flag) => !gone.includes(flag))),
});

export const noError: Domain = without("error");

/** Undefined: nothing is in both. */
export function intersect(one: Domain, other: Domain): Domain | undefined {
  if (one === anything) return other.flags.size + other.ranges.size === 0 ? undefined : other;
  const both = [...one.flags].filter((flag) => other.flags.has(flag));
  const ranges: [Family, Range][] = [];
  for (const [family, range] of one.ranges) {
    const second = other.ranges.get(family);
    const left = second && intersectRanges(range, second);
    if (left !== undefined) ranges.push([family, left]);
  }
  return both.length + ranges.length === 0 ? undefined : domain(both, ranges);
}

/** How an atom may end. `error` stands also for a value that is no bool. */
export type Outcome = "true" | "false" | "not true" | "not false";

export const opposite: Readonly<Record<Outcome, Outcome>> = {
  true: "false",
  false: "true",
  "not true": "not false",
  "not false": "not true",
};

/** What is asked of a term. */
export type Test =
  /** Whether it is true. */
  | { readonly type: "is" }
  /** Whether it equals one of these. */
  | { readonly type: "equals"; readonly constants: readonly Constant[] }
  | { readonly type: "order"; readonly order: Order; readonly family: Family; readonly value: Ordered };

/** What the term is if its test ends so. */
export function domainOf(test: Test, outcome: Outcome): Domain {
  switch (test.type) {
    case "is":
      return isDomain(outcome);
    case "equals":
      return equalsDomain(test.constants, outcome);
    case "order":
      return orderDomain(test, outcome);
  }
}

function isDomain(outcome: Outcome): Domain {
  if (outcome === "true" || outcome === "false") return flagged(outcome);
  return outcome === "not true" ? without("true") : without("false");
}

/** Whatever has a value is equal or not. */
function equalsDomain(constants: readonly Constant[], outcome: Outcome): Domain {
  const isEqual = outcome === "true" || outcome === "not false";
  const errors: readonly Flag[] = outcome === "true" || outcome === "false" ? [] : ["error"];
  const named = constants.map(({ type }) => type).filter((type) => flags.includes(type as Flag)) as Flag[];
  const valuesOf = (family: Family) => constants.flatMap((each) => (each.type === family && "value" in each ? [each.value] : []));
  if (isEqual) {
    const points = families.map((family) => [family, valuesOf(family)] as const).filter(([, values]) => values.length > 0);
    return domain(
      [...named, ...errors],
      points.map(([family, values]) => [family, pointsRange(values)] as const),
    );
  }
  const others = flags.filter((flag) => flag !== "error" && !named.includes(flag));
  return domain(
    [...others, ...errors],
    families.map((family) => [family, holesRange(valuesOf(family))] as const),
  );
}

const reversed: Readonly<Record<Order, Order>> = { "<": ">=", "<=": ">", ">": "<=", ">=": "<" };

/** What is of another type has no order with the value: an error. What is no number is neither more nor less. */
function orderDomain({ order, family, value }: Extract<Test, { type: "order" }>, outcome: Outcome): Domain {
  const [inside, outside] = [orderRange(order, value), orderRange(reversed[order], value)];
  const nan: readonly Flag[] = family === "number" ? ["nan"] : [];
  switch (outcome) {
    case "true":
      return ranged(family, inside);
    case "false":
      return ranged(family, outside, ...nan);
    case "not true":
      return { ...anything, ranges: new Map([...anything.ranges, [family, outside]]) };
    case "not false":
      return { flags: without(...nan).flags, ranges: new Map([...anything.ranges, [family, inside]]) };
  }
}
