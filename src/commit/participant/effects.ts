import { unreachable } from "../../kernel/assert.ts";
import type { TransactionId } from "../../kernel/ids.ts";
import { firstCharacters } from "../../kernel/text.ts";
import type { DecisionAck, Inquiry, Vote } from "../core/messages.ts";
import type { ParticipantEffect, ParticipantInput, ResourceVote } from "../core/participant-step.ts";
import { participantEvent } from "../core/trace.ts";
import { promiseOrEnd } from "../ends.ts";
import { reasonLengthMax, resourceBackoff, storageBackoff } from "../limits.ts";
import type { ParticipantLog, PrepareWork, Resource } from "../ports.ts";
import { failedToPrepare, type PrepareVote } from "../prepare-failure.ts";
import { aboutOf, type Box, type Envelope, type Subject } from "./box.ts";
import type { Context } from "./context.ts";
import { isLeaving, leavingReason } from "./link.ts";
import { traced } from "./spans.ts";
import { untilDone } from "./until-done.ts";

/** A point between two effects, for tries of failures. */
export type ParticipantStepName = "before-vote-sent" | "before-ack-sent";

/** What effects reach. */
export type Surroundings = Context & {
  readonly log: ParticipantLog;
  readonly resource: Resource;
  /** Lost if the box's coordinator has no session. */
  readonly send: (box: Box, message: Vote | DecisionAck | Inquiry) => void;
  /** Called before the message is sent, and awaited. Must not reject. */
  readonly onStep:
    | ((step: { readonly type: ParticipantStepName; readonly transactionId: TransactionId }) => Promise<void>)
    | undefined;
};

/** Resolves when the next effect may run. Answers come through `post`. */
export async function carryOut(
  surroundings: Surroundings,
  box: Box,
  effect: ParticipantEffect,
  refuse: Envelope["refuse"],
  post: (input: ParticipantInput) => void,
): Promise<void> {
  const { participantId, instanceId, logger, seldom, log, trace } = surroundings;
  const { transactionId } = box;
  const fields = aboutOf(box, participantId);
  switch (effect.type) {
    case "resource-prepare":
      startPrepare(surroundings, box, effect, post);
      return;
    case "resource-commit":
      logger.info({ ...fields, decision: "committed" }, "committing");
      void commitResource(surroundings, box, effect.payload).then((input) => input && post(input));
      return;
    case "resource-abort":
      logger.info({ ...fields, decision: "aborted" }, "aborting");
      await abortResource(surroundings, box, effect.payload);
      return;
    case "persist":
      await untilDone(surroundings, box, "the participant log cannot write", storageBackoff, () => log.persist(effect.record));
      return;
    case "trace":
      trace?.(participantEvent(effect, participantId, instanceId));
      return;
    case "send":
      await tell(surroundings, box, effect.message);
      return;
    case "refuse":
      if (effect.contrary)
        seldom.error(transactionId, { ...fields, reason: effect.reason }, "a decision contradicts what was done here");
      else seldom.warn(transactionId, { ...fields, reason: effect.reason }, "message refused");
      refuse?.(effect.reason);
      return;
    default:
      unreachable(effect);
  }
}

/** How the resource has answered. Nothing if the participant closes before. */
async function commitResource(
  surroundings: Surroundings,
  { transactionId, origin }: Subject,
  payload: Uint8Array,
): Promise<ParticipantInput | undefined> {
  const { clock, log, resource } = surroundings;
  const about = { transactionId, origin };
  const answered = await untilDone(surroundings, about, "the resource cannot commit", resourceBackoff, async () => ({
    promise: await traced(surroundings, "commit", { ...about, payload, logId: log.id }, (work) => resource.commit(work)),
  }));
  if (!answered) return undefined;
  const nowMs = clock.nowMs();
  return answered.promise
    ? { type: "promise-lost", reason: answered.promise.lost, nowMs }
    : { type: "resource-committed", nowMs };
}

