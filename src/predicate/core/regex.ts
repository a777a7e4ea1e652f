import { RE2JS } from "@bufbuild/re2";
import { err, ok, type Result } from "../../kernel/result.ts";

/** A compiled RE2 program: matching takes time linear in the text, whatever the pattern. */
export type Regex = RE2JS;

/** Of the parser, whatever the pattern. */
const parserCost = 20;

/** `\pL` is a table of hundreds of ranges. */
const unicodeClassCost = 300;

/** The parser joins a long literal text anew with each character: 32,000 of them take 2 s. */
const charactersSquaredPerUnit = 500;

/** A step of one instruction with one character takes up to 100 ns where no automaton is left to do it faster. */
const stepsPerUnit = 8;

/** An upper bound, from the text of the pattern: a counted repetition is unrolled, and RE2 allows 1,000 at most, nested ones multiplied. */
export function compileCost(pattern: string): number {
  const counts = pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g);
  const unrolled = [...counts].reduce((product, [, from, to]) => product * Math.max(1, Number(from), Number(to || 0)), 1);
  const classes = pattern.match(/\\[pP]/g)?.length ?? 0;
  const joining = Math.floor(pattern.length ** 2 / charactersSquaredPerUnit);
  return parserCost + classes * unicodeClassCost + pattern.length * Math.min(unrolled, 1000) + joining;
}

export function matchCost(regex: Regex, text: string): number {
  return (regex.re2().prog.numInst() * (1 + text.length)) / stepsPerUnit;
}

export function compileRegex(pattern: string): Result<Regex, string> {
  try {
    return ok(RE2JS.compile(pattern));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

/** The literal patterns of all expressions, so that each is compiled once. What names more starts anew. */
const literals = new Map<string, Regex>();
const literalCountMax = 1000;

/** States that a pattern may keep; each takes about 1 KB. Ordinary patterns have less than ten. */
const stateCountMax = 64;

/** For a pattern that is known to compile. */
export function literalRegex(pattern: string): Regex {
  const known = literals.get(pattern);
  if (known !== undefined) return known;
  const regex = RE2JS.compile(pattern);
  if (literals.size >= literalCountMax) literals.clear();
  literals.set(pattern, regex);
  return regex;
}

/** The library grows an automaton as texts need it, and would keep it for as long as the pattern. */
export function matches(regex: Regex, text: string): boolean {
  const matched = regex.test(text);
  const { dfa } = regex.re2();
  if (dfa.stateCount > stateCountMax) {
    dfa.stateCache.clear();
    dfa.stateCount = 0;
    dfa.startState = null;
    dfa.cacheClears = 0;
    dfa.failed = false;
  }
  return matched;
}
