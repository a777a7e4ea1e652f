import fc from "fast-check";
import { expect, test } from "vitest";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { ok } from "../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import type { TransactionClient, WorkflowStore } from "../../src/workflow/ports.ts";
import {
  allowed,
  creation,
  type ManagerUnderTest,
  managerOver,
  moveTo,
  prepare,
  requestId,
  tx,
  workflowId,
} from "../support/workflow-manager.ts";

// Attempts of one atomic transition, with one request id, in any interleaving with what its coordinator does, with callers that leave, and
// with restarts of the manager. A failure prints its seed; replay it with SEED=n npx vitest run --project property.

type Settled = {
  /** The move was stored before it was asked for. */
  readonly late: boolean;
  readonly answer: string;
  readonly eventId: string | undefined;
};

/** A process of the manager. Once it is dead, nothing of it reaches the store, and none of its callers is answered. */
type Process = { alive: boolean; readonly under: ManagerUnderTest };

/** A transaction, as the coordinator has it. */
type Transaction = {
  readonly id: TransactionId;
  readonly payload: Uint8Array;
  readonly owner: Process;
  readonly answer: (answer: Awaited<ReturnType<TransactionClient["execute"]>>) => void;
  /** Where its Prepare is under way or was answered. */
  askedAt: Process | undefined;
  busy: boolean;
  vote: "commit" | "abort" | undefined;
  outcome: "committed" | "aborted" | undefined;
  delivered: boolean;
  answered: boolean;
};

function createWorld() {
  const stored = createMemoryWorkflowStore();
  const transactions: Transaction[] = [];
  const settled: Settled[] = [];
  const leavers: AbortController[] = [];

  /** The store as one process reaches it. */
  function storeOf(process: { readonly alive: boolean }): WorkflowStore {
    const reached = <T extends unknown[], R>(call: (...asked: T) => Promise<R>) => {
      const lost = new Promise<R>(() => {});
      return async (...asked: T): Promise<R> => {
        if (!process.alive) return lost;
        const answer = await call(...asked);
        return process.alive ? answer : lost;
      };
    };
    const { get, answer, outcome, held, apply } = stored;
    return {
      ...stored,
      get: reached(get),
      answer: reached(answer),
      outcome: reached(outcome),
      held: reached(held),
      apply: reached(apply),
    };
  }

  function start(): Process {
    const life = { alive: true };
    const process: Process = Object.assign(life, { under: managerOver(storeOf(life)) });
    process.under.engine.answer = async () => {
      await tick(10);
      return allowed;
    };
    process.under.coordinator.execute = (request) =>
      new Promise((answer) => {
        const id = tx(`t${transactions.length + 1}`);
        const payload = request.parts[0]?.payload ?? new Uint8Array();
        const transaction: Transaction = {
          id,
          payload,
          owner: process,
          answer,
          askedAt: undefined,
          busy: false,
          vote: undefined,
          outcome: undefined,
          delivered: false,
          answered: false,
        };
        transactions.push(transaction);
        request.signal.addEventListener("abort", () => abandon(transaction));
      });
    return process;
  }

  /** Its caller has left. */
  function abandon(transaction: Transaction): void {
    transaction.outcome ??= "aborted";
  }

  let current = start();

  const events = {
    call: async () => {
      const process = current;
      const late = (await stored.sequences()).newest > 1;
      const caller = new AbortController();
      leavers.push(caller);
      const request = { id: requestId("r"), digest: "d" };
      const result = await process.under.manager.moveTogether(moveTo("ACTIVE", { request }), { signal: caller.signal });
      if (!process.alive || caller.signal.aborted) return;
      settled.push({
        late,
        answer: result.ok ? "ok" : result.error.type,
        eventId: result.ok ? result.value.event.id : undefined,
      });
    },
    leave: () => leavers.shift()?.abort(),
    crash: () => {
      current.alive = false;
      for (const transaction of transactions) {
        if (transaction.owner === current) abandon(transaction);
        if (transaction.askedAt === current) Object.assign(transaction, { busy: false, askedAt: undefined });
      }
      current = start();
    },
  };

  const prepareNow = async (transaction: Transaction): Promise<void> => {
    const process = current;
    Object.assign(transaction, { askedAt: process, busy: true });
    const { value } = await prepare(process.under, transaction.id, transaction.payload);
    if (!process.alive) return;
    transaction.busy = false;
    transaction.vote ??= value;
    if (transaction.vote === "abort") transaction.outcome ??= "aborted";
  };

  const deliver = async (transaction: Transaction): Promise<void> => {
    const process = current;
    Object.assign(transaction, { askedAt: process, busy: true });
    const { resource } = process.under.participant;
    if (transaction.outcome === "committed") {
      expect(await resource.commit({ transactionId: transaction.id })).toBeUndefined();
    } else {
      await resource.abort({ transactionId: transaction.id });
    }
    if (!process.alive) return;
    Object.assign(transaction, { busy: false, delivered: true });
  };

  const answerNow = (transaction: Transaction): void => {
    const { id: transactionId, outcome = "aborted" } = transaction;
    transaction.answered = true;
    if (transaction.owner.alive) transaction.answer(ok({ transactionId, outcome, abortReason: "no", refusals: [] }));
  };

  /** What the coordinator may do now. */
  const enabled = (): readonly (() => unknown)[] =>
    transactions.flatMap((transaction) => {
      const { busy, vote, outcome, delivered, answered } = transaction;
      const steps: (() => unknown)[] = [];
      if (!busy && vote === undefined && outcome === undefined) steps.push(() => void prepareNow(transaction));
      if (vote === "commit" && outcome === undefined) {
        steps.push(
          () => {
            transaction.outcome = "committed";
          },
          () => abandon(transaction),
        );
      }
      if (!busy && outcome !== undefined && !delivered) steps.push(() => void deliver(transaction));
      if (outcome !== undefined && !answered) steps.push(() => answerNow(transaction));
      return steps;
    });

  return { stored, settled, events, enabled };
}

