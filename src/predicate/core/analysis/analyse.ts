import { assert } from "../../../kernel/assert.ts";
import { allowedMoves, isTerminal, workflowStates } from "../../../kernel/lifecycle.ts";
import { estimate } from "../estimate.ts";
import type { Expression } from "../evaluate.ts";
import { children, type Expr } from "../expr.ts";
import { evaluationCostMax } from "../limits.ts";
import type { Position } from "../position.ts";
import { mayMeet, type Work } from "./cases.ts";
import type { Finding } from "./finding.ts";
import { type AnalysedRule, type Judged, judgedOf } from "./judged.ts";
import { keyOf } from "./key.ts";
import { isAboutMove, isUpdate, type Move } from "./term.ts";
import { unreachableParts } from "./unreachable.ts";

export type { AnalysedRule, Finding };

/** Pairs of rules that ask about the same. A rule set of 100 rules has less, however alike they are. */
export const pairsMax = 5_000;

/** Conditions of two rules that are joined, of all pairs together: a second, sliced. Two ordinary rules need ten. */
const conditionsOfPairsMax = 200_000;

const allMoves: readonly Move[] = workflowStates.flatMap((from) => allowedMoves(from).map((to) => ({ from, to })));

const allUpdates: readonly Move[] = workflowStates
  .filter((state) => !isTerminal(state))
  .map((state) => ({ from: state, to: state }));

/** A rule, with what it says of each of its moves, and of updates in each state. */
type Looked = {
  readonly rule: AnalysedRule;
  readonly judged: ReadonlyMap<Move, Judged>;
  readonly key: string;
  /** Of what it asks about. */
  readonly terms: ReadonlySet<string>;
  /** Its cost is never a reason to deny. */
  readonly isCheap: boolean;
};

/**
 * What is wrong with rules, as far as it can be decided: each finding is so for all data, but not all that is so is found. Each step takes some
 * milliseconds at most. `about`: only what has to do with this rule, the last one.
 */
export function* analyseSteps(rules: readonly AnalysedRule[], about?: string): Generator<void, readonly Finding[]> {
  const looked: Looked[] = [];
  const findings: Finding[] = [];
  for (const rule of rules) {
    const each = yield* look(rule);
    looked.push(each);
    if (about !== undefined && rule.id !== about) continue;
    findings.push(...findingsOf(each));
    findings.push(...(yield* remarksOf(each)));
  }
  return [...findings, ...(yield* pairFindings(looked, about))];
}

function* look(rule: AnalysedRule): Generator<void, Looked> {
  const judged = new Map<Move, Judged>();
  const terms = new Set<string>();
  for (const { moves, sample } of distinct(rule)) {
    const each = judgedOf(rule, sample);
    for (const move of moves) judged.set(move, each);
    for (const cases of [each.permits, each.denies])
      for (const one of cases ?? []) for (const term of one.keys()) terms.add(term);
    yield;
  }
  const { condition, expression } = rule;
  const key = `${condition === undefined ? "" : keyOf(condition.expr)} => ${keyOf(expression.expr)}`;
  const isCheap = [expression, condition].every(
    (each) => each === undefined || (estimate(each).max ?? Infinity) <= evaluationCostMax,
  );
  return { rule, judged, key, terms: terms.add(key), isCheap };
}

function movesOf({ operations, moves }: AnalysedRule): readonly Move[] {
  const isOne = (move: Move) => moves.some(({ from, to }) => (from ?? move.from) === move.from && (to ?? move.to) === move.to);
  const transitions = moves.length === 0 ? allMoves : allMoves.filter(isOne);
  return [...(operations.includes("TRANSITION") ? transitions : []), ...(operations.includes("UPDATE") ? allUpdates : [])];
}

/** Its moves, those together for which it says the same. */
function distinct(rule: AnalysedRule): readonly { readonly moves: readonly Move[]; readonly sample: Move }[] {
  const moves = movesOf(rule);
  const [sample] = moves;
  if (sample === undefined) return [];
  const isAbout = [rule.condition, rule.expression].some((each) => each !== undefined && isAboutMove(each.expr));
  return isAbout ? moves.map((move) => ({ moves: [move], sample: move })) : [{ moves, sample }];
}