/** Undoes what a transaction may have prepared, also without a box. */
export async function abortResource(
  surroundings: Pick<Surroundings, "log" | "resource" | keyof Context>,
  { transactionId, origin }: Subject,
  payload: Uint8Array,
): Promise<void> {
  const { log, resource } = surroundings;
  const about = { transactionId, origin };
  await untilDone(surroundings, about, "the resource cannot abort", resourceBackoff, () =>
    traced(surroundings, "abort", { ...about, payload, logId: log.id }, (work) => resource.abort(work)),
  );
}

async function tell(surroundings: Surroundings, box: Box, message: Vote | DecisionAck | Inquiry): Promise<void> {
  const { participantId, logger, onStep, send } = surroundings;
  const { transactionId } = box;
  const fields = aboutOf(box, participantId);
  switch (message.type) {
    case "vote":
      box.cancelVoteTimer();
      await onStep?.({ type: "before-vote-sent", transactionId });
      logger.info({ ...fields, vote: message.value, reason: message.reason }, "vote sent");
      break;
    case "decision-ack":
      box.cancelVoteTimer();
      await onStep?.({ type: "before-ack-sent", transactionId });
      if (message.outcome === "lost") logger.error({ ...fields, reason: message.reason }, "the promise is lost");
      else logger.info({ ...fields, decision: message.outcome }, "decision acknowledged");
      break;
    case "inquiry":
      logger.info(fields, "in doubt: inquiry sent");
      break;
    default:
      unreachable(message);
  }
  send(box, "reason" in message ? { ...message, reason: firstCharacters(message.reason, reasonLengthMax) } : message);
}

function startPrepare(
  surroundings: Surroundings,
  box: Box,
  asked: Extract<ParticipantEffect, { type: "resource-prepare" }>,
  post: (input: ParticipantInput) => void,
): void {
  const { participantId, clock, logger, log, signal } = surroundings;
  const { transactionId, origin } = box;
  const { payload, voteWithinMs, coordinatorId, coordinatorEpoch } = asked;
  if (box.link && isLeaving(box.link)) {
    post({ type: "resource-voted", vote: { value: "abort", reason: leavingReason }, nowMs: clock.nowMs() });
    return;
  }
  const startedMs = clock.monotonicMs();
  const reason = `not prepared within ${voteWithinMs} ms`;
  box.cancelVoteTimer = clock.setTimer(voteWithinMs, () => post({ type: "unilateral-abort", reason, nowMs: clock.nowMs() }));
  const work = { transactionId, payload, logId: log.id, voteWithinMs, coordinatorId, coordinatorEpoch, origin };
  void promiseOrEnd(signal, prepareResource(surroundings, work)).then((vote) => {
    if (!("value" in vote)) return;
    box.cancelVoteTimer();
    const tookMs = Math.round(clock.monotonicMs() - startedMs);
    const { value, reason: why, cause } = vote;
    const fields = { ...aboutOf(box, participantId), vote: value, tookMs };
    if (cause !== undefined) logger.warn({ ...fields, err: cause }, prepareFailed);
    else logger.info(fields, "resource prepared");
    post({ type: "resource-voted", vote: { value, reason: why }, nowMs: clock.nowMs() });
  });
}

const prepareFailed = "the resource failed to prepare";

const voteOf = ({ value }: ResourceVote) => ({ "concord.vote": value });

async function prepareResource(surroundings: Surroundings, work: PrepareWork): Promise<PrepareVote> {
  const { participantId, logger, resource } = surroundings;
  try {
    return await traced(surroundings, "prepare", work, (given) => resource.prepare(given), voteOf);
  } catch (error) {
    // Before it is undone, which may take long.
    logger.warn({ ...aboutOf(work, participantId), err: error }, prepareFailed);
    await abortResource(surroundings, work, work.payload);
    return { ...failedToPrepare(work.transactionId, error), cause: undefined };
  }
}