async function tick(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed += 1) await Promise.resolve();
}

/** Each choice is one event, and how far what is under way gets before the next. */
const choices = fc.array(
  fc.record({
    what: fc.constantFrom("step", "step", "step", "step", "call", "leave", "crash"),
    which: fc.nat(1_000),
    ticks: fc.oneof(fc.nat(30), fc.constant(200)),
  }),
  { minLength: 5, maxLength: 40 },
);

test("any interleaving of an attempt, retries, leaving callers and restarts gives the one answer, and makes the move at most once", async () => {
  await fc.assert(
    fc.asyncProperty(choices, async (chosen) => {
      const { stored, settled, events, enabled } = createWorld();
      await managerOver(stored).manager.create(creation());
      void events.call();
      for (const { what, which, ticks } of chosen) {
        const steps = enabled();
        if (what !== "step") void events[what]();
        else steps[which % Math.max(1, steps.length)]?.();
        await tick(ticks);
      }
      // From here on nothing fails; the last retry has an answer to get.
      const answered = events.call();
      for (let round = 0; round < 100; round += 1) {
        await tick(300);
        enabled()[0]?.();
      }
      await answered;
      const moves = (await stored.listEvents({ afterSequence: 1, limit: 10 })).rows.filter(
        (event) => event.workflowId === workflowId,
      );
      expect(moves.length).toBeLessThanOrEqual(1);
      expect((await stored.get(workflowId))?.hold).toBeUndefined();
      for (const { late, answer, eventId } of settled) {
        expect(late ? ["ok"] : ["ok", "transaction-aborted"]).toContain(answer);
        if (answer === "ok") expect(eventId).toBe(moves[0]?.id);
      }
      expect(settled.length).toBeGreaterThan(0);
    }),
    { numRuns: 1_000 },
  );
});
