import fc from "fast-check";
import { expect, test } from "vitest";
import type { VoteValue } from "../../../src/commit/core/types.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { flush, request, world } from "../../unit/commit/support.ts";

// The production driver, sessions and participants, with many transactions at once.

const names = Array.from({ length: 10 }, (_, index) => `p${index}`);

/** Who takes part, how each votes, and in what order the resources answer. */
const transaction = fc.record({
  enlisted: fc.subarray(names, { minLength: 2 }),
  votes: fc.array(fc.constantFrom<VoteValue>("commit", "commit", "commit", "commit", "abort", "read-only"), {
    minLength: names.length,
    maxLength: names.length,
  }),
});

const payloadOf = (index: number): Uint8Array => new Uint8Array([index]);

test("concurrent transactions of 2 to 10 participants: each ends as its own votes say, at each of its participants", async () => {
  const seen = { committed: 0, aborted: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(transaction, { minLength: 2, maxLength: 12 }),
      fc.infiniteStream(fc.nat(1_000)),
      async (transactions, draws) => {
        const w = world();
        await w.start();
        const answers: (() => void)[] = [];
        const participants = new Map<string, ReadonlyMap<TransactionId, string>>();
        for (const [position, name] of names.entries()) {
          const { state } = await w.participant(name, async ({ payload }) => {
            const value = transactions[payload[0] ?? 0]?.votes[position] ?? "abort";
            await new Promise<void>((resolve) => answers.push(resolve));
            return { value, reason: value === "abort" ? "no" : "" };
          });
          participants.set(name, state);
        }
        const running = transactions.map(({ enlisted }, index) => {
          const enlistments = request(enlisted).enlistments.map((each) => ({ ...each, payload: payloadOf(index) }));
          return w.coordinator().driver.execute({ ...request([]), enlistments });
        });
        await flush();
        while (answers.length > 0) {
          const [answer] = answers.splice((draws.next().value as number) % answers.length, 1);
          answer?.();
          await flush();
        }
        for (const [index, result] of (await Promise.all(running)).entries()) {
          const { enlisted, votes } = transactions[index] as (typeof transactions)[number];
          const cast = enlisted.map((name) => votes[names.indexOf(name)]);
          const outcome = cast.includes("abort") ? "aborted" : "committed";
          seen[outcome] += 1;
          if (!result.ok) throw new Error(result.error.type);
          expect(result.value.outcome).toBe(outcome);
          for (const [at, name] of enlisted.entries()) {
            const ended = participants.get(name)?.get(result.value.id);
            if (cast[at] === "commit") expect(ended ?? "aborted", `${result.value.id} at ${name}`).toBe(outcome);
            else expect(ended, `${result.value.id} at ${name}`).not.toBe("committed");
          }
        }
        const left = await w.coordinator().driver.list({ beforeId: undefined, limit: 100 });
        expect(left.transactions.every(({ phase }) => phase === "COMPLETED")).toBe(true);
        w.stop();
      },
    ),
    { numRuns: 200 },
  );
  expect(Math.min(seen.committed, seen.aborted)).toBeGreaterThan(0);
});
