import { expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { CoordinatorInput } from "../../../src/commit/core/coordinator-step.ts";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { account, createBooks, inDoubtAt, owedBy, unacknowledgedIn } from "../../../src/commit/owed.ts";
import { ack, begun, id, tx, vote } from "./support.ts";

const stepped = (transaction: Transaction, input: CoordinatorInput): Transaction =>
  stepCoordinator(transaction, input).transaction;

/** Books that hear of each step of each transaction. */
function keeping() {
  const books = createBooks();
  return {
    books,
    run(name: string, names: readonly string[], createdAtMs: number, ...inputs: readonly CoordinatorInput[]) {
      let at: Transaction = { ...begun(names).transaction, id: tx(name), createdAtMs };
      account(books, undefined, at);
      for (const input of inputs) {
        const next = stepped(at, input);
        account(books, at, next);
        at = next;
      }
      return at;
    },
  };
}

const votes = (...names: readonly string[]) => names.map((name) => vote(name, "commit"));

test("each participant owes what is decided and it has not acknowledged, and may have promised what it was asked", () => {
  const { books, run } = keeping();
  const asked = run("t1", ["a", "b"], 10);
  expect([owedBy(books, id("a")), unacknowledgedIn(books)]).toEqual([
    { inDoubt: 1, unacknowledged: 0, oldestUnacknowledgedMs: undefined },
    { unacknowledged: 0, unacknowledgedMost: 0 },
  ]);
  run("t2", ["a", "b"], 20, ...votes("a", "b"), ack("b", "committed"));
  run("t3", ["a", "c"], 30, ...votes("a", "c"));
  expect([
    owedBy(books, id("a")).unacknowledged,
    owedBy(books, id("b")).unacknowledged,
    owedBy(books, id("c")).unacknowledged,
  ]).toEqual([2, 0, 1]);
  // Whichever of them comes last.
  expect(unacknowledgedIn(books)).toEqual({ unacknowledged: 3, unacknowledgedMost: 2 });
  account(books, asked, undefined);
  expect(owedBy(books, id("b"))).toEqual({ inDoubt: 0, unacknowledged: 0, oldestUnacknowledgedMs: undefined });
  expect([...books.accounts.keys()]).toEqual(["a", "c"]);
});

test("what is in doubt is as old as its beginning", () => {
  const { books, run } = keeping();
  expect(inDoubtAt(books, 1_000)).toEqual({ inDoubt: 0, oldestInDoubtMs: 0 });
  run("t1", ["a", "b"], 700, vote("a", "commit"));
  const oldest = run("t2", ["a", "b"], 400, vote("a", "commit"));
  expect([inDoubtAt(books, 1_000), inDoubtAt(books, 100)]).toEqual([
    { inDoubt: 2, oldestInDoubtMs: 600 },
    { inDoubt: 2, oldestInDoubtMs: 0 },
  ]);
  account(books, oldest, undefined);
  expect(inDoubtAt(books, 1_000)).toEqual({ inDoubt: 1, oldestInDoubtMs: 300 });
});
