import { nearest } from "../../../kernel/nearest.ts";
import { counted, hasMoreCharacters } from "../../../kernel/text.ts";
import { matches, type Regex } from "../regex.ts";
import { formats } from "./formats.ts";
import { countOf, type Keyword, textOf } from "./part.ts";
import { fail, type Run, spend } from "./run.ts";
import { named, shown } from "./words.ts";

const lengthBound =
  (words: string, allows: (text: string, limit: number) => boolean): Keyword =>
  (given, part) => {
    const limit = countOf(given, part);
    if (limit === undefined) return undefined;
    return (value, at, run) =>
      typeof value !== "string" ||
      (spend(run, value.length / 16) && allows(value, limit)) ||
      fail(run, at, () => `has ${counted(characterCount(value), "character")}, must have ${words} ${limit}`);
  };

export const minLength = lengthBound("at least", (text, limit) => limit === 0 || hasMoreCharacters(text, limit - 1));
export const maxLength = lengthBound("at most", (text, limit) => !hasMoreCharacters(text, limit));

function characterCount(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

export const pattern: Keyword = (given, part) => {
  const source = textOf(given, part);
  const regex = source === undefined ? undefined : part.regex(source);
  if (regex === undefined) return undefined;
  return (value, at, run) =>
    typeof value !== "string" || fits(regex, value, run) || fail(run, at, () => `is ${shown(value)}, must match ${source}`);
};

export function fits(regex: Regex, text: string, run: Run): boolean {
  return spend(run, regex.re2().prog.numInst() * (1 + text.length)) && matches(regex, text);
}

export const format: Keyword = (given, part) => {
  const name = textOf(given, part);
  if (name === undefined) return undefined;
  const has = formats.get(name);
  if (has === undefined) {
    const known = [...formats.keys()];
    const meant = nearest(name, known);
    return part.problem(
      `there is no format ${named(name)}${meant === undefined ? `; there are ${known.join(", ")}` : `; did you mean ${named(meant)}?`}`,
    );
  }
  return (value, at, run) =>
    typeof value !== "string" ||
    (spend(run, 5 + value.length) && has(value)) ||
    fail(run, at, () => `is ${shown(value)}, must be a ${name}`);
};
