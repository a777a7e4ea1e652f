import type { Json } from "../../../kernel/json.ts";
import { nearest } from "../../../kernel/nearest.ts";
import { counted } from "../../../kernel/text.ts";
import { canonical, canonicalOf } from "./equal.ts";
import { isObject, type Keyword, listOf } from "./part.ts";
import { fail } from "./run.ts";
import { suggestion } from "./suggestion.ts";
import { anyOfWords, named, shown } from "./words.ts";

export const typesByName: ReadonlyMap<string, { readonly words: string; readonly has: (value: Json) => boolean }> = new Map([
  ["string", { words: "a string", has: (value: Json) => typeof value === "string" }],
  ["number", { words: "a number", has: (value: Json) => typeof value === "number" }],
  ["integer", { words: "an integer", has: Number.isInteger }],
  ["boolean", { words: "a boolean", has: (value: Json) => typeof value === "boolean" }],
  ["null", { words: "null", has: (value: Json) => value === null }],
  ["array", { words: "an array", has: Array.isArray }],
  ["object", { words: "an object", has: isObject }],
]);

/** What other languages call them. */
const otherNames: ReadonlyMap<string, string> = new Map([
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
  ["any", 'no "type" at all'],
]);

export const type: Keyword = (given, part) => {
  const names = Array.isArray(given) ? given : [given];
  const types = names.flatMap((name) => (typeof name === "string" ? (typesByName.get(name) ?? []) : []));
  if (types.length < names.length || types.length === 0) return part.problem(typeProblem(names));
  const words = anyOfWords(types.map((each) => each.words));
  return (value, at, run) => types.some((each) => each.has(value)) || fail(run, at, () => `is ${shown(value)}, must be ${words}`);
};

function typeProblem(names: readonly Json[]): string {
  const wrong = names.find((name) => typeof name !== "string" || !typesByName.has(name));
  const known = [...typesByName.keys()];
  if (typeof wrong !== "string") return `must be one of ${known.join(", ")}, or several in an array`;
  const meant = otherNames.get(wrong.toLowerCase()) ?? nearest(wrong, known);
  return `there is no type ${named(wrong)}; ${meant === undefined ? `there are ${known.join(", ")}` : `write ${meant}`}`;
}

export const constant: Keyword = (given) => {
  const text = canonicalOf(given);
  return (value, at, run) =>
    canonical(value, run) === text ||
    fail(run, at, () => `is ${shown(value)}, must be ${isSimple(given) ? shown(given) : "as const has it"}`);
};

/** Values named in a message; of more, their number. */
const namedValuesMax = 10;

export const oneOfValues: Keyword = (given, part) => {
  const values = listOf(given, part);
  if (values === undefined) return undefined;
  if (values.length === 0) return part.problem("is empty: no value could be one of these");
  const texts = new Set(values.map(canonicalOf));
  const simple = values.length <= namedValuesMax && values.every(isSimple);
  const words = simple ? anyOfWords(values.map(shown)) : `one of ${counted(values.length, "value")}`;
  const names = values.filter((each) => typeof each === "string");
  return (value, at, run) => {
    if (texts.has(canonical(value, run))) return true;
    const hint = (): string => (simple || typeof value !== "string" ? "" : suggestion(value, names, run));
    return fail(run, at, () => `is ${shown(value)}, must be ${words}${hint()}`);
  };
};

const isSimple = (value: Json): boolean => typeof value !== "object" || value === null;
