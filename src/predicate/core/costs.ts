import { type CelFunc, type CelValue, isCelList, isCelMap } from "@bufbuild/cel";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { isContainer } from "./maps.ts";
import { heldBy } from "./optional.ts";
import type { Check } from "./types.ts";

// docs/rules.md has this as a table; test/unit/predicate/costs.test.ts holds what expressions cost. A unit takes about 1 µs at most.

/** Text is handled so many characters at a time. */
export const charactersPerUnit = 16;

/** A search compares each character of the text with each one of the part, at worst. */
export const comparisonsPerUnit = 1024;

/** Of elements that are compared each with each. */
export const comparisonsOfPairsPerUnit = 16;

/** To find a time zone and its offset. */
export const zoneCost = 50;

/** To make a CEL value of an element of JSON. */
const elementsPerUnit = 10;

/** Of a function, from its arguments; the target of a method is the first. What costs more than `left` may be counted short. */
type Cost = (args: readonly CelValue[], left: number) => number;

const free: Cost = () => 0;
const elements: Cost = ([list]) => listSize(list);
const search: Cost = ([text, part]) => (textSize(text) * textSize(part)) / comparisonsPerUnit;
/** Each element of one list with each of the other, at worst. */
const pairs: Cost = ([one, other], left) => (listSize(one) * comparisonCost(other, left)) / comparisonsOfPairsPerUnit;
const sorting: Cost = ([list], left) => comparisonCost(list, left) * Math.ceil(Math.log2(1 + listSize(list)));

const costs: Readonly<Record<string, Cost>> = {
  "_==_": ([left, right], budget) => equalityCost(left, right, budget),
  "_!=_": ([left, right], budget) => equalityCost(left, right, budget),
  "@in": ([, container], left) => (isCelMap(container) ? container.size / charactersPerUnit : comparisonCost(container, left)),
  "_+_": (args) => textCost(args) + listSize(args[0]) + listSize(args[1]),
  contains: search,
  indexOf: (args, left) => search(args, left) + textCost(args),
  lastIndexOf: (args, left) => search(args, left) + textCost(args),
  // What they make is charged when its size is known.
  replace: (args, left) => search(args, left) + textCost(args),
  split: (args, left) => search(args, left) + textCost(args),
  join: ([list, separator], left) => comparisonCost(list, left) + (listSize(list) * textSize(separator)) / charactersPerUnit,
  format: ([template, args], left) => textSize(template) / charactersPerUnit + comparisonCost(args, left),
  "lists.range": ([size]) => Number(size),
  slice: elements,
  flatten: ([list], left) => comparisonCost(list, left),
  distinct: ([list], left) => comparisonCost(list, left) + pairs([list ?? null, list ?? null], left),
  reverse: (args) => textCost(args) + listSize(args[0]),
  sort: sorting,
  "@sortByKeys": (args, left) => listSize(args[0]) + sorting(args.slice(1), left),
  "sets.contains": pairs,
  "sets.intersects": pairs,
  "sets.equivalent": ([one = null, other = null], left) => pairs([one, other], left) + pairs([other, one], left),
  "math.greatest": elements,
  "math.least": elements,
  "optional.unwrap": elements,
  unwrapOpt: elements,
  "optional.of": free,
  "optional.ofNonZeroValue": free,
  "@optional": free,
  "@select": free,
  "@has": free,
  "@list": free,
  // Charged step by step: what a match costs is known when its pattern is compiled.
  matches: free,
  "@matches": free,
};

/** What a function costs besides being called. Undefined: it is done in no time, whatever its arguments. */
export function costOf(func: CelFunc): Cost | undefined {
  if (!canTakeLong(func)) return undefined;
  // Of all methods of times, only those take text, and that names a zone.
  return costs[func.name] ?? (func.target?.name === TimestampSchema.typeName ? () => zoneCost : textCost);
}

/** What has a cost of its own, or takes text or bytes. */
function canTakeLong(func: CelFunc): boolean {
  return (
    Object.hasOwn(costs, func.name) ||
    [func.target, ...func.arguments].some((type) => type !== undefined && ["string", "bytes", "dyn"].includes(type.name))
  );
}

/** What it costs to let rules see the data of a check. Each part is made once, for all rules. */
export function dataCost(check: Check): number {
  return jsonOf(check).reduce<number>((sum, json) => sum + elementCount(json), 0) / elementsPerUnit;
}

const jsonOf = ({ workflow, lastEvent, context, proposed }: Check): readonly unknown[] => [
  workflow.metadata,
  context,
  ...(proposed ? [proposed] : []),
  ...(lastEvent ? [lastEvent.metadata] : []),
];

function elementCount(json: unknown): number {
  if (typeof json !== "object" || json === null) return 1;
  let count = 1;
  for (const value of Object.values(json)) count += elementCount(value);
  return count;
}

/** How much memory the data of a check takes, roughly. */
export function dataBytes(check: Check): number {
  return jsonOf(check).reduce<number>((sum, json) => sum + jsonBytes(json), check.reason.length);
}

function jsonBytes(json: unknown): number {
  if (typeof json === "string") return json.length;
  if (typeof json !== "object" || json === null) return 8;
  return Object.entries(json).reduce((sum, [key, value]) => sum + key.length + jsonBytes(value), 8);
}

function textCost(args: readonly CelValue[]): number {
  return args.reduce<number>((sum, arg) => sum + textSize(arg), 0) / charactersPerUnit;
}

function textSize(value: CelValue | undefined): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
}

/** An optional value costs what it holds. */
const held = (value: CelValue | undefined): CelValue | undefined => heldBy(value) ?? value;

function listSize(value: CelValue | undefined): number {
  return isCelList(value) ? value.size : 0;
}

/** Lists and maps of different sizes are not compared element by element. */
function equalityCost(one: CelValue | undefined, other: CelValue | undefined, budget: number): number {
  const [left, right] = [held(one), held(other)];
  if (!isContainer(left) || !isContainer(right)) return Math.min(textSize(left), textSize(right)) / charactersPerUnit;
  return left.size === right.size ? comparisonCost(left, budget) : 0;
}

/** Counting stops where the budget ends: values that share parts can be far larger when compared than in memory. */
function comparisonCost(compared: CelValue | undefined, budget: number): number {
  const value = held(compared);
  if (!isContainer(value)) return textSize(value) / charactersPerUnit;
  let cost = 0;
  for (const item of value.values()) {
    cost += 1 + comparisonCost(item, budget);
    if (cost > budget) return cost;
  }
  return cost;
}
