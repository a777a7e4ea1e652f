import { assert } from "../../kernel/assert.ts";
import type { CoordinatorEffect, Step } from "./coordinator-step.ts";
import type { ParticipantEffect, ParticipantInput, ParticipantStep, ParticipantTransaction } from "./participant-step.ts";
import { isFinished, isOnePhase, owesAck, type Transaction } from "./types.ts";

// The invariants of specs/TwoPhaseCommit.tla, as far as one side can see them, checked after each step and each read of the log.

/** What must hold of a coordinator's transaction, whether stepped or loaded. */
export function checkTransaction(transaction: Transaction): void {
  const { phase, outcome, parts } = transaction;
  const undecided = phase === "INIT" || phase === "PREPARING";
  assert(undecided === (outcome === undefined), "TypeOK: undecided before a decision, decided after it");
  assert(undecided === (transaction.decidedAtMs === undefined), "TypeOK: decided at a time");
  assert((phase === "COMPLETED") === (transaction.completedAtMs !== undefined), "TypeOK: completed at a time");
  assert(transaction.idleTimeoutMs === undefined || phase === "INIT", "TypeOK: work is enlisted before the commit is asked for");
  // The spec has no operator who resolves; what is resolved keeps every other invariant.
  if (outcome === "committed" && !transaction.resolution) {
    assert(
      parts.every((part) => part.vote === "commit" || part.vote === "read-only"),
      "CommitValidity",
    );
  }
  if (outcome === "aborted") assert(transaction.abortReason !== "", "AbortValidity: an abort has a cause");
  if (phase === "COMPLETED" && !transaction.resolution) {
    assert(!parts.some((part) => owesAck(transaction, part)), "ForgetSafe");
    assert(!parts.some(({ lost }) => lost), "LostNeverForgotten");
  }
  assert(!parts.some(({ lost, acknowledgedAtMs }) => lost && acknowledgedAtMs !== undefined), "AckHonest");
}

/** What must hold of one step of a coordinator. */
export function checkStep(before: Transaction, { transaction: after, effects }: Step): void {
  checkTransaction(after);
  if (before.outcome !== undefined) assert(after.outcome === before.outcome, "DecisionStable");
  if (before.phase === "PREPARING" && isOnePhase(before) && after.outcome === "aborted" && !after.resolution) {
    assert(after.parts[0]?.acknowledgedAtMs !== undefined, "AbortValidity: a delegated decision is not taken back");
  }
  if (isFinished(after) && !isFinished(before)) assert(effects.some(isEnd), "Forget: what is finished is written");
  let durable = before.outcome === "committed";
  let delegated = before.phase !== "INIT";
  for (const effect of effects) {
    durable ||= effect.type === "persist" && effect.transaction.outcome === "committed";
    delegated ||= effect.type === "persist";
    checkEffect(after, effect, durable, delegated);
  }
}

/** True of a write that a run ends with. */
const isEnd = (effect: CoordinatorEffect): boolean =>
  (effect.type === "persist" || effect.type === "record") && isFinished(effect.transaction);

function checkEffect(after: Transaction, effect: CoordinatorEffect, durable: boolean, delegated: boolean): void {
  if (effect.type === "reply" && effect.answer === "decided" && after.outcome === "committed" && !isOnePhase(after)) {
    assert(durable || after.parts.every((part) => part.vote === "read-only"), "ClientAckDurable");
  }
  if (effect.type !== "send") return;
  const { message } = effect;
  if (message.type === "prepare") {
    assert(message.onePhase === isOnePhase(after), "WriteAheadDecision: one participant, one phase");
    assert(!message.onePhase || delegated, "WriteAheadDecision: delegated before it is asked");
    return;
  }
  assert(message.outcome === after.outcome, "PresumptionSound");
  if (message.outcome === "committed") assert(durable, "WriteAheadDecision");
}

/** What must hold of one step of a participant. */
export function checkParticipantStep(
  before: ParticipantTransaction | undefined,
  step: ParticipantStep,
  input: ParticipantInput["type"],
): void {
  const { transaction: after, effects } = step;
  if (before?.state === "committed" || before?.state === "aborted") assert(after?.state === before.state, "DecisionStable");
  if (before?.state === "prepared" && after?.state !== "prepared") {
    assert(input === "decision" || after?.onePhase, "InDoubtNeverUnilateral");
  }
  let durable: string | undefined = before?.state;
  for (const effect of effects) {
    if (effect.type === "persist") {
      durable = effect.record.state;
      // A read-only vote in one phase is the decision, and there is nothing to carry out.
      if (durable === "committed") assert(input === "resource-committed" || input === "resource-voted", "AckHonest");
    }
    checkParticipantEffect(effect, durable);
  }
}

function checkParticipantEffect(effect: ParticipantEffect, durable: string | undefined): void {
  if (effect.type === "resource-commit") assert(durable === "prepared" || durable === "lost", "WriteAheadVote");
  if (effect.type !== "send") return;
  const { message } = effect;
  if (message.type === "vote" && message.value === "commit") assert(durable === "prepared", "WriteAheadVote");
  if (message.type !== "decision-ack") return;
  // Where nothing was promised, there is no promise to write down as lost.
  const isUnknown = message.outcome === "lost" && (durable === undefined || durable === "refused" || durable === "read-only");
  assert(durable === message.outcome || isUnknown, "WriteAheadAck");
}
