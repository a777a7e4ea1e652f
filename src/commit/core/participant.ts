import { unreachable } from "../../kernel/assert.ts";
import type { TimeMs } from "../../kernel/time.ts";
import { checkParticipantStep } from "./invariants.ts";
import type { Decision, Prepare } from "./messages.ts";
import type {
  ParticipantEffect,
  ParticipantInput,
  ParticipantRecord,
  ParticipantStep,
  ParticipantTransaction,
  ResourceVote,
  Sender,
} from "./participant-step.ts";
import { withParticipantEvents } from "./trace.ts";
import type { Acknowledgement, VoteValue } from "./types.ts";

// One transaction at one participant. Each function that is named after an action of specs/TwoPhaseCommit.tla is that action.

type Known = { readonly transaction: ParticipantTransaction; readonly effects: readonly ParticipantEffect[] };

export const loadTransaction = (record: ParticipantRecord): ParticipantTransaction => ({
  ...record,
  attempt: 0,
  busy: false,
  abortReceived: false,
});

/** True if its outcome is the coordinator's to tell. */
export const isInDoubt = (transaction: ParticipantTransaction): boolean =>
  transaction.state === "prepared" && !transaction.onePhase;

/** Where nobody traces (`isTraced`), a step has no trace effects. */
export function stepParticipant(
  transaction: ParticipantTransaction | undefined,
  input: ParticipantInput,
  isTraced = true,
): ParticipantStep {
  const step = onInput(transaction, input);
  checkParticipantStep(transaction, step, input.type);
  return isTraced ? withParticipantEvents(transaction, input, step) : step;
}

function onInput(transaction: ParticipantTransaction | undefined, input: ParticipantInput): ParticipantStep {
  if (input.type === "prepare" || input.type === "decision") {
    const reason = fencedBy(transaction, input.message.coordinatorEpoch, input.from);
    if (reason !== undefined) return { transaction, effects: [{ type: "refuse", reason }] };
  }
  switch (input.type) {
    case "prepare":
      return input.message.onePhase
        ? recvPrepareOnePhase(transaction, input.message, input.from, input.nowMs)
        : recvPrepare(transaction, input.message, input.from, input.nowMs);
    case "decision":
      if (input.message.outcome === "committed") return recvCommit(transaction, input.message, input.logId);
      return transaction
        ? recvAbort(transaction, input.nowMs)
        : recvAbortUnknown(unknown(input.message, input.from, input.nowMs), input.nowMs);
    case "resource-voted":
      return transaction ? onResourceVoted(transaction, input.vote, input.nowMs) : { transaction, effects: [] };
    case "resource-committed":
      return transaction ? endCommit(transaction, input.nowMs) : { transaction, effects: [] };
    case "promise-lost":
      return transaction ? losePromise(transaction, input.reason, input.nowMs) : { transaction, effects: [] };
    case "unilateral-abort":
      return transaction ? unilateralAbort(transaction, input.reason, input.nowMs) : { transaction, effects: [] };
    case "inquire":
      return transaction ? inquire(transaction) : { transaction, effects: [] };
    case "recover":
      return transaction ? recover(transaction) : { transaction, effects: [] };
    default:
      return unreachable(input);
  }
}

/** Why a message is not believed: from a coordinator that was replaced, or from one whose transaction this is not. */
function fencedBy(transaction: ParticipantTransaction | undefined, epoch: number, from: Sender): string | undefined {
  const seen = Math.max(from.epochSeen, transaction?.coordinatorEpoch ?? 0);
  if (transaction && transaction.coordinatorId !== from.coordinatorId) {
    return `the transaction belongs to coordinator "${transaction.coordinatorId}"`;
  }
  return epoch < seen ? `coordinator epoch ${epoch} was replaced by ${seen}` : undefined;
}

/** specs/TwoPhaseCommit.tla: RecvPrepare. The answer of a known transaction is its old one. What comes too late is refused, not begun. */
function recvPrepare(transaction: ParticipantTransaction | undefined, message: Prepare, from: Sender, nowMs: TimeMs): Known {
  if (!transaction) {
    if (message.voteWithinMs > 0) return startWork(message, from, nowMs);
    return refuseWork({ ...unknown(message, from, nowMs), attempt: message.attempt, reason: tooLate }, nowMs);
  }
  const next = { ...transaction, attempt: message.attempt, coordinatorEpoch: message.coordinatorEpoch };
  switch (next.state) {
    case "working":
      return stay(next);
    case "prepared":
      return next.onePhase ? refuse(next, "it was prepared in one phase") : stay(next, [voteEffect(next, "commit")]);
    case "read-only":
      return stay(next, [voteEffect(next, "read-only")]);
    case "refused":
    case "aborted":
      return stay(next, [voteEffect(next, "abort")]);
    case "committing":
    case "committed":
      return refuse(next, "it is committed");
    case "lost":
      return refuse(next, "its promise is lost");
    default:
      return unreachable(next.state);
  }
}

/**
 * specs/TwoPhaseCommit.tla: RecvPrepareOnePhase. The lone participant decides: prepared is committed, except for the work. Who never
 * heard of the transaction while there was time to vote, aborts it.
 */
