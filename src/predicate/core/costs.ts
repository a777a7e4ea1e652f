import { type CelFunc, type CelList, type CelMap, type CelValue, isCelList, isCelMap } from "@bufbuild/cel";
import type { Check } from "./types.ts";

// docs/rules.md has this as a table; test/unit/predicate/costs.test.ts holds what expressions cost. A unit takes about 1 µs at most.

/** Text is handled so many characters at a time. */
const charactersPerUnit = 16;

/** A search compares each character of the text with each one of the part, at worst. */
const comparisonsPerUnit = 1024;

/** To find a time zone and its offset. */
const zoneCost = 50;

/** To make a CEL value of an element of JSON. */
const elementsPerUnit = 10;

/** Of a function, from its arguments; the target of a method is the first. What costs more than `left` may be counted short. */
type Cost = (args: readonly CelValue[], left: number) => number;

const costs: Readonly<Record<string, Cost>> = {
  "_==_": ([left, right], budget) => equalityCost(left, right, budget),
  "_!=_": ([left, right], budget) => equalityCost(left, right, budget),
  "@in": ([, container], left) => (isCelMap(container) ? container.size / charactersPerUnit : comparisonCost(container, left)),
  "_+_": (args) => textCost(args) + listSize(args[0]) + listSize(args[1]),
  contains: ([text, part]) => (textSize(text) * textSize(part)) / comparisonsPerUnit,
  // Charged step by step: what a match costs is known when its pattern is compiled.
  matches: () => 0,
  "@matches": () => 0,
};

/** What a function costs besides being called. */
export function costOf(func: CelFunc): Cost {
  // Of all methods of objects, only those of timestamps take text, and that names a zone.
  return costs[func.name] ?? (func.target?.kind === "object" ? () => zoneCost : textCost);
}

/** What it costs to let rules see the data of a check. Each part is made once, for all rules. */
export function dataCost(check: Check): number {
  return (elementCount(check.workflow.metadata) + elementCount(check.context)) / elementsPerUnit;
}

function elementCount(json: unknown): number {
  if (typeof json !== "object" || json === null) return 1;
  let count = 1;
  for (const value of Object.values(json)) count += elementCount(value);
  return count;
}

/** How much memory the data of a check takes, roughly. */
export function dataBytes(check: Check): number {
  return jsonBytes(check.workflow.metadata) + jsonBytes(check.context) + check.reason.length;
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

function listSize(value: CelValue | undefined): number {
  return isCelList(value) ? value.size : 0;
}

/** Lists and maps of different sizes are not compared element by element. */
function equalityCost(left: CelValue | undefined, right: CelValue | undefined, budget: number): number {
  if (!isContainer(left) || !isContainer(right)) return Math.min(textSize(left), textSize(right)) / charactersPerUnit;
  return left.size === right.size ? comparisonCost(left, budget) : 0;
}

/** Counting stops where the budget ends: values that share parts can be far larger when compared than in memory. */
function comparisonCost(value: CelValue | undefined, budget: number): number {
  if (!isContainer(value)) return textSize(value) / charactersPerUnit;
  let cost = 0;
  for (const item of value.values()) {
    cost += 1 + comparisonCost(item, budget);
    if (cost > budget) return cost;
  }
  return cost;
}

export function isContainer(value: CelValue | undefined): value is CelList | CelMap {
  return isCelList(value) || isCelMap(value);
}
