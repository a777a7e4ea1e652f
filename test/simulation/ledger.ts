import type { ParticipantRecord } from "../../src/commit/core/participant-step.ts";
import type { Outcome, Transaction } from "../../src/commit/core/types.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { type Behaviour, promises, type ResourceState } from "./resource.ts";

/** One call of one client. */
export type Order = {
  readonly number: number;
  readonly parts: ReadonlyMap<string, Behaviour>;
  /** Undefined: a call that cannot be repeated. */
  readonly requestId: string | undefined;
};

/** What the world outside can see of the transactions, and what must hold of it at every moment. */
export type Ledger = {
  onWork(id: TransactionId, order: Order): void;
  onRecord(participant: string, record: ParticipantRecord): void;
  onResourceCommit(participant: string, id: TransactionId): void;
  onTold(id: TransactionId, outcome: Outcome, order: Order): void;
  /** Not yet as it must be once all is over. Empty: it is. */
  unsettled(log: readonly Transaction[], resources: ReadonlyMap<string, ResourceState>): readonly string[];
};

/** Throws nothing: what is wrong goes to `onViolation`, with the name of the invariant in specs/TwoPhaseCommit.tla. */
export function createLedger(onViolation: (text: string) => void): Ledger {
  const orders = new Map<TransactionId, Order>();
  const told = new Map<TransactionId, Outcome>();
  const records = new Map<TransactionId, Map<string, ParticipantRecord["state"]>>();

  const recordsOf = (id: TransactionId): Map<string, ParticipantRecord["state"]> => {
    const found = records.get(id) ?? new Map();
    records.set(id, found);
    return found;
  };

  function demand(holds: boolean, invariant: string, detail: string): void {
    if (!holds) onViolation(`${invariant}: ${detail}`);
  }

  /** Everyone who is bound by a commit has promised, durably, and nobody has refused. */
  function checkCommit(id: TransactionId, order: Order, by: string): void {
    for (const [participant, behaviour] of order.parts) {
      demand(
        promises(behaviour) || behaviour === "read-only",
        "CommitValidity",
        `${id} is committed ${by}, and ${participant} answers "${behaviour}"`,
      );
      const state = recordsOf(id).get(participant);
      demand(
        !promises(behaviour) || (state !== undefined && state !== "aborted"),
        "CommitValidity",
        `${id} is committed ${by}, and is ${state ?? "unknown"} at ${participant}`,
      );
    }
  }

  return {
    onWork: (id, order) => void orders.set(id, order),
    onRecord(participant, { transactionId: id, state }) {
      const states = recordsOf(id);
      const before = states.get(participant);
      const final = before === "committed" || before === "aborted";
      demand(!final || before === state, "DecisionStable", `${id} was ${before} at ${participant} and becomes ${state}`);
      states.set(participant, state);
      if (state === "prepared") return;
      // Who has lost its promise was told to commit.
      const contrary = state === "aborted" ? "committed" : "aborted";
      for (const [other, theirs] of states) {
        demand(theirs !== contrary, "Agreement", `${id} is ${state} at ${participant} and ${theirs} at ${other}`);
      }
      demand(
        told.get(id) !== contrary,
        "ClientAckDurable",
        `${id} is ${state} at ${participant}; the client was told ${contrary}`,
      );
    },
    onResourceCommit(participant, id) {
      const order = orders.get(id);
      if (order) checkCommit(id, order, `at ${participant}`);
    },
    onTold(id, outcome, order) {
      const before = told.get(id);
      demand(
        before === undefined || before === outcome,
        "DecisionStable",
        `the client was told ${id} ${before}, then ${outcome}`,
      );
      told.set(id, outcome);
      if (outcome === "committed") checkCommit(id, order, "for the client");
      else {
        for (const [participant, state] of recordsOf(id)) {
          demand(state !== "committed", "ClientAckDurable", `${id} is committed at ${participant}; the client is told aborted`);
        }
      }
    },
    unsettled(log, resources) {
      const found: string[] = [];
      const expect = (holds: boolean, text: string): void => {
        if (!holds) found.push(text);
      };
      const logged = new Map(log.map((transaction) => [transaction.id, transaction]));
      for (const [participant, state] of resources) {
        for (const [id, each] of state) {
          expect(each === "committed", `${id} is ${each} at ${participant}`);
          expect(recordsOf(id).get(participant) === each, `${participant} has ${each} ${id}, without a record of it`);
        }
      }
      const committedBy = new Map<string, TransactionId>();
      for (const [id, order] of orders) {
        const outcome = logged.get(id)?.outcome ?? "aborted";
        const expected = told.get(id) ?? outcome;
        const bound = [...order.parts].filter(([, behaviour]) => promises(behaviour));
        for (const [participant] of bound) {
          const state = recordsOf(id).get(participant);
          expect(state !== "prepared", `${participant} is in doubt of ${id}`);
          const is = state === "committed" ? "committed" : "aborted";
          expect(is === expected, `${id} is ${is} at ${participant} and ${expected} for the ${told.has(id) ? "client" : "log"}`);
        }
        if (expected !== "committed" || bound.length === 0 || order.requestId === undefined) continue;
        const other = committedBy.get(order.requestId);
        expect(other === undefined, `request ${order.requestId} is committed twice: ${other} and ${id}`);
        committedBy.set(order.requestId, id);
      }
      return found;
    },
  };
}
