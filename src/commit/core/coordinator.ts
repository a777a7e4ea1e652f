import { assert, unreachable } from "../../kernel/assert.ts";
import { type Backoff, backoffMs } from "../../kernel/backoff.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { answerRetentionMs } from "../../kernel/limits.ts";
import { byWhom, type Proved, provedOf } from "../../kernel/principal.ts";
import type { RequestKey } from "../../kernel/request-key.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import type { CoordinatorEffect, CoordinatorInput, Enlistment, Refusal, Step, Timer } from "./coordinator-step.ts";
import { checkStep, checkTransaction } from "./invariants.ts";
import type { PendingPrepare } from "./messages.ts";
import { type Cause, withEvents } from "./trace.ts";
import {
  type Acknowledgement,
  isFinished,
  isOnePhase,
  isUntold,
  type Moment,
  mayAbort,
  type Outcome,
  owesAck,
  type Part,
  type Transaction,
  type VoteValue,
} from "./types.ts";

// The coordinator of one transaction: two-phase commit with presumed abort (Mohan, Lindsay, Obermarck, ACM TODS 11(4), 1986).
// Each function that is named after an action of specs/TwoPhaseCommit.tla is that action.

/** Quick enough that a lost acknowledgement is not felt, slow enough that a broken participant is not flooded. */
export const resendBackoff: Backoff = { firstMs: 1_000, maxMs: 30_000 };

/** Prepares fan out in one go, and a record stays small enough to force. */
export const participantCountMax = 64;

export type NewTransaction = {
  readonly id: TransactionId;
  readonly coordinatorEpoch: number;
  readonly enlistments: readonly Enlistment[];
  readonly connected: ReadonlySet<ParticipantId>;
  readonly waitForParticipantsMs: DurationMs;
  readonly prepareTimeoutMs: DurationMs;
  /** Set: work is enlisted after it has begun, until its commit is asked for. */
  readonly idleTimeoutMs?: DurationMs | undefined;
  readonly requestedBy: string;
  readonly reason: string;
  readonly request: RequestKey | undefined;
} & Proved;

/** A transaction that has not begun. */
export function newTransaction(options: NewTransaction, nowMs: TimeMs): Transaction {
  const { enlistments, connected, ...rest } = options;
  return {
    idleTimeoutMs: undefined,
    ...rest,
    phase: "INIT",
    outcome: undefined,
    abortReason: "",
    parts: enlistments.map((enlistment) => newPart(enlistment, connected.has(enlistment.participantId), undefined)),
    createdAtMs: nowMs,
    decidedAtMs: undefined,
    completedAtMs: undefined,
    voteDeadlineMs: undefined,
    resolution: undefined,
  };
}

const newPart = ({ participantId, payload }: Enlistment, connected: boolean, request: RequestKey | undefined): Part => ({
  participantId,
  payload,
  connected,
  request,
  vote: undefined,
  voteReason: "",
  votedAtMs: undefined,
  acknowledgedAtMs: undefined,
  acknowledgedOutcome: undefined,
  lost: undefined,
  preparesSent: 0,
  decisionsSent: 0,
});

// Where nobody traces (`isTraced`), a step has no trace effects: they take an eighth of all memory that a transaction passes through here.

/** specs/TwoPhaseCommit.tla: Begin, unless work is still to be enlisted; then the commit is the spec's Begin. */
export function begin(transaction: Transaction, moment: Moment, isTraced = true): Step {
  const { idleTimeoutMs } = transaction;
  const step = idleTimeoutMs === undefined ? waitOrPrepare(transaction, moment) : stay(transaction, [idleTimer(idleTimeoutMs)]);
  return checked(transaction, { type: "begin" }, step, isTraced);
}

/** Every step comes out of the core through here. */
function checked(before: Transaction, cause: Cause, step: Step, isTraced: boolean): Step {
  checkStep(before, step);
  return isTraced ? withEvents(before, cause, step) : step;
}

const idleTimer = (delayMs: DurationMs): CoordinatorEffect => ({ type: "set-timer", timer: { type: "idle-timeout" }, delayMs });