/** Of a rule for itself. */
function findingsOf({ rule, judged, isCheap }: Looked): readonly Finding[] {
  const moves = [...judged.keys()];
  if (moves.length === 0) return [];
  const ruleIds = [rule.id];
  const which = (isSo: (of: Judged) => boolean): readonly Move[] => moves.filter((move) => isSo(judged.get(move) as Judged));
  const name = `rule "${rule.id}"`;
  if (which(({ applies }) => applies?.length === 0).length === moves.length) {
    return [{ type: "never-applies", ruleIds, moves, message: `the condition of ${name} is not met for any of its moves` }];
  }
  const findings: Finding[] = [];
  const undecided = which(({ holds, denies }) => holds === undefined || denies === undefined);
  if (undecided.length > 0) {
    const message = `${name} has more cases than are looked at: not everything was decided of it`;
    findings.push({ type: "not-decided", ruleIds, moves: undecided, message });
  }
  const never = which(({ applies, holds }) => applies?.length !== 0 && holds?.length === 0);
  if (never.length > 0) {
    const when = rule.condition === undefined ? "" : " when its condition is met";
    const message =
      never.length === moves.length
        ? `${name} can never hold${when}: it is false, or fails, for each of its moves`
        : `${name} can never hold for ${listed(never)}${when}`;
    findings.push({ type: "never-holds", ruleIds, moves: never, message });
  }
  if (isCheap && which(({ denies }) => denies?.length === 0).length === moves.length) {
    findings.push({
      type: "never-denies",
      ruleIds,
      moves,
      message: `${name} is true for each of its moves: it never denies one`,
    });
  }
  return findings;
}

/** Of parts that are not evaluated for any of its moves. */
function* remarksOf({ rule, judged }: Looked): Generator<void, readonly Finding[]> {
  const moves = [...judged.keys()];
  const findings: Finding[] = [];
  for (const [name, expression] of [["condition", rule.condition] as const, ["expression", rule.expression] as const]) {
    if (expression === undefined) continue;
    let parts: ReadonlySet<Expr> | undefined;
    for (const { sample } of distinct(rule)) {
      const found = unreachableParts(expression.expr, sample);
      const before = parts;
      parts = before === undefined ? found : new Set([...found].filter((part) => before.has(part)));
      yield;
    }
    for (const part of parts ?? []) {
      const position = startOf(part, expression);
      const where = `at line ${position.line}, column ${position.column}`;
      const message = `a part of the ${name} of rule "${rule.id}" ${where} is not evaluated for any of its moves`;
      findings.push({ type: "unreachable", ruleIds: [rule.id], moves, place: { field: name, position }, message });
    }
  }
  return findings;
}

/** Where the leftmost of its nodes stands: an operator stands between its operands. */
function startOf(part: Expr, expression: Expression): Position {
  const own = expression.positionOf(part.id);
  assert(own !== undefined, "what somebody has written stands somewhere");
  return children(part)
    .map((child) => startOf(child, expression))
    .reduce(
      (first, each) => (each.line < first.line || (each.line === first.line && each.column < first.column) ? each : first),
      own,
    );
}

/** Of each two that ask about the same, for a move of both, of a workflow of both. Others have nothing to do with each other. */
function* pairFindings(looked: readonly Looked[], about: string | undefined): Generator<void, readonly Finding[]> {
  const findings: Finding[] = [];
  const work: Work = { left: conditionsOfPairsMax };
  let compared = 0;
  for (const pair of pairsOf(looked, about)) {
    yield;
    if (pair === undefined) continue;
    const [one, other] = pair;
    if (compared < pairsMax) findings.push(...(yield* findingsOfPair(one, other, work)));
    if (compared === pairsMax || work.left < 0) {
      const message = `only ${compared} pairs of rules were compared: there are more than are looked at`;
      return [...findings, { type: "not-decided", ruleIds: [], moves: [], message }];
    }
    compared += 1;
  }
  return findings;
}

/** `about`: only those with this rule. A step looks for all that one has to do with. */
function* pairsOf(looked: readonly Looked[], about: string | undefined): Generator<readonly [Looked, Looked] | undefined> {
  const [byTerm, byType, byMove] = [createIndex<string>(), createIndex<string>(), createIndex<Move>()];
  const before: Looked[] = [];
  for (const other of looked) {
    const { terms, judged, rule } = other;
    if (about === undefined || rule.id === about) {
      const ofTerms = byTerm.marked(terms, before.length);
      const ofTypes = rule.types.length === 0 ? undefined : byType.marked([everyType, ...rule.types], before.length);
      const ofMoves = byMove.marked(judged.keys(), before.length);
      for (const [at, one] of before.entries()) {
        if (ofTerms[at] === 1 && ofMoves[at] === 1 && ofTypes?.[at] !== 0) yield [one, other];
      }
    }
    byTerm.add(terms, before.length);
    byType.add(rule.types.length === 0 ? [everyType] : rule.types, before.length);
    byMove.add(judged.keys(), before.length);
    before.push(other);
    yield undefined;
  }
}

