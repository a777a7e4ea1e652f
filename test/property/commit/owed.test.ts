import fc from "fast-check";
import { expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { CoordinatorInput } from "../../../src/commit/core/coordinator-step.ts";
import { isInDoubtSomewhere, mayHavePromised, owesAck, type Transaction } from "../../../src/commit/core/types.ts";
import { account, createBooks, inDoubtAt, owedBy } from "../../../src/commit/owed.ts";
import { ack, at, begun, id, tx, vote } from "../../unit/commit/support.ts";

const names = ["a", "b", "c"] as const;

const input = fc.oneof(
  fc
    .tuple(fc.constantFrom(...names), fc.constantFrom("commit", "commit", "abort", "read-only"))
    .map(([name, value]) => vote(name, value)),
  fc.tuple(fc.constantFrom(...names), fc.constantFrom("committed", "aborted", "lost")).map(([name, value]) => ack(name, value)),
  fc
    .constantFrom("committed" as const, "aborted" as const)
    .map((outcome): CoordinatorInput => ({ type: "resolve", outcome, reason: "r", requestedBy: "ada", ...at() })),
  fc.constant<CoordinatorInput>({ type: "client-abort", reason: "r", ...at() }),
);

test("the books tell what counting would, whatever happens to however many transactions", () => {
  fc.assert(
    fc.property(
      fc.array(fc.subarray([...names], { minLength: 1 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(3), fc.nat(50), fc.option(input, { freq: 10, nil: undefined })), { maxLength: 60 }),
      (enlisted, happenings) => {
        const books = createBooks();
        const there = new Map<number, Transaction>();
        for (const [index, parts] of enlisted.entries()) {
          const first = { ...begun(parts).transaction, id: tx(`t${index}`), createdAtMs: 1_000 - index };
          there.set(index, first);
          account(books, undefined, first);
        }
        for (const [index, laterMs, happening] of happenings) {
          const before = there.get(index);
          if (!before) continue;
          const after = happening && stepCoordinator(before, { ...happening, nowMs: 1_000_000 + laterMs }).transaction;
          account(books, before, after);
          if (after) there.set(index, after);
          else there.delete(index);
        }
        const all = [...there.values()];
        for (const name of names) {
          const parts = all.flatMap((each) =>
            each.parts.filter(({ participantId }) => participantId === name).map((part) => ({ each, part })),
          );
          const owing = parts.filter(({ each, part }) => each.outcome !== undefined && owesAck(each, part));
          expect(owedBy(books, id(name))).toEqual({
            inDoubt: parts.filter(({ each, part }) => mayHavePromised(each, part) && part.acknowledgedAtMs === undefined).length,
            unacknowledged: owing.length,
            oldestUnacknowledgedMs:
              owing.length === 0 ? undefined : Math.min(...owing.map(({ each }) => each.decidedAtMs ?? NaN)),
          });
        }
        const inDoubt = all.filter(isInDoubtSomewhere);
        expect(inDoubtAt(books, 2_000)).toEqual({
          inDoubt: inDoubt.length,
          oldestInDoubtMs: inDoubt.length === 0 ? 0 : 2_000 - Math.min(...inDoubt.map(({ createdAtMs }) => createdAtMs)),
        });
        for (const each of all) account(books, each, undefined);
        expect([books.accounts.size, books.inDoubt.size]).toEqual([0, 0]);
      },
    ),
  );
});