/** Each participant once: what a second enlistment should mean, only the caller knows. */
function enlist(transaction: Transaction, input: Extract<CoordinatorInput, { type: "enlist" }>): Step {
  const { participantId, request } = input;
  const { idleTimeoutMs } = transaction;
  const earlier = findPart(transaction, participantId);
  if (request && earlier?.request?.id === request.id && earlier.request.digest === request.digest) return stay(transaction);
  if (idleTimeoutMs === undefined) return refuse(transaction, `${stateOf(transaction)}: no work can be added`, "state");
  if (earlier) {
    return refuse(transaction, `participant "${participantId}" is enlisted already`, "already-enlisted");
  }
  if (transaction.parts.length >= participantCountMax) {
    return refuse(transaction, `a transaction has at most ${participantCountMax} participants`, "too-many-participants");
  }
  const next = { ...transaction, parts: [...transaction.parts, newPart(input, input.connected, request)] };
  return stay(next, [idleTimer(idleTimeoutMs)]);
}

/** The end of enlisting. Of a transaction that is under way already: wait for it. */
function commit(transaction: Transaction, moment: Moment): Step {
  if (transaction.idleTimeoutMs === undefined) return stay(transaction);
  const ready: Transaction = { ...transaction, idleTimeoutMs: undefined };
  const clear: CoordinatorEffect = { type: "clear-timer", timer: { type: "idle-timeout" } };
  return then(stay(ready, [clear]), (next) => waitOrPrepare(next, moment));
}

function waitOrPrepare(transaction: Transaction, moment: Moment): Step {
  const missing = transaction.parts.filter((part) => !part.connected);
  if (missing.length === 0) return startPreparing(transaction, moment);
  const delayMs = transaction.waitForParticipantsMs;
  if (delayMs === 0) return timeoutAbort(transaction, moment);
  return stay(transaction, [{ type: "set-timer", timer: { type: "wait-timeout" }, delayMs }]);
}

/**
 * specs/TwoPhaseCommit.tla: TakeOver. What is decided is sent again; what was delegated is asked for again. Everything that has no
 * record is presumed aborted, and is not here.
 */
export function takeOver(record: Transaction, options: Adoption, moment: Moment): Step {
  assert(options.coordinatorEpoch > record.coordinatorEpoch, "FenceMonotonic");
  return adopt(record, options, { type: "take-over" }, moment);
}

/** A record that nobody runs, whoever wrote it. */
export function resume(record: Transaction, options: Adoption, moment: Moment): Step {
  assert(options.coordinatorEpoch >= record.coordinatorEpoch, "FenceMonotonic");
  return adopt(record, options, { type: "resume" }, moment);
}

/** By whom, and who is there. */
export type Adoption = {
  readonly coordinatorEpoch: number;
  readonly connected: ReadonlySet<ParticipantId>;
  readonly isTraced?: boolean;
};

