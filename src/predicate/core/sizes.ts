import { charactersPerUnit, comparisonsOfPairsPerUnit, comparisonsPerUnit, zoneCost } from "./costs.ts";

/** How large a value is; as a bound from above, also everything within it. */
export type Sizes = {
  /** Characters of a text, or bytes. */
  readonly text: number;
  /** Elements of a list or map. */
  readonly items: number;
  /** What comparing it may cost. */
  readonly weight: number;
};

/** What is known of the call itself. */
type Facts = {
  /** Its last argument, if that is a literal. */
  readonly number: number | undefined;
  /** Of a literal pattern, for each character. */
  readonly instructions: number | undefined;
};

export const nothing: Sizes = { text: 0, items: 0, weight: 0 };

/** A name of a state, or a number or time as text. */
export const scalar: Sizes = { text: 64, items: 0, weight: 64 / charactersPerUnit };

export const unbounded: Sizes = { text: Infinity, items: Infinity, weight: Infinity };

export const union = (one: Sizes, other: Sizes): Sizes => ({
  text: Math.max(one.text, other.text),
  items: Math.max(one.items, other.items),
  weight: Math.max(one.weight, other.weight),
});

/** Nothing of what is unbounded is nothing. */
export const product = (one: number, other: number): number => (one === 0 || other === 0 ? 0 : one * other);

type Bound<Value> = (operands: readonly [Sizes, Sizes, Sizes], facts: Facts) => Value;

const texts: Bound<number> = ([one, two, three]) => (one.text + two.text + three.text) / charactersPerUnit;
const search: Bound<number> = ([text, sought], facts) =>
  product(text.text, sought.text) / comparisonsPerUnit + texts([text, sought, nothing], facts);
const sorting = ({ weight, items }: Sizes): number => product(weight, Math.ceil(Math.log2(1 + items)));
const pairs = (one: Sizes, other: Sizes): number => product(one.items, other.weight) / comparisonsOfPairsPerUnit;
const equality: Bound<number> = ([left, right]) =>
  Math.min(left.text, right.text) / charactersPerUnit + (Math.min(left.items, right.items) > 0 ? left.weight : 0);
const inserted = ([text, , by]: readonly [Sizes, Sizes, Sizes]): number => product(text.text + 1, by.text);

/** costs.ts charges these; what is not here handles text, or is a method of a time with a zone. */
const costs: Readonly<Record<string, Bound<number>>> = {
  "_==_": equality,
  "_!=_": equality,
  "@in": ([, container]) => Math.max(container.items, container.weight),
  "_+_": (operands, facts) => texts(operands, facts) + operands[0].items + operands[1].items,
  contains: search,
  indexOf: search,
  lastIndexOf: search,
  replace: (operands, facts) => search(operands, facts) + texts(operands, facts) + inserted(operands) / charactersPerUnit,
  split: search,
  join: ([list, separator]) => list.weight + product(list.items, separator.text) / charactersPerUnit,
  "lists.range": (_, { number }) => Math.max(0, number ?? Infinity),
  slice: ([list]) => list.items,
  flatten: ([list]) => list.weight,
  distinct: ([list]) => list.weight + pairs(list, list),
  reverse: (operands, facts) => texts(operands, facts) + operands[0].items,
  sort: ([list]) => sorting(list),
  "@sortByKeys": ([list, keys]) => list.items + sorting(keys),
  "sets.contains": ([one, other]) => pairs(one, other),
  "sets.intersects": ([one, other]) => pairs(one, other),
  "sets.equivalent": ([one, other]) => pairs(one, other) + pairs(other, one),
  "math.greatest": ([list]) => list.items,
  "math.least": ([list]) => list.items,
  "optional.unwrap": ([list]) => list.items,
  unwrapOpt: ([list]) => list.items,
  "@range": ([range], { number }) => product(range.items, number ?? Infinity),
  "cel.@mapInsert": ([, entries]) => entries.items,
  "@matches": ([text], { instructions }) => (1 + text.text) * (instructions ?? Infinity),
  matches: () => Infinity,
  format: () => Infinity,
};

