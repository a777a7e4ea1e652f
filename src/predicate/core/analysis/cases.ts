import { anything, domainOf, intersect, type Outcome, opposite } from "./domain.ts";
import type { Formula } from "./formula.ts";
import type { Condition } from "./term.ts";

/** What all hold at once: what each term is. Without terms, it always is so. */
export type Case = ReadonlyMap<string, Condition>;

/** One of them is so. None: it is never so. Undefined: there are too many to look at. */
export type Cases = readonly Case[] | undefined;

/** Each may be joined with each of another. Ordinary rules have less than ten. */
const casesMax = 64;

/** Conditions that may still be joined, about a microsecond each. */
export type Work = { left: number };

export const always: Cases = [new Map()];

/** All ways in which it ends so; perhaps some in which it does not, never too few. */
export function casesOf(formula: Formula, outcome: Outcome, work: Work): Cases {
  switch (formula.type) {
    case "atom": {
      const found = new Map<string, Condition>();
      return add(found, { term: formula.term, domain: domainOf(formula.test, outcome) }) ? [found] : [];
    }
    case "not":
      return casesOf(formula.of, opposite[outcome], work);
    case "and":
    case "or": {
      const { left, right } = formula;
      // `&&` is false if either is; and it is true, or not false, only if both are so. An error beside it changes nothing.
      const needsBoth = (formula.type === "and") === (outcome === "true" || outcome === "not false");
      const [one, other] = [casesOf(left, outcome, work), casesOf(right, outcome, work)];
      return needsBoth ? both(one, other, work) : either(one, other);
    }
    case "choice":
      return choiceCases(formula, outcome, work);
  }
}

function choiceCases({ condition, yes, no }: Extract<Formula, { type: "choice" }>, outcome: Outcome, work: Work): Cases {
  const chosen = either(
    both(casesOf(condition, "true", work), casesOf(yes, outcome, work), work),
    both(casesOf(condition, "false", work), casesOf(no, outcome, work), work),
  );
  return outcome === "true" || outcome === "false" ? chosen : either(chosen, failing(condition, work));
}

/** It ends with an error, or with what is no bool. */
export function failing(formula: Formula, work: Work): Cases {
  return both(casesOf(formula, "not true", work), casesOf(formula, "not false", work), work);
}

export function either(one: Cases, other: Cases): Cases {
  if (one === undefined || other === undefined || one.length + other.length > casesMax) return undefined;
  return [...one, ...other];
}

export function both(one: Cases, other: Cases, work: Work): Cases {
  // What is never so is never so together with anything.
  if (one?.length === 0 || other?.length === 0) return [];
  if (one === undefined || other === undefined) return undefined;
  const found: Case[] = [];
  for (const left of one) {
    for (const right of other) {
      work.left -= 1 + Math.min(left.size, right.size);
      if (work.left < 0) return undefined;
      const together = joined(left, right);
      if (together !== undefined) found.push(together);
      if (found.length > casesMax) return undefined;
    }
  }
  return found;
}

/** Undefined: they cannot be so together. */
function joined(one: Case, other: Case): Case | undefined {
  const [larger, smaller] = one.size < other.size ? [other, one] : [one, other];
  const shared: Condition[] = [];
  for (const condition of smaller.values()) {
    const known = larger.get(condition.term.key);
    if (known === undefined || known.domain === condition.domain) continue;
    // Most cannot be so together, which is seen before anything is copied.
    if (intersect(known.domain, condition.domain) === undefined) return undefined;
    shared.push(condition);
  }
  const together = new Map(larger);
  // What follows from one of them is part of it: only of what both ask may more follow. And what is shared costs no memory.
  for (const [key, condition] of smaller) if (!together.has(key)) together.set(key, condition);
  return shared.every((condition) => add(together, condition)) ? together : undefined;
}

/** With all that follows. False: it cannot be so. */
function add(known: Map<string, Condition>, { term, domain }: Condition): boolean {
  const now = intersect(known.get(term.key)?.domain ?? term.domain ?? anything, domain);
  if (now === undefined) return false;
  known.set(term.key, { term, domain: now });
  return term.implied(now).every((condition) => isKnown(known, condition) || add(known, condition));
}

/** What follows names types only: no more can follow from it. */
function isKnown(known: Case, { term, domain }: Condition): boolean {
  const before = known.get(term.key)?.domain;
  if (before === undefined) return false;
  return (
    [...before.flags].every((flag) => domain.flags.has(flag)) &&
    [...before.ranges.keys()].every((family) => domain.ranges.has(family))
  );
}

/** Conditions joined in a step: less than a millisecond. */
const conditionsOfStepMax = 500;

/** Whether some may be so together. Undefined: there are too many to look at. */
export function* mayMeet(one: Cases, other: Cases, work: Work): Generator<void, boolean | undefined> {
  if (one?.length === 0 || other?.length === 0) return false;
  if (one === undefined || other === undefined) return undefined;
  let pauseAt = work.left - conditionsOfStepMax;
  for (const left of one) {
    for (const right of other) {
      work.left -= 1 + Math.min(left.size, right.size);
      if (work.left < 0) return undefined;
      if (joined(left, right) !== undefined) return true;
      if (work.left > pauseAt) continue;
      pauseAt = work.left - conditionsOfStepMax;
      yield;
    }
  }
  return false;
}
