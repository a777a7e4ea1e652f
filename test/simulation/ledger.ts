import type { ParticipantRecord } from "../../src/commit/core/participant-step.ts";
import { hasPromised, heuristicOf, isFinished, type Outcome, type Transaction } from "../../src/commit/core/types.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import type { TimeMs } from "../../src/kernel/time.ts";
import type { CoordinatorActor } from "./coordinators.ts";
import { type Behaviour, promises, type ResourceState } from "./resource.ts";

/** What one client wants to be done. */
export type Order = {
  readonly number: number;
  readonly parts: ReadonlyMap<string, Behaviour>;
  /** Undefined: a call that cannot be repeated. */
  readonly requestId: string | undefined;
};

type State = ParticipantRecord["state"];

/** What the world outside can see of the transactions, and what must hold of it at every moment. */
export type Ledger = {
  onWork(id: TransactionId, order: Order): void;
  onRecord(participant: string, record: ParticipantRecord): void;
  onResourceCommit(participant: string, id: TransactionId): void;
  /** Somebody is told what has become of it. */
  onTold(transaction: Transaction, order?: Order): void;
  /** Somebody is told that there is no such transaction: under presumed abort, that it was aborted. By whom. */
  onNotFound(id: TransactionId, by: CoordinatorActor | undefined): void;
  /** The decision log has a record of it. */
  onStored(id: TransactionId): void;
  /** An operator is about to say how it ended. */
  onResolving(transaction: Transaction): void;
  /** The decision log is about to drop its record, for an operator or by age. */
  onForget(record: Transaction): void;
  isForgotten(id: TransactionId): boolean;
  /** In the log of this participant. */
  stateAt(participant: string, id: TransactionId): State | undefined;
  /** True if the participant makes a promise in this transaction, as far as is known. */
  promises(id: TransactionId, participant: string): boolean;
  /** Somebody who asked at this time is told that it is not decided. */
  onUndecided(id: TransactionId, askedAtMs: TimeMs): void;
  /** Not yet as it must be once all is over. Empty: it is. Nothing is expected of those that are away for good. */
  unsettled(
    log: readonly Transaction[],
    resources: ReadonlyMap<string, ResourceState>,
    isAway?: (participant: string) => boolean,
  ): readonly string[];
};

/**
 * Throws nothing: what is wrong goes to `onViolation`, with the name of the invariant in specs/TwoPhaseCommit.tla. An operator who guesses
 * for a lone participant may be wrong, which the spec does not model: then HeuristicShown is demanded, and what is between the two of them is
 * not.
 */