function recvPrepareOnePhase(
  transaction: ParticipantTransaction | undefined,
  message: Prepare,
  from: Sender,
  nowMs: TimeMs,
): Known {
  if (!transaction) {
    if (message.voteWithinMs > 0) return startWork(message, from, nowMs);
    return finishAbort({ ...unknown(message, from, nowMs), payload: message.payload, reason: tooLate }, nowMs);
  }
  const next = { ...transaction, attempt: message.attempt, coordinatorEpoch: message.coordinatorEpoch, onePhase: true };
  switch (next.state) {
    case "working":
    case "committing":
      return stay(next);
    case "prepared":
    case "lost":
      return startCommit(next);
    case "committed":
      return stay(next, [ackEffect(next, "committed")]);
    case "aborted":
      return stay(next, [ackEffect(next, "aborted")]);
    case "refused":
    case "read-only":
      return next.busy ? stay(next) : finishAbort(next, nowMs);
    default:
      return unreachable(next.state);
  }
}

const tooLate = "the time to vote is over";

function startWork(message: Prepare, from: Sender, nowMs: TimeMs): Known {
  const { payload, voteWithinMs, onePhase, attempt, coordinatorEpoch } = message;
  const working = { ...unknown(message, from, nowMs), payload, onePhase, attempt, busy: true };
  const { coordinatorId } = from;
  return stay(working, [{ type: "resource-prepare", payload, voteWithinMs, coordinatorId, coordinatorEpoch }]);
}

/** The second half of RecvPrepare: force before yes. No and read-only promise nothing, so they are not written. */
function onResourceVoted(transaction: ParticipantTransaction, vote: ResourceVote, nowMs: TimeMs): Known {
  const next: ParticipantTransaction = { ...transaction, busy: false, updatedAtMs: nowMs };
  if (next.abortReceived) {
    const { effects, transaction: aborted } = finishAbort(next, nowMs);
    return stay(aborted, next.state === "working" && !next.onePhase ? [...effects, voteEffect(aborted, "abort")] : effects);
  }
  // It has refused meanwhile; what the resource prepared after all is undone.
  if (next.state !== "working")
    return stay(next, vote.value === "commit" ? [{ type: "resource-abort", payload: next.payload }] : []);
  if (vote.value === "abort") return refuseWork({ ...next, reason: vote.reason }, nowMs);
  if (vote.value === "read-only") {
    // In one phase it is the decision. There is nothing to carry out, and a resource that was asked to could only say that it holds nothing.
    if (next.onePhase) return endCommit(next, nowMs);
    const readOnly: ParticipantTransaction = { ...next, state: "read-only" };
    return stay(readOnly, [voteEffect(readOnly, "read-only")]);
  }
  const prepared: ParticipantTransaction = { ...next, state: "prepared" };
  const forced: ParticipantEffect = { type: "persist", record: recordOf(prepared, "prepared") };
  if (!next.onePhase) return stay(prepared, [forced, voteEffect(prepared, "commit")]);
  const { transaction: committing, effects } = startCommit(prepared);
  return stay(committing, [forced, ...effects]);
}

/** specs/TwoPhaseCommit.tla: UnilateralAbort. A participant is free until it has voted. */
function unilateralAbort(transaction: ParticipantTransaction, reason: string, nowMs: TimeMs): Known {
  return transaction.state === "working" && !transaction.abortReceived
    ? refuseWork({ ...transaction, reason }, nowMs)
    : stay(transaction);
}

function refuseWork(transaction: ParticipantTransaction, nowMs: TimeMs): Known {
  if (transaction.onePhase) {
    // The lone participant's no is the decision: durable before it is told, and after the resource has answered.
    return transaction.busy ? stay({ ...transaction, abortReceived: true }) : finishAbort(transaction, nowMs);
  }
  const refused: ParticipantTransaction = { ...transaction, state: "refused" };
  return stay(refused, [voteEffect(refused, "abort")]);
}

/**
 * specs/TwoPhaseCommit.tla: RecvCommit, RecvCommitLost. Who is told to commit has promised it; so if nothing durable is known of it here,
 * the promise is lost. A promise that was found lost is looked for again: it may have been restored.
 */
function recvCommit(
  transaction: ParticipantTransaction | undefined,
  { transactionId }: Decision,
  logId: string,
): ParticipantStep {
  switch (transaction?.state) {
    case "prepared":
    case "lost":
      return startCommit(transaction);
    case "committing":
      return stay(transaction);
    case "committed":
      return stay(transaction, [ackEffect(transaction, "committed")]);
    // What is being prepared may come to its promise, and is told again.
    case "working":
      return refuse(transaction, "COMMITTED, but it is working here");
    case "aborted":
      return contradict(transaction, "COMMITTED, but it is aborted here");
    default: {
      const reason = `no record of a promise in log ${logId}: another log has made it, or this one was emptied`;
      return {
        transaction,
        effects: [{ type: "send", message: { type: "decision-ack", transactionId, outcome: "lost", reason } }],
      };
    }
  }
}

