import { assert, unreachable } from "../../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import { type Backoff, backoffMs } from "./backoff.ts";
import { checkStep, checkTransaction } from "./invariants.ts";
import type { Decision, PendingPrepare } from "./messages.ts";
import {
  isOnePhase,
  type Moment,
  mayAbort,
  type Outcome,
  owesAck,
  type Part,
  type RequestKey,
  type Transaction,
  type VoteValue,
} from "./types.ts";

// The coordinator of one transaction: two-phase commit with presumed abort (Mohan, Lindsay, Obermarck, ACM TODS 11(4), 1986).
// Each function that is named after an action of specs/TwoPhaseCommit.tla is that action.

export type CoordinatorInput = Moment &
  (
    | { readonly type: "connected"; readonly participantId: ParticipantId; readonly inDoubt: boolean }
    | { readonly type: "disconnected"; readonly participantId: ParticipantId }
    | { readonly type: "wait-timeout" }
    | { readonly type: "prepare-timeout" }
    | { readonly type: "client-abort"; readonly reason: string }
    | { readonly type: "vote"; readonly participantId: ParticipantId; readonly value: VoteValue; readonly reason: string }
    | { readonly type: "ack"; readonly participantId: ParticipantId; readonly outcome: Outcome; readonly reason: string }
    | { readonly type: "inquiry"; readonly participantId: ParticipantId }
    | { readonly type: "resend"; readonly participantId: ParticipantId }
  );

export type CoordinatorEffect =
  /** Forced: durable, under the fence, before any later effect runs. */
  | { readonly type: "persist"; readonly transaction: Transaction }
  /** Written in this order, but nobody waits for it: under presumed abort its loss changes no outcome. */
  | { readonly type: "record"; readonly transaction: Transaction }
  /** specs/TwoPhaseCommit.tla: AckClient. `pending`: the decision is the participant's, and it has not told. */
  | { readonly type: "reply"; readonly answer: "decided" | "pending" }
  | { readonly type: "send"; readonly participantId: ParticipantId; readonly message: PendingPrepare | Decision }
  /** Comes back as the input of this name. Setting a timer again moves it. */
  | { readonly type: "set-timer"; readonly timer: Timer; readonly delayMs: DurationMs }
  | { readonly type: "clear-timer"; readonly timer: Timer }
  /** The message that was the input is answered with Nack. */
  | { readonly type: "refuse"; readonly reason: string };

export type Timer =
  | { readonly type: "wait-timeout" }
  | { readonly type: "prepare-timeout" }
  | { readonly type: "resend"; readonly participantId: ParticipantId };

export type Step = { readonly transaction: Transaction; readonly effects: readonly CoordinatorEffect[] };

/** Quick enough that a lost acknowledgement is not felt, slow enough that a broken participant is not flooded. */
export const resendBackoff: Backoff = { firstMs: 1_000, maxMs: 30_000 };

export type NewTransaction = {
  readonly id: TransactionId;
  readonly coordinatorEpoch: number;
  readonly enlistments: readonly { readonly participantId: ParticipantId; readonly payload: Uint8Array }[];
  readonly connected: ReadonlySet<ParticipantId>;
  readonly waitForParticipantsMs: DurationMs;
  readonly prepareTimeoutMs: DurationMs;
  readonly requestedBy: string;
  readonly reason: string;
  readonly request: RequestKey | undefined;
};

/** A transaction that has not begun. */
export function newTransaction(options: NewTransaction, nowMs: TimeMs): Transaction {
  const { enlistments, connected, ...rest } = options;
  return {
    ...rest,
    phase: "INIT",
    outcome: undefined,
    abortReason: "",
    parts: enlistments.map(({ participantId, payload }) => ({
      participantId,
      payload,
      connected: connected.has(participantId),
      vote: undefined,
      voteReason: "",
      votedAtMs: undefined,
      acknowledgedAtMs: undefined,
      preparesSent: 0,
      decisionsSent: 0,
    })),
    createdAtMs: nowMs,
    decidedAtMs: undefined,
    completedAtMs: undefined,
    voteDeadlineMs: undefined,
  };
}