function adopt(record: Transaction, adoption: Adoption, cause: Cause, moment: Moment): Step {
  const { coordinatorEpoch, connected, isTraced = true } = adoption;
  checkTransaction(record);
  assert(record.phase !== "INIT" && !isFinished(record), "TakeOver: the record is unfinished");
  assert(record.outcome !== undefined || isOnePhase(record), "TakeOver: what is recorded is decided or delegated");
  const transaction: Transaction = {
    ...record,
    coordinatorEpoch,
    parts: record.parts.map((part) => ({ ...part, connected: connected.has(part.participantId) })),
  };
  const sent = each(stay(transaction), transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
  return checked(
    transaction,
    cause,
    then(sent, (next) => forget(next, moment)),
    isTraced,
  );
}

export function stepCoordinator(transaction: Transaction, input: CoordinatorInput, isTraced = true): Step {
  return checked(transaction, input, onInput(transaction, input), isTraced);
}

function onInput(transaction: Transaction, input: CoordinatorInput): Step {
  switch (input.type) {
    case "connected":
      return onConnected(transaction, input.participantId, input.inDoubt, input);
    case "disconnected":
      return onDisconnected(transaction, input.participantId);
    case "enlist":
      return enlist(transaction, input);
    case "commit":
      return commit(transaction, input);
    case "abort":
      return abortOnRequest(transaction, input.reason, input);
    case "resolve":
      return resolve(transaction, input);
    case "retry":
      return retry(transaction, input);
    case "idle-timeout":
      return timeoutIdle(transaction, input);
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
    return next.idleTimeoutMs === undefined && next.parts.every((part) => part.connected)
      ? startPreparing(next, moment)
      : stay(next);
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

/**
 * Of what an operator has resolved. It is asked how it has decided; if it never heard of the work, it shall not begin, and the log has the
 * work no more. The coordinator that asks may have a clock that is behind the one that resolved it.
 */
const longPastMs: TimeMs = 0;

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
    deadlineMs: next.resolution ? longPastMs : next.voteDeadlineMs,
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
  if (value === "abort") return abort(next, refusalOf(participantId, "voted ABORT", reason), moment);
  return commitOnceAllVoted(next, moment);
}

function commitOnceAllVoted(next: Transaction, moment: Moment): Step {
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
  const decided = decide(transaction, "committed", moment);
  const forced: Step = {
    transaction: decided.transaction,
    effects: [{ type: "persist", transaction: decided.transaction }, ...decided.effects],
  };
  return each(forced, transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
}

/** specs/TwoPhaseCommit.tla: CommitReadOnly. Nobody is bound by the outcome, so there is nothing to force. */
function commitReadOnly(transaction: Transaction, moment: Moment): Step {
  return then(decide(transaction, "committed", moment), (next) => forget(next, moment));
}

/** specs/TwoPhaseCommit.tla: TimeoutAbort. A coordinator that delegated the decision may not take it back; it can only say so. */
function timeoutAbort(transaction: Transaction, moment: Moment): Step {
  if (!mayAbort(transaction)) return stay(transaction, [{ type: "reply", answer: "pending" }]);
  if (transaction.phase === "INIT") {
    const missing = transaction.parts.filter((part) => !part.connected);
    const { waitForParticipantsMs: waitedMs } = transaction;
    return abort(transaction, notConnected(missing, waitedMs === 0 ? "" : ` within ${waitedMs} ms`), moment);
  }
  const silent = transaction.parts.filter((part) => part.vote === undefined);
  const reason = `${naming(silent)} did not vote within ${transaction.prepareTimeoutMs} ms`;
  return abort(transaction, reason, moment);
}

/** specs/TwoPhaseCommit.tla: ClientAbort. */
function clientAbort(transaction: Transaction, reason: string, moment: Moment): Step {
  return mayAbort(transaction) ? abort(transaction, reason, moment) : stay(transaction, [{ type: "reply", answer: "pending" }]);
}

/** As clientAbort, but the one who asks is told if it is too late; nobody else is. */
function abortOnRequest(transaction: Transaction, reason: string, moment: Moment): Step {
  if (mayAbort(transaction)) return abort(transaction, reason, moment);
  return transaction.outcome === "aborted"
    ? stay(transaction)
    : refuse(transaction, `${stateOf(transaction)}: it cannot be aborted`, "state");
}

function timeoutIdle(transaction: Transaction, moment: Moment): Step {
  const { idleTimeoutMs } = transaction;
  if (idleTimeoutMs === undefined) return stay(transaction);
  const reason = `no work was enlisted for ${idleTimeoutMs} ms, and no commit was asked for`;
  return abort(transaction, reason, moment);
}

/**
 * An operator ends what does not end by itself. The spec does not model it: whoever guesses for a participant may be wrong, and then
 * Agreement is broken. What is modelled is kept: a decision never changes, and nothing undecided is committed. The record stays
 * until the participants have spoken, and shows what they said. Forced, for the operator and the client are told.
 */
function resolve(transaction: Transaction, input: Extract<CoordinatorInput, { type: "resolve" }>): Step {
  const { outcome, reason, requestedBy, nowMs } = input;
  if (transaction.resolution && transaction.outcome === outcome) return stay(transaction);
  const given = transaction.outcome ?? outcome;
  if (transaction.phase === "COMPLETED" && !transaction.resolution) {
    return refuse(transaction, `it ended by itself as ${given.toUpperCase()}: there is nothing to resolve`, "state");
  }
  if (mayAbort(transaction) || given !== outcome) {
    return refuse(transaction, `${stateOf(transaction)}: it cannot be resolved as ${outcome.toUpperCase()}`, "state");
  }
  const guessed = transaction.outcome === undefined;
  const next: Transaction = {
    ...transaction,
    phase: "COMPLETED",
    outcome,
    abortReason: guessed && outcome === "aborted" ? `resolved by ${byWhom(input)}: ${reason}` : transaction.abortReason,
    decidedAtMs: transaction.decidedAtMs ?? nowMs,
    completedAtMs: nowMs,
    voteDeadlineMs: nowMs,
    resolution: { atMs: nowMs, requestedBy, reason, ...provedOf(input) },
  };
  const resends = next.parts.map(({ participantId }): Timer => ({ type: "resend", participantId }));
  const ended = stay(next, [
    { type: "persist", transaction: next },
    ...[{ type: "prepare-timeout" } as const, ...resends].map((timer) => ({ type: "clear-timer", timer }) as const),
    ...(guessed ? [{ type: "reply", answer: "decided" } as const] : []),
  ]);
  return each(ended, next.parts, (now, part) => sendWhatIsDue(now, part.participantId, input));
}

/** What is due, now. A Prepare is due once per session, except of the lone participant, who may have to be asked how it decided. */
function retry(transaction: Transaction, moment: Moment): Step {
  if (mayAbort(transaction)) return stay(transaction);
  return each(stay(transaction), transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
}

/** Abort needs no forced write: under presumed abort a missing record already means aborted. */
function abort(transaction: Transaction, abortReason: string, moment: Moment): Step {
  const decided = decide({ ...transaction, abortReason }, "aborted", moment);
  const sent = each(decided, transaction.parts, (next, part) => sendWhatIsDue(next, part.participantId, moment));
  return then(sent, (next) => forget(next, moment));
}

function decide(transaction: Transaction, outcome: Outcome, moment: Moment): Step {
  assert(transaction.outcome === undefined, "DecisionStable");
  const phase = outcome === "committed" ? "COMMITTING" : "ABORTING";
  const next: Transaction = { ...transaction, phase, outcome, decidedAtMs: moment.nowMs, idleTimeoutMs: undefined };
  const unfinished = next.parts.some((part) => owesAck(next, part));
  const isIdle = transaction.idleTimeoutMs !== undefined;
  return stay(next, [
    ...(isIdle ? [{ type: "clear-timer", timer: { type: "idle-timeout" } } as const] : []),
    { type: "clear-timer", timer: { type: "wait-timeout" } },
    { type: "clear-timer", timer: { type: "prepare-timeout" } },
    ackClient,
    ...(outcome === "aborted" && unfinished ? [note(next)] : []),
  ]);
}

/** specs/TwoPhaseCommit.tla: AckClient. */
const ackClient: CoordinatorEffect = { type: "reply", answer: "decided" };

/** specs/TwoPhaseCommit.tla: Note. Nobody waits for it, and it may be lost. */
const note = (transaction: Transaction): CoordinatorEffect => ({ type: "record", transaction });

/** specs/TwoPhaseCommit.tla: SendDecision. Sent until it is acknowledged, for ever; after a resolution, only when it connects. */
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
  // Who has lost its promise is asked again when it connects, or when an operator wants it.
  if (!owesAck(next, part) || next.resolution || part.lost) return stay(next, [send]);
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
  if (isUntold(transaction, part)) return sendPrepare(transaction, participantId);
  return owesAck(transaction, part) ? sendDecision(transaction, participantId, moment, false) : stay(transaction);
}

/** specs/TwoPhaseCommit.tla: RecvAck. In one-phase commit the acknowledgement is also the decision. */
function recvAck(
  transaction: Transaction,
  participantId: ParticipantId,
  said: Acknowledgement,
  reason: string,
  moment: Moment,
): Step {
  const part = findPart(transaction, participantId);
  if (!part) return refuse(transaction, notEnlisted(participantId));
  // Of what was aborted there is nothing to be lost, unless a lone participant had decided, and an operator has only guessed how.
  const isNothing = transaction.outcome === "aborted" && !isUntold(transaction, part);
  const outcome = said === "lost" && isNothing ? "aborted" : said;
  if (outcome === "lost") return recvLost(transaction, part, reason, moment);
  if (isOnePhase(transaction) && transaction.phase === "PREPARING") {
    return recvOnePhaseAck(transaction, participantId, outcome, reason, moment);
  }
  if (transaction.resolution && owesAck(transaction, part)) return recvResolvedAck(transaction, participantId, outcome, moment);
  if (outcome !== transaction.outcome) return refuse(transaction, `the outcome is ${transaction.outcome ?? "not decided"}`);
  if (part.acknowledgedAtMs !== undefined) return stay(transaction);
  const next = withPart(transaction, participantId, {
    acknowledgedAtMs: moment.nowMs,
    acknowledgedOutcome: outcome,
    lost: undefined,
  });
  const clear: CoordinatorEffect = { type: "clear-timer", timer: { type: "resend", participantId } };
  return then(stay(next, [clear]), (done) => forget(done, moment));
}

/**
 * specs/TwoPhaseCommit.tla: RecvLost. No acknowledgement: the record stays until the promise is restored and carried out, or an
 * operator ends it. Forced, for nobody is asked again before the participant connects.
 */
function recvLost(transaction: Transaction, part: Part, reason: string, moment: Moment): Step {
  const { participantId } = part;
  const isPending = isOnePhase(transaction) && transaction.phase === "PREPARING";
  if (!isPending && transaction.outcome === undefined) return refuse(transaction, "the outcome is not decided");
  if (part.lost || part.acknowledgedAtMs !== undefined) return stay(transaction);
  const next = withPart(transaction, participantId, { lost: { reason, atMs: moment.nowMs } });
  if (transaction.resolution) return stay(next, [{ type: "record", transaction: next }]);
  return stay(next, [
    { type: "persist", transaction: next },
    { type: "clear-timer", timer: { type: "resend", participantId } },
  ]);
}

/** What an operator has resolved is confirmed, or turns out to be mixed. Either is recorded. Not in the spec; see `resolve`. */
function recvResolvedAck(transaction: Transaction, participantId: ParticipantId, outcome: Outcome, moment: Moment): Step {
  const next = withPart(transaction, participantId, { acknowledgedAtMs: moment.nowMs, acknowledgedOutcome: outcome });
  return stay(next, [{ type: "record", transaction: next }]);
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
    acknowledgedOutcome: outcome,
    lost: undefined,
  });
  const abortReason = outcome === "aborted" ? refusalOf(participantId, "aborted", reason) : "";
  return then(decide({ ...answered, abortReason }, outcome, moment), (next) => forget(next, moment));
}

/** specs/TwoPhaseCommit.tla: AnswerInquiry. While votes are still being collected there is no answer. */
function answerInquiry(transaction: Transaction, participantId: ParticipantId, moment: Moment): Step {
  if (!findPart(transaction, participantId)) return refuse(transaction, notEnlisted(participantId));
  return transaction.outcome === undefined ? stay(transaction) : sendDecision(transaction, participantId, moment, true);
}

/** specs/TwoPhaseCommit.tla: Forget, once nobody who is bound needs the record any more. What is left of it is history. */
function forget(transaction: Transaction, moment: Moment): Step {
  if (transaction.outcome === undefined || transaction.parts.some((part) => owesAck(transaction, part))) return stay(transaction);
  const next: Transaction = { ...transaction, phase: "COMPLETED", completedAtMs: transaction.completedAtMs ?? moment.nowMs };
  return stay(next, [{ type: "record", transaction: next }]);
}

/** Why an operator may not drop the record yet: somebody who asks after it would be told "aborted". Nothing, if it may go. */
export function whyKept(transaction: Transaction, nowMs: TimeMs): string | undefined {
  const { phase, outcome, completedAtMs, request } = transaction;
  if (phase !== "COMPLETED" || completedAtMs === undefined) return `${stateOf(transaction)}: it is not completed`;
  // specs/TwoPhaseCommit.tla: ForgetSafe, which lets go of aborts at any time.
  if (outcome === "aborted") return undefined;
  const owing = transaction.parts.filter((part) => owesAck(transaction, part));
  if (owing.length > 0) return `${naming(owing)} would be told that it aborted`;
  return request && nowMs - completedAtMs < answerRetentionMs
    ? "its request id may still be retried, and would run it again"
    : undefined;
}

function stateOf({ phase, outcome, resolution }: Transaction): string {
  const how = outcome?.toUpperCase();
  if (resolution) return `it was resolved as ${how}`;
  return how === undefined ? `it is ${phase}` : `it is ${phase} as ${how}`;
}

const stay = (transaction: Transaction, effects: readonly CoordinatorEffect[] = []): Step => ({ transaction, effects });

const refuse = (transaction: Transaction, reason: string, code: Refusal["code"] = "message"): Step =>
  stay(transaction, [{ type: "refuse", code, reason }]);

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

const refusalOf = (participantId: ParticipantId, what: string, reason: string): string =>
  `participant "${participantId}" ${what}${reason && `: ${reason}`}`;

const notConnected = (parts: readonly Part[], within: string): string =>
  `${naming(parts)} ${parts.length > 1 ? "are" : "is"} not connected${within}`;

const notEnlisted = (participantId: ParticipantId): string =>
  `participant "${participantId}" is not enlisted in this transaction`;