/** specs/TwoPhaseCommit.tla: RecvAbort. */
function recvAbort(transaction: ParticipantTransaction, nowMs: TimeMs): Known {
  if (transaction.state === "committed") return contradict(transaction, "ABORTED, but it is committed here");
  if (transaction.state === "committing" || transaction.state === "lost")
    return contradict(transaction, "ABORTED, but it was COMMITTED");
  if (transaction.onePhase && transaction.state !== "aborted") return refuse(transaction, "ABORTED, but the decision is ours");
  if (transaction.state === "aborted") return stay(transaction, [ackEffect(transaction, "aborted")]);
  return transaction.busy ? stay({ ...transaction, abortReceived: true }) : finishAbort(transaction, nowMs);
}

/**
 * specs/TwoPhaseCommit.tla: RecvAbortUnknown. Remembered, so that a Prepare which comes after it is refused instead of leaving the
 * participant in doubt.
 */
function recvAbortUnknown(transaction: ParticipantTransaction, nowMs: TimeMs): Known {
  return finishAbort({ ...transaction, reason: "its abort came first" }, nowMs);
}

/** specs/TwoPhaseCommit.tla: Inquire. */
function inquire(transaction: ParticipantTransaction): Known {
  const { transactionId, coordinatorId } = transaction;
  const inquiry: ParticipantEffect = { type: "send", message: { type: "inquiry", transactionId, coordinatorId } };
  return stay(transaction, isInDoubt(transaction) ? [inquiry] : []);
}

/** specs/TwoPhaseCommit.tla: PartRecover. In doubt it waits for the coordinator; in one phase it finishes what it has decided. */
function recover(transaction: ParticipantTransaction): Known {
  return transaction.state === "prepared" && transaction.onePhase ? startCommit(transaction) : stay(transaction);
}

const startCommit = (transaction: ParticipantTransaction): Known =>
  stay({ ...transaction, state: "committing" }, [{ type: "resource-commit", payload: transaction.payload }]);

/** The second half of RecvCommit. Forced before it is acknowledged: the acknowledgement allows the coordinator to forget. */
function endCommit(transaction: ParticipantTransaction, nowMs: TimeMs): Known {
  const committed: ParticipantTransaction = { ...transaction, state: "committed", reason: "", updatedAtMs: nowMs };
  return stay(committed, [{ type: "persist", record: recordOf(committed, "committed") }, ackEffect(committed, "committed")]);
}

/** The second half of RecvCommitLost. What cannot be proved to have happened is not acknowledged. */
function losePromise(transaction: ParticipantTransaction, reason: string, nowMs: TimeMs): Known {
  const lost: ParticipantTransaction = { ...transaction, state: "lost", reason, updatedAtMs: nowMs };
  return stay(lost, [{ type: "persist", record: recordOf(lost, "lost") }, ackEffect(lost, "lost")]);
}

/** The resource is asked also when it has prepared nothing: a crash may have fallen between its prepare and our record. */
function finishAbort(transaction: ParticipantTransaction, nowMs: TimeMs): Known {
  const aborted: ParticipantTransaction = { ...transaction, state: "aborted", abortReceived: false, updatedAtMs: nowMs };
  return stay(aborted, [
    { type: "resource-abort", payload: aborted.payload },
    { type: "persist", record: recordOf(aborted, "aborted") },
    ackEffect(aborted, "aborted"),
  ]);
}

const unknown = (message: Prepare | Decision, from: Sender, nowMs: TimeMs): ParticipantTransaction => ({
  transactionId: message.transactionId,
  onePhase: false,
  state: "working",
  coordinatorId: from.coordinatorId,
  coordinatorEpoch: message.coordinatorEpoch,
  payload: new Uint8Array(),
  reason: "",
  updatedAtMs: nowMs,
  attempt: 0,
  busy: false,
  abortReceived: false,
});

function recordOf(transaction: ParticipantTransaction, state: ParticipantRecord["state"]): ParticipantRecord {
  const { transactionId, onePhase, coordinatorId, coordinatorEpoch, payload, reason, updatedAtMs } = transaction;
  return { transactionId, onePhase, state, coordinatorId, coordinatorEpoch, payload, reason, updatedAtMs };
}

function voteEffect(transaction: ParticipantTransaction, value: VoteValue): ParticipantEffect {
  const { transactionId, attempt, reason } = transaction;
  return { type: "send", message: { type: "vote", transactionId, attempt, value, reason } };
}

function ackEffect(transaction: ParticipantTransaction, outcome: Acknowledgement): ParticipantEffect {
  const { transactionId, reason } = transaction;
  return { type: "send", message: { type: "decision-ack", transactionId, outcome, reason } };
}

const stay = (transaction: ParticipantTransaction, effects: readonly ParticipantEffect[] = []): Known => ({
  transaction,
  effects,
});

const refuse = (transaction: ParticipantTransaction, reason: string): Known => stay(transaction, [{ type: "refuse", reason }]);

/** Never from a coordinator that has its log; but an operator may have ended it here by his word. */
const contradict = (transaction: ParticipantTransaction, reason: string): Known =>
  stay(transaction, [{ type: "refuse", reason, contrary: true }]);
