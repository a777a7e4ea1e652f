import { type CelFunc, CelScalar, celFunc, celMethod } from "@bufbuild/cel";
import { charge } from "../budget.ts";
import { compileCost, compileRegex, literalRegex, matchCost, matches, type Regex } from "../regex.ts";

const { BOOL, STRING } = CelScalar;

/** What a match costs is known only when the pattern is compiled. */
export const matchFunctions: readonly CelFunc[] = [
  celMethod("matches", STRING, [STRING], BOOL, function (pattern) {
    return compiledMatch(pattern, this);
  }),
  celFunc("matches", [STRING, STRING], BOOL, (text, pattern) => compiledMatch(pattern, text)),
  /** The pattern is a literal. No expression can name this: `@` is not in the grammar. */
  celMethod("@matches", STRING, [STRING], BOOL, function (pattern) {
    return chargedMatch(literalRegex(pattern), this);
  }),
  celFunc("@matches", [STRING, STRING], BOOL, (text, pattern) => chargedMatch(literalRegex(pattern), text)),
];

function compiledMatch(pattern: string, text: string): boolean {
  charge(compileCost(pattern));
  const regex = compileRegex(pattern);
  if (!regex.ok) throw new Error(regex.error);
  return chargedMatch(regex.value, text);
}

function chargedMatch(regex: Regex, text: string): boolean {
  charge(matchCost(regex, text));
  return matches(regex, text);
}
