import { describe, expect, test } from "vitest";
import {
  finishedAtMs,
  heuristicOf,
  isDone,
  isFinished,
  isInDoubtSomewhere,
  isUntold,
  mayAbort,
  mayHavePromised,
  owesAck,
  type Part,
  type Transaction,
} from "../../../../src/commit/core/types.ts";
import type { TimeMs } from "../../../../src/kernel/time.ts";
import { begun } from "../support.ts";

const atMs = 1_005_000 as TimeMs;
const resolution = { atMs, requestedBy: "ada", reason: "the site is gone" };
const lost = { reason: "restored", atMs };
const acknowledged: Partial<Part> = { acknowledgedAtMs: atMs, acknowledgedOutcome: "committed" };

/** A transaction in which only what a test is about is otherwise than at its begin. */
function having(transaction: Partial<Transaction>, part: Partial<Part>, count = 2): readonly [Transaction, Part] {
  const started = begun(["a", "b", "c"].slice(0, count)).transaction;
  const [first, ...others] = started.parts;
  if (first === undefined) throw new Error("it has a participant");
  const changed: Part = { ...first, preparesSent: 0, ...part };
  return [{ ...started, ...transaction, parts: [changed, ...others] }, changed];
}

// Whether work is undone, done or waited for hangs on each of these conditions alone.
describe("what is owed", () => {
  test.each<[string, Partial<Transaction>, Partial<Part>, boolean, number?]>([
    ["nothing before it is decided", {}, { preparesSent: 1 }, false],
    ["a commit, of who voted for it", { outcome: "committed" }, { vote: "commit" }, true],
    ["no commit, of who only read", { outcome: "committed" }, { vote: "read-only" }, false],
    ["no commit, of who was asked and has not voted", { outcome: "committed" }, { preparesSent: 1 }, false],
    ["an abort, of who was asked and may vote yet", { outcome: "aborted" }, { preparesSent: 1 }, true],
    ["an abort, of who is bound", { outcome: "aborted" }, { preparesSent: 1, vote: "commit" }, true],
    ["no abort, of who was never asked", { outcome: "aborted" }, {}, false],
    ["no abort, of who refused", { outcome: "aborted" }, { preparesSent: 1, vote: "abort" }, false],
    ["no abort, of who only read", { outcome: "aborted" }, { preparesSent: 1, vote: "read-only" }, false],
    ["nothing twice", { outcome: "committed" }, { vote: "commit", ...acknowledged }, false],
    ["a lost promise", { outcome: "committed" }, { vote: "commit", lost }, true],
    ["no lost promise of which an operator has heard", { outcome: "committed", resolution }, { vote: "commit", lost }, false],
    ["a commit that an operator has decided", { outcome: "committed", resolution }, { vote: "commit" }, true],
    ["by the lone participant, whether it was asked or not", { outcome: "aborted", resolution }, {}, true, 1],
    ["by one of two, only if it was asked", { outcome: "aborted", resolution }, {}, false, 2],
  ])("%s", (_name, transaction, part, owed, count) => {
    expect(owesAck(...having(transaction, part, count))).toBe(owed);
  });
});

describe("the lone participant, whose decision an operator has guessed, is told", () => {
  const guessed: Partial<Transaction> = { outcome: "aborted", resolution };
  test.each<[string, Partial<Transaction>, Partial<Part>, number, boolean]>([
    ["if it has said nothing", guessed, {}, 1, true],
    ["not if nobody has guessed", { outcome: "aborted" }, {}, 1, false],
    ["not if it is not alone", guessed, {}, 2, false],
    ["not if it has voted", guessed, { vote: "commit" }, 1, false],
    ["not if it has acknowledged", guessed, acknowledged, 1, false],
    ["not if its promise is lost", guessed, { lost }, 1, false],
  ])("%s", (_name, transaction, part, count, untold) => {
    expect(isUntold(...having(transaction, part, count))).toBe(untold);
  });
});