export function createLedger(onViolation: (text: string) => void, nowMs: () => TimeMs): Ledger {
  const orders = new Map<TransactionId, Order>();
  const told = new Map<TransactionId, Outcome>();
  const toldAtMs = new Map<TransactionId, TimeMs>();
  const records = new Map<TransactionId, Map<string, State>>();
  const guessable = new Set<TransactionId>();
  /** Told as committed, in this epoch, and nobody is bound by it: it is not forced, so a crash may lose it. */
  const unbound = new Map<TransactionId, number>();
  const stored = new Set<TransactionId>();
  const forgotten = new Map<TransactionId, Transaction>();

  const recordsOf = (id: TransactionId): Map<string, State> => {
    const found = records.get(id) ?? new Map();
    records.set(id, found);
    return found;
  };

  function demand(holds: boolean, invariant: string, detail: string): void {
    if (!holds) onViolation(`${invariant}: ${detail}`);
  }

  /** Its only participant decides, and an operator may have guessed. */
  const isGuessable = (id: TransactionId): boolean => guessable.has(id);

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

  function tell(id: TransactionId, outcome: Outcome, order: Order | undefined): void {
    const before = told.get(id);
    // A coordinator that does not know yet that it was replaced may tell what the participant has decided before the operator of the next one guesses.
    const isStable = before === undefined || before === outcome || isGuessable(id);
    demand(isStable, "DecisionStable", `${id} was told as ${before}, then as ${outcome}`);
    told.set(id, outcome);
    if (!toldAtMs.has(id)) toldAtMs.set(id, nowMs());
    if (isGuessable(id)) return;
    if (outcome === "committed" && order) checkCommit(id, order, "for the client");
    if (outcome === "committed") return;
    for (const [participant, state] of recordsOf(id)) {
      demand(state !== "committed", "ClientAckDurable", `${id} is committed at ${participant}; the client is told aborted`);
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
      if (state === "prepared" || isGuessable(id)) return;
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
    onTold({ id, outcome, parts, coordinatorEpoch }, order) {
      if (order) orders.set(id, order);
      if (outcome === "committed" && parts.length !== 1 && !parts.some(hasPromised)) unbound.set(id, coordinatorEpoch);
      if (outcome !== undefined) tell(id, outcome, orders.get(id));
    },
    onNotFound(id, by) {
      if (forgotten.has(id)) return;
      if (!unbound.has(id)) return tell(id, "aborted", orders.get(id));
      const isLost = !stored.has(id) && by?.driver.coordinator.coordinatorEpoch !== unbound.get(id);
      demand(isLost, "DecisionStable", `${id} was told as committed, and is not found, though nobody has lost it`);
    },
    onStored: (id) => void stored.add(id),
    onResolving({ id, parts }) {
      // A participant may have been enlisted since the operator has looked.
      if (parts.length <= 1) guessable.add(id);
    },
    onForget(record) {
      const { id, outcome } = record;
      const mayGo = record.phase === "COMPLETED" && (outcome === "aborted" || isFinished(record));
      demand(mayGo, "ForgetSafe", `the record of ${id} is dropped while it is ${record.phase}`);
      for (const [participant, state] of recordsOf(id)) {
        const isBound = outcome === "committed" && state === "prepared" && !isGuessable(id);
        demand(!isBound, "ForgetSafe", `the record of ${id} is dropped, and ${participant} is in doubt of it`);
      }
      forgotten.set(id, record);
    },
    isForgotten: (id) => forgotten.has(id),
    stateAt: (participant, id) => records.get(id)?.get(participant),
    promises: (id, participant) => promises(orders.get(id)?.parts.get(participant) ?? "abort"),
    onUndecided(id, askedAtMs) {
      const isLate = (toldAtMs.get(id) ?? Number.POSITIVE_INFINITY) < askedAtMs;
      demand(!isLate, "DecisionStable", `${id} was told as ${told.get(id)}, and later as undecided`);
    },
    unsettled(log, resources, isAway = () => false) {
      const found: string[] = [];
      const expect = (holds: boolean, text: string): void => {
        if (!holds) found.push(text);
      };
      const known = new Map([...forgotten, ...log.map((transaction) => [transaction.id, transaction] as const)]);
      const partsOf = (id: TransactionId): readonly string[] =>
        known.get(id)?.parts.map(({ participantId }) => participantId) ?? [...(orders.get(id)?.parts.keys() ?? [])];
      const isAwaited = (id: TransactionId): boolean => partsOf(id).some(isAway);
      const isMixed = (id: TransactionId): boolean => {
        const transaction = known.get(id);
        return transaction !== undefined && heuristicOf(transaction) === "MIXED";
      };
      for (const transaction of log) {
        expect(isFinished(transaction) || isAwaited(transaction.id), `the record of ${transaction.id} is ${transaction.phase}`);
      }
      for (const [participant, state] of resources) {
        if (isAway(participant)) continue;
        for (const [id, each] of state) {
          if (isMixed(id) || isAwaited(id)) continue;
          expect(each === "committed", `${id} is ${each} at ${participant}`);
          expect(recordsOf(id).get(participant) === each, `${participant} has ${each} ${id}, without a record of it`);
        }
      }
      const committedBy = new Map<string, TransactionId>();
      for (const [id, order] of orders) {
        const outcome = known.get(id)?.outcome ?? "aborted";
        const expected = told.get(id) ?? outcome;
        const bound = [...order.parts].filter(([participant, behaviour]) => promises(behaviour) && !isAway(participant));
        for (const [participant] of bound) {
          const state = recordsOf(id).get(participant);
          expect(state !== "prepared", `${participant} is in doubt of ${id}`);
          const is = state === "committed" ? "committed" : "aborted";
          if (is === expected || isMixed(id) || (isGuessable(id) && forgotten.has(id))) continue;
          const whose = told.has(id) ? "client" : "log";
          // What an operator has guessed wrong is shown as such.
          const name = isGuessable(id) ? "HeuristicShown: " : "";
          expect(isAwaited(id), `${name}${id} is ${is} at ${participant} and ${expected} for the ${whose}`);
        }
        if (expected !== "committed" || bound.length === 0 || order.requestId === undefined || isGuessable(id)) continue;
        const other = committedBy.get(order.requestId);
        expect(other === undefined, `request ${order.requestId} is committed twice: ${other} and ${id}`);
        committedBy.set(order.requestId, id);
      }
      return found;
    },
  };
}