/** No type has this name. */
const everyType = "";

/** Which rules, by their places, have something. */
function createIndex<Key>() {
  const places = new Map<Key, number[]>();
  return {
    add(keys: Iterable<Key>, place: number): void {
      for (const key of keys) {
        const known = places.get(key);
        if (known === undefined) places.set(key, [place]);
        else known.push(place);
      }
    },
    /** 1 for those that have any of them. */
    marked(keys: Iterable<Key>, count: number): Uint8Array {
      const marks = new Uint8Array(count);
      for (const key of keys) for (const place of places.get(key) ?? []) marks[place] = 1;
      return marks;
    },
  };
}

const isWithin = (narrow: readonly string[], broad: readonly string[]): boolean =>
  broad.length === 0 || (narrow.length > 0 && narrow.every((type) => broad.includes(type)));

function* findingsOfPair(one: Looked, other: Looked, work: Work): Generator<void, readonly Finding[]> {
  const ruleIds = [one.rule.id, other.rule.id];
  const forbidden = yield* forbiddenMoves(one, other, work);
  if (forbidden.length > 0) {
    const message = `rules "${ruleIds[0]}" and "${ruleIds[1]}" together forbid ${listed(forbidden)}: what the one allows, the other denies`;
    return [{ type: "forbid-together", ruleIds, moves: forbidden, message }];
  }
  const [narrow, broad] = [yield* isShadowed(one, other, work), yield* isShadowed(other, one, work)];
  if (narrow && broad) {
    const message = `rules "${ruleIds[0]}" and "${ruleIds[1]}" deny the same: one of them is enough`;
    return [{ type: "same", ruleIds, moves: [...one.judged.keys()], message }];
  }
  if (!narrow && !broad) return [];
  const [first, second] = narrow ? [one, other] : [other, one];
  const message = `what rule "${first.rule.id}" denies, rule "${second.rule.id}" denies too`;
  return [{ type: "shadowed", ruleIds: [first.rule.id, second.rule.id], moves: [...first.judged.keys()], message }];
}

/** Those that each of two rules allows to some workflow, and both together to none. */
function* forbiddenMoves(one: Looked, other: Looked, work: Work): Generator<void, readonly Move[]> {
  if (one.rule.action !== "DENY" || other.rule.action !== "DENY") return [];
  const found: Move[] = [];
  for (const { moves, first, second } of meetings(one, other)) {
    // Of what allows nothing by itself there is a finding already.
    if (first.permits?.length === 0 || second.permits?.length === 0) continue;
    if ((yield* mayMeet(first.permits, second.permits, work)) === false) found.push(...moves);
  }
  return found;
}

type Meeting = { readonly first: Judged; readonly second: Judged; readonly moves: Move[] };

/** What two rules say of the moves of both, those together for which both say the same. */
function meetings(one: Looked, other: Looked): readonly Meeting[] {
  const found: Meeting[] = [];
  for (const [move, first] of one.judged) {
    const second = other.judged.get(move);
    const known = found.find((each) => each.first === first && each.second === second);
    if (known !== undefined) known.moves.push(move);
    else if (second !== undefined) found.push({ first, second, moves: [move] });
  }
  return found;
}

/** Whether whatever the narrow one denies is denied by the broad one, and with the same effect. */
function* isShadowed(narrow: Looked, broad: Looked, work: Work): Generator<void, boolean> {
  const { rule } = narrow;
  if (!isWithin(rule.types, broad.rule.types) || (broad.rule.action !== "DENY" && broad.rule.action !== rule.action))
    return false;
  if (![...narrow.judged.keys()].every((move) => broad.judged.has(move))) return false;
  if (narrow.key === broad.key) return true;
  const both = meetings(narrow, broad);
  // Of what denies all, or nothing, there is a finding already.
  const isOpen = narrow.isCheap && both.some(({ first }) => first.denies?.length !== 0);
  if (!isOpen || both.some(({ second }) => second.permits?.length === 0)) return false;
  for (const { first, second } of both) {
    if ((yield* mayMeet(first.denies, second.permits, work)) !== false) return false;
  }
  return true;
}

function listed(moves: readonly Move[]): string {
  const [updates, transitions] = [moves.filter(isUpdate), moves.filter((move) => !isUpdate(move))];
  const words = [
    ...(transitions.length === allMoves.length ? ["every move"] : transitions.map(({ from, to }) => `${from} to ${to}`)),
    ...(updates.length === allUpdates.length ? ["every update"] : updates.map(({ from }) => `an update in ${from}`)),
  ];
  return words.join(", ");
}