describe("a participant may have promised", () => {
  test.each<[string, Partial<Transaction>, Partial<Part>, number, boolean]>([
    ["if it has voted for it", {}, { vote: "commit" }, 2, true],
    ["if it has lost what it promised", {}, { lost }, 2, true],
    ["not if it has refused", {}, { vote: "abort", preparesSent: 1 }, 2, false],
    ["if it was asked, for its vote may be on the way", {}, { preparesSent: 1 }, 2, true],
    ["not if it was not asked", {}, {}, 2, false],
    ["not if it has acknowledged", {}, { preparesSent: 1, ...acknowledged }, 2, false],
    ["if it is alone, as soon as that is written down", { phase: "PREPARING" }, {}, 1, true],
    ["not before", { phase: "INIT" }, {}, 1, false],
  ])("%s", (_name, transaction, part, count, may) => {
    const [changed, first] = having(transaction, part, count);
    expect(mayHavePromised(changed, first)).toBe(may);
    const alone = { ...changed, parts: [first, ...changed.parts.slice(1).map((each) => ({ ...each, preparesSent: 0 }))] };
    expect(isInDoubtSomewhere(alone)).toBe(may);
    expect(isInDoubtSomewhere({ ...alone, phase: "COMPLETED" })).toBe(false);
  });
});

test.each<[Transaction["phase"], number, boolean]>([
  ["INIT", 1, true],
  ["INIT", 2, true],
  ["PREPARING", 2, true],
  ["PREPARING", 1, false],
  ["COMMITTING", 2, false],
  ["ABORTING", 2, false],
  ["COMPLETED", 2, false],
])("in %s with %i participants, its coordinator may abort: %s", (phase, count, may) => {
  expect(mayAbort(having({ phase }, {}, count)[0])).toBe(may);
});

test("it is finished once it is completed and nobody owes anything, at the last word that was spoken", () => {
  const done: Partial<Transaction> = { phase: "COMPLETED", outcome: "committed", completedAtMs: 5 as TimeMs };
  const [owing] = having(done, { vote: "commit" });
  const [told] = having(done, { vote: "commit", ...acknowledged });
  expect([isFinished(owing), finishedAtMs(owing)]).toEqual([false, undefined]);
  expect([isFinished(told), finishedAtMs(told)]).toEqual([true, atMs]);
  expect(finishedAtMs(having({ ...done, completedAtMs: (atMs + 1) as TimeMs }, acknowledged)[0])).toBe(atMs + 1);
  expect(isFinished({ ...told, phase: "COMMITTING" })).toBe(false);
});

test.each<[string, Partial<Transaction>, Partial<Part>, ReturnType<typeof heuristicOf>]>([
  ["nobody has guessed", { outcome: "committed", phase: "COMPLETED" }, acknowledged, undefined],
  ["a promise is lost", { outcome: "committed" }, { lost }, "MIXED"],
  ["the guess was right", { outcome: "committed", phase: "COMPLETED", resolution }, acknowledged, "CONFIRMED"],
  ["the guess was wrong", { outcome: "aborted", phase: "COMPLETED", resolution }, acknowledged, "MIXED"],
  ["somebody has not spoken", { outcome: "committed", phase: "COMPLETED", resolution }, { vote: "commit" }, "UNCONFIRMED"],
])("whether it is atomic after all, if %s", (_name, transaction, part, heuristic) => {
  expect(heuristicOf(having(transaction, part)[0])).toBe(heuristic);
});

test.each<[string, Partial<Transaction>, Partial<Part>, boolean]>([
  ["who refused", {}, { vote: "abort" }, true],
  ["who only read", {}, { vote: "read-only" }, true],
  ["who was asked, while it is not decided", {}, { preparesSent: 1 }, false],
  ["who is bound by a commit", { outcome: "committed" }, { vote: "commit" }, false],
  ["who has acknowledged it", { outcome: "committed" }, { vote: "commit", ...acknowledged }, true],
])("whether somebody needs nothing more: %s", (_name, transaction, part, done) => {
  expect(isDone(...having(transaction, part))).toBe(done);
});