/** specs/TwoPhaseCommit.tla: Begin. */
export function begin(transaction: Transaction, moment: Moment): Step {
  const step = waitOrPrepare(transaction, moment);
  checkStep(transaction, step);
  return step;
}

function waitOrPrepare(transaction: Transaction, moment: Moment): Step {
  const missing = transaction.parts.filter((part) => !part.connected);
  if (missing.length === 0) return startPreparing(transaction, moment);
  const delayMs = transaction.waitForParticipantsMs;
  if (delayMs === 0) return abort(transaction, notConnected(missing, ""), moment);
  return stay(transaction, [{ type: "set-timer", timer: { type: "wait-timeout" }, delayMs }]);
}

/**
 * specs/TwoPhaseCommit.tla: TakeOver. What is decided is sent again; what was delegated is asked for again. Everything that has no
 * record is presumed aborted, and is not here.
 */
export function takeOver(
  record: Transaction,
  options: { readonly coordinatorEpoch: number; readonly connected: ReadonlySet<ParticipantId> },
  moment: Moment,
): Step {
  checkTransaction(record);
  assert(record.phase !== "INIT" && record.phase !== "COMPLETED", "TakeOver: the record is unfinished");
  assert(record.outcome !== undefined || isOnePhase(record), "TakeOver: what is recorded is decided or delegated");
  assert(options.coordinatorEpoch > record.coordinatorEpoch, "FenceMonotonic");
  const transaction: Transaction = {
    ...record,
    coordinatorEpoch: options.coordinatorEpoch,
    parts: record.parts.map((part) => ({ ...part, connected: options.connected.has(part.participantId) })),
  };
  const sent = each(stay(transaction), transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
  const step = then(sent, (next) => forget(next, moment));
  checkStep(transaction, step);
  return step;
}

export function stepCoordinator(transaction: Transaction, input: CoordinatorInput): Step {
  const step = onInput(transaction, input);
  checkStep(transaction, step);
  return step;
}

function onInput(transaction: Transaction, input: CoordinatorInput): Step {
  switch (input.type) {
    case "connected":
      return onConnected(transaction, input.participantId, input.inDoubt, input);
    case "disconnected":
      return onDisconnected(transaction, input.participantId);
    case "wait-timeout":
      return transaction.phase === "INIT" ? timeoutAbort(transaction, input) : stay(transaction);
    case "prepare-timeout":
      return transaction.phase === "PREPARING" ? timeoutAbort(transaction, input) : stay(transaction);
    case "client-abort":
      return clientAbort(transaction, input.reason, input);
    case "vote":
      return recvVote(transaction, input.participantId, input.value, input.reason, input);
    case "ack":
      return recvAck(transaction, input.participantId, input.outcome, input.reason, input);
    case "inquiry":
      return answerInquiry(transaction, input.participantId, input);
    case "resend":
      return sendWhatIsDue(transaction, input.participantId, input);
    default:
      return unreachable(input);
  }
}

function onConnected(transaction: Transaction, participantId: ParticipantId, inDoubt: boolean, moment: Moment): Step {
  const next = withPart(transaction, participantId, { connected: true });
  if (next.phase === "INIT") {
    return next.parts.every((part) => part.connected) ? startPreparing(next, moment) : stay(next);
  }
  return inDoubt && next.outcome !== undefined
    ? sendDecision(next, participantId, moment, true)
    : sendWhatIsDue(next, participantId, moment);
}

/** A lost stream is never a vote. */
function onDisconnected(transaction: Transaction, participantId: ParticipantId): Step {
  const timer: Timer = { type: "resend", participantId };
  return stay(withPart(transaction, participantId, { connected: false }), [{ type: "clear-timer", timer }]);
}

function startPreparing(transaction: Transaction, moment: Moment): Step {
  if (transaction.parts.length === 0) return commitReadOnly(transaction, moment);
  const started: Transaction = {
    ...transaction,
    phase: "PREPARING",
    voteDeadlineMs: moment.nowMs + transaction.prepareTimeoutMs,
  };
  const timers: readonly CoordinatorEffect[] = [
    { type: "clear-timer", timer: { type: "wait-timeout" } },
    { type: "set-timer", timer: { type: "prepare-timeout" }, delayMs: transaction.prepareTimeoutMs },
  ];
  const begun = isOnePhase(started) ? forceDelegate(started) : stay(started);
  const sent = each(begun, started.parts, (next, part) => sendPrepare(next, part.participantId));
  return { transaction: sent.transaction, effects: [...timers, ...sent.effects] };
}

/**
 * specs/TwoPhaseCommit.tla: ForceDelegate. One-phase commit hands the decision to the participant. From then on no coordinator may
 * presume abort, so the record that says so is forced before the Prepare is sent.
 */
function forceDelegate(transaction: Transaction): Step {
  return stay(transaction, [{ type: "persist", transaction }]);
}

/** specs/TwoPhaseCommit.tla: SendPrepare. Once per session: a stream loses nothing while it lasts. */
function sendPrepare(transaction: Transaction, participantId: ParticipantId): Step {
  const part = partOf(transaction, participantId);
  const next = withPart(transaction, participantId, { preparesSent: part.preparesSent + 1 });
  assert(next.voteDeadlineMs !== undefined, "SendPrepare: after the deadline is set");
  const message: PendingPrepare = {
    type: "prepare",
    transactionId: next.id,
    attempt: part.preparesSent + 1,
    payload: part.payload,
    deadlineMs: next.voteDeadlineMs,
    onePhase: isOnePhase(next),
    coordinatorEpoch: next.coordinatorEpoch,
  };
  return stay(next, [{ type: "send", participantId, message }]);
}

/** specs/TwoPhaseCommit.tla: RecvVote. One no decides. A durable yes counts whatever Prepare it answers. */
function recvVote(
  transaction: Transaction,
  participantId: ParticipantId,
  value: VoteValue,
  reason: string,
  moment: Moment,
): Step {
  const part = findPart(transaction, participantId);
  if (!part) return refuse(transaction, notEnlisted(participantId));
  if (isOnePhase(transaction)) return refuse(transaction, "a one-phase Prepare is answered with DecisionAck");
  if (transaction.phase !== "PREPARING") return recvLateVote(transaction, part, value, reason, moment);
  // A yes binds, so it outlives a read-only vote of a session before; it is never weakened to one.
  if (value === part.vote || (value === "read-only" && part.vote === "commit")) return stay(transaction);
  const next = withPart(transaction, participantId, { vote: value, voteReason: reason, votedAtMs: moment.nowMs });
  if (value === "abort") return abort(next, `participant "${participantId}" voted ABORT${reason && `: ${reason}`}`, moment);
  if (next.parts.some(({ vote }) => vote === undefined)) return stay(next);
  return next.parts.every(({ vote }) => vote === "read-only") ? commitReadOnly(next, moment) : forceCommit(next, moment);
}

/** The decision is made. It is behind the Prepare in the stream, so only a yes that owes no answer any more is a question. */
function recvLateVote(transaction: Transaction, part: Part, value: VoteValue, reason: string, moment: Moment): Step {
  const { participantId } = part;
  const owes = owesAck(transaction, part);
  if (owes && part.vote === undefined) {
    const next = withPart(transaction, participantId, { vote: value, voteReason: reason, votedAtMs: moment.nowMs });
    return forget(next, moment);
  }
  return value === "commit" && !owes ? answerInquiry(transaction, participantId, moment) : stay(transaction);
}

/** specs/TwoPhaseCommit.tla: ForceCommit. The commit point; then AckClient, then SendDecision. */
function forceCommit(transaction: Transaction, moment: Moment): Step {
  const decided = decide(transaction, "COMMITTING", "committed", moment);
  const forced: Step = {
    transaction: decided.transaction,
    effects: [{ type: "persist", transaction: decided.transaction }, ...decided.effects],
  };
  return each(forced, transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
}

/** specs/TwoPhaseCommit.tla: CommitReadOnly. Nobody is bound by the outcome, so there is nothing to force. */
function commitReadOnly(transaction: Transaction, moment: Moment): Step {
  return then(decide(transaction, "COMMITTING", "committed", moment), (next) => forget(next, moment));
}

/** specs/TwoPhaseCommit.tla: TimeoutAbort. A coordinator that delegated the decision may not take it back; it can only say so. */
function timeoutAbort(transaction: Transaction, moment: Moment): Step {
  if (!mayAbort(transaction)) return stay(transaction, [{ type: "reply", answer: "pending" }]);
  if (transaction.phase === "INIT") {
    const missing = transaction.parts.filter((part) => !part.connected);
    return abort(transaction, notConnected(missing, ` within ${transaction.waitForParticipantsMs} ms`), moment);
  }
  const silent = transaction.parts.filter((part) => part.vote === undefined);
  return abort(transaction, `${naming(silent)} did not vote within ${transaction.prepareTimeoutMs} ms`, moment);
}

/** specs/TwoPhaseCommit.tla: ClientAbort. */
function clientAbort(transaction: Transaction, reason: string, moment: Moment): Step {
  return mayAbort(transaction) ? abort(transaction, reason, moment) : stay(transaction, [{ type: "reply", answer: "pending" }]);
}

/** Abort needs no forced write: under presumed abort a missing record already means aborted. */
function abort(transaction: Transaction, abortReason: string, moment: Moment): Step {
  const decided = decide({ ...transaction, abortReason }, "ABORTING", "aborted", moment);
  const sent = each(decided, transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
  return then(sent, (next) => forget(next, moment));
}

function decide(transaction: Transaction, phase: "COMMITTING" | "ABORTING", outcome: Outcome, moment: Moment): Step {
  assert(transaction.outcome === undefined, "DecisionStable");
  const next: Transaction = { ...transaction, phase, outcome, decidedAtMs: moment.nowMs };
  const unfinished = next.parts.some((part) => owesAck(next, part));
  return stay(next, [
    { type: "clear-timer", timer: { type: "wait-timeout" } },
    { type: "clear-timer", timer: { type: "prepare-timeout" } },
    { type: "reply", answer: "decided" },
    ...(outcome === "aborted" && unfinished ? [{ type: "record", transaction: next } as const] : []),
  ]);
}

/** specs/TwoPhaseCommit.tla: SendDecision. Sent until it is acknowledged, for ever. */
function sendDecision(transaction: Transaction, participantId: ParticipantId, moment: Moment, inReply: boolean): Step {
  const part = partOf(transaction, participantId);
  const { outcome } = transaction;
  assert(outcome !== undefined, "WriteAheadDecision");
  const decisionsSent = part.decisionsSent + 1;
  const next = withPart(transaction, participantId, { decisionsSent });
  const send: CoordinatorEffect = {
    type: "send",
    participantId,
    message: { type: "decision", transactionId: next.id, outcome, coordinatorEpoch: next.coordinatorEpoch, inReply },
  };
  if (!owesAck(next, part)) return stay(next, [send]);
  const delayMs = backoffMs(resendBackoff, decisionsSent, moment.random);
  return stay(next, [send, { type: "set-timer", timer: { type: "resend", participantId }, delayMs }]);
}

/** Sends what the part has not answered yet, if it is connected. */
function sendWhatIsDue(transaction: Transaction, participantId: ParticipantId, moment: Moment): Step {
  const part = partOf(transaction, participantId);
  if (!part.connected) return stay(transaction);
  if (transaction.phase === "PREPARING") {
    return part.vote === undefined ? sendPrepare(transaction, participantId) : stay(transaction);
  }
  return owesAck(transaction, part) ? sendDecision(transaction, participantId, moment, false) : stay(transaction);
}

/** specs/TwoPhaseCommit.tla: RecvAck. In one-phase commit the acknowledgement is also the decision. */
function recvAck(transaction: Transaction, participantId: ParticipantId, outcome: Outcome, reason: string, moment: Moment): Step {
  const part = findPart(transaction, participantId);
  if (!part) return refuse(transaction, notEnlisted(participantId));
  if (isOnePhase(transaction) && transaction.phase === "PREPARING") {
    return recvOnePhaseAck(transaction, participantId, outcome, reason, moment);
  }
  if (outcome !== transaction.outcome) return refuse(transaction, `the outcome is ${transaction.outcome ?? "not decided"}`);
  if (part.acknowledgedAtMs !== undefined) return stay(transaction);
  const next = withPart(transaction, participantId, { acknowledgedAtMs: moment.nowMs });
  return then(stay(next, [{ type: "clear-timer", timer: { type: "resend", participantId } }]), (done) => forget(done, moment));
}

function recvOnePhaseAck(
  transaction: Transaction,
  participantId: ParticipantId,
  outcome: Outcome,
  reason: string,
  moment: Moment,
): Step {
  const answered = withPart(transaction, participantId, {
    vote: outcome === "committed" ? "commit" : "abort",
    voteReason: reason,
    votedAtMs: moment.nowMs,
    acknowledgedAtMs: moment.nowMs,
  });
  const decided =
    outcome === "committed"
      ? decide(answered, "COMMITTING", outcome, moment)
      : decide(
          { ...answered, abortReason: `participant "${participantId}" aborted${reason && `: ${reason}`}` },
          "ABORTING",
          outcome,
          moment,
        );
  return then(decided, (next) => forget(next, moment));
}

/** specs/TwoPhaseCommit.tla: AnswerInquiry. While votes are still being collected there is no answer. */
function answerInquiry(transaction: Transaction, participantId: ParticipantId, moment: Moment): Step {
  if (!findPart(transaction, participantId)) return refuse(transaction, notEnlisted(participantId));
  return transaction.outcome === undefined ? stay(transaction) : sendDecision(transaction, participantId, moment, true);
}

/** specs/TwoPhaseCommit.tla: Forget, once nobody who is bound needs the record any more. What is left of it is history. */
function forget(transaction: Transaction, moment: Moment): Step {
  if (transaction.outcome === undefined || transaction.parts.some((part) => owesAck(transaction, part))) return stay(transaction);
  const next: Transaction = { ...transaction, phase: "COMPLETED", completedAtMs: moment.nowMs };
  return stay(next, [{ type: "record", transaction: next }]);
}

const stay = (transaction: Transaction, effects: readonly CoordinatorEffect[] = []): Step => ({ transaction, effects });

const refuse = (transaction: Transaction, reason: string): Step => stay(transaction, [{ type: "refuse", reason }]);

function then(step: Step, next: (transaction: Transaction) => Step): Step {
  const { transaction, effects } = next(step.transaction);
  return { transaction, effects: [...step.effects, ...effects] };
}

const each = (step: Step, parts: readonly Part[], next: (transaction: Transaction, part: Part) => Step): Step =>
  parts.reduce((sofar, part) => then(sofar, (transaction) => next(transaction, part)), step);

const findPart = (transaction: Transaction, participantId: ParticipantId): Part | undefined =>
  transaction.parts.find((part) => part.participantId === participantId);

function partOf(transaction: Transaction, participantId: ParticipantId): Part {
  const part = findPart(transaction, participantId);
  assert(part !== undefined, "TypeOK: an input is for an enlisted participant");
  return part;
}

function withPart(transaction: Transaction, participantId: ParticipantId, change: Partial<Part>): Transaction {
  const part = partOf(transaction, participantId);
  return { ...transaction, parts: transaction.parts.map((each) => (each === part ? { ...part, ...change } : each)) };
}

const naming = (parts: readonly Part[]): string =>
  `participant${parts.length > 1 ? "s" : ""} ${parts.map((part) => `"${part.participantId}"`).join(", ")}`;

const notConnected = (parts: readonly Part[], within: string): string =>
  `${naming(parts)} ${parts.length > 1 ? "are" : "is"} not connected${within}`;

const notEnlisted = (participantId: ParticipantId): string =>
  `participant "${participantId}" is not enlisted in this transaction`;