const first: Bound<Sizes> = ([value]) => value;
const textOf = (text: number): Sizes => ({ text, items: 0, weight: text / charactersPerUnit });

/** Of a number or time, or of a text; a byte becomes one character at most, a character three bytes. */
const converted =
  (factor: number): Bound<Sizes> =>
  ([{ text }]) =>
    textOf(scalar.text + factor * text);

/** Of what is not a number, a bool or a time. */
const results: Readonly<Record<string, Bound<Sizes>>> = {
  "_+_": ([one, two]) => ({ text: one.text + two.text, items: one.items + two.items, weight: one.weight + two.weight }),
  "_[_]": first,
  "@select": first,
  "@optional": first,
  "optional.of": first,
  "optional.ofNonZeroValue": first,
  "optional.unwrap": first,
  unwrapOpt: first,
  value: first,
  string: converted(1),
  bytes: converted(3),
  charAt: first,
  substring: first,
  trim: first,
  lowerAscii: first,
  upperAscii: first,
  reverse: first,
  slice: first,
  distinct: first,
  sort: first,
  "@sortByKeys": first,
  first,
  last: first,
  flatten: ([list]) => ({ ...list, items: list.weight }),
  "math.greatest": first,
  "math.least": first,
  "lists.range": (_, { number }) => ({
    text: 0,
    items: Math.max(0, number ?? Infinity),
    weight: Math.max(0, number ?? Infinity),
  }),
  split: ([text]) => ({ ...text, items: text.text + 1, weight: text.text + 1 + text.text / charactersPerUnit }),
  replace: (operands) => textOf(operands[0].text + inserted(operands)),
  "@range": first,
  "@pairs": ([range]) => ({ text: range.text, items: Math.max(2, range.items), weight: range.weight + 3 * range.items }),
  "@list": first,
  "@map": first,
  "@append": ([, element]) => ({ ...element, weight: 1 + element.weight }),
};

/** Their results need no more than a `scalar`, or hold nothing that costs. */
const scalars = new Set(
  (
    "_==_ _!=_ _<_ _<=_ _>_ _>=_ _-_ _*_ _/_ _%_ -_ !_ @in @within @has @matches @not_strictly_false @collect @collectMap size contains " +
    "startsWith endsWith matches int uint double bool timestamp duration type indexOf lastIndexOf hasValue optional.none getFullYear " +
    "getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds getMilliseconds sets.contains " +
    "sets.equivalent sets.intersects math.ceil math.floor math.round math.trunc math.abs math.sign math.sqrt math.isNaN math.isInf math.isFinite"
  ).split(" "),
);

const three = ([one = nothing, two = nothing, last = nothing]: readonly Sizes[]): readonly [Sizes, Sizes, Sizes] => [
  one,
  two,
  last,
];

export function costAtMost(name: string, operands: readonly Sizes[], facts: Facts): number {
  const cost = Object.hasOwn(costs, name) ? costs[name] : undefined;
  if (cost !== undefined) return cost(three(operands), facts);
  // What expressions are lowered to looks at nothing.
  if (name.startsWith("@")) return 0;
  return texts(three(operands), facts) + (name.startsWith("get") ? zoneCost : 0);
}

export function mostOf(name: string, operands: readonly Sizes[], facts: Facts): Sizes {
  if (scalars.has(name)) return scalar;
  const result = Object.hasOwn(results, name) ? results[name] : undefined;
  return result === undefined ? unbounded : result(three(operands), facts);
}

/** Of these the cost grows with what is known to be there; of others the smallest data may cost nothing. */
const costly = new Set(["_+_", "lists.range", "@range", "@matches"]);

export function costAtLeast(name: string, operands: readonly Sizes[], facts: Facts): number {
  if (name === "@in") return operands[1]?.weight ?? 0;
  if (name === "lists.range" && facts.number === undefined) return 0;
  return costly.has(name) ? costAtMost(name, operands, facts) : 0;
}

const sized = new Set(["_+_", "lists.range", "@range"]);

export function leastOf(name: string, operands: readonly Sizes[], facts: Facts): Sizes {
  if (name === "lists.range" && facts.number === undefined) return nothing;
  return sized.has(name) ? mostOf(name, operands, facts) : nothing;
}
