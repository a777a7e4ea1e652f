import { assert, unreachable } from "../kernel/assert.ts";
import { backoffMs } from "../kernel/backoff.ts";
import type { Origin } from "../kernel/origin.ts";
import { err, ok } from "../kernel/result.ts";
import type { CoordinatorEffect, Timer } from "./core/coordinator-step.ts";
import { coordinatorEvent } from "./core/trace.ts";
import { isFinished, type Transaction } from "./core/types.ts";
import { pause } from "./ends.ts";
import { notCharged } from "./footprint.ts";
import { storageBackoff } from "./limits.ts";
import { createMailbox } from "./mailbox.ts";
import { publish } from "./publish.ts";
import {
  aboutOf,
  answer,
  cannotWrite,
  type Envelope,
  endByDefect,
  note,
  post,
  type Refuse,
  type Run,
  type RunEnd,
} from "./run.ts";
import { addRun, charge, indexParts, removeRun } from "./runs.ts";
import type { Share } from "./shares.ts";
import type { Shell } from "./shell.ts";
import { endAll, originOf } from "./spans.ts";
import { emptyTimeline, type Timeline } from "./timeline.ts";

/** A run whose first step is still to be posted. */
export function createRun(
  shell: Shell,
  first: Transaction,
  {
    timeline = emptyTimeline,
    share,
    origin,
  }: { readonly timeline?: Timeline | undefined; readonly share?: Share | undefined; readonly origin?: Origin | undefined },
): Run {
  const ended = new AbortController();
  const run: Run = {
    core: first,
    timeline,
    charged: notCharged,
    share,
    origin,
    about: aboutOf(first.id, origin),
    spans: undefined,
    phaseSinceMs: shell.clock.monotonicMs(),
    view: first,
    mailbox: createMailbox<Envelope>(
      (envelope) => handle(shell, run, envelope),
      (error, dropped) => endByDefect(shell, run, error, dropped),
    ),
    timers: new Map(),
    waiters: new Set(),
    requests: new Map(),
    verbs: new Set(),
    watchers: new Set(),
    ended: ended.signal,
    end(why: RunEnd) {
      for (const cancel of run.timers.values()) cancel();
      run.timers.clear();
      run.mailbox.stop();
      endAll(run);
      ended.abort(why);
    },
  };
  addRun(shell.runs, run);
  charge(shell.runs, run);
  return run;
}

/** One step and its effects, in order. Only a forced write makes what is behind it wait. */
function handle(shell: Shell, run: Run, { step, refuse, done }: Envelope): Promise<void> | undefined {
  const { transaction, effects } = step(run.core);
  indexParts(shell.runs, run, transaction.parts.slice(run.core.parts.length));
  run.core = transaction;
  const forcedAt = effects.findIndex(({ type }) => type === "persist");
  const forced = effects[forcedAt];
  for (const effect of effects.slice(0, Math.max(0, forcedAt))) carryOut(shell, run, effect, refuse);
  const afterwards = (): void => {
    publish(shell, run);
    for (const effect of effects.slice(forcedAt + 1)) carryOut(shell, run, effect, refuse);
    done?.();
    // Its end is in the log already.
    if (forced?.type === "persist" && isFinished(forced.transaction)) removeRun(shell.runs, run);
  };
  if (forced?.type === "persist") {
    return force(shell, run, forced.transaction).then((durable) => (durable && !run.ended.aborted ? afterwards() : undefined));
  }
  afterwards();
  return undefined;
}

function carryOut(shell: Shell, run: Run, effect: CoordinatorEffect, refuse: Refuse | undefined): void {
  const { clock, logger, metrics, seldom, sessions, spans, trace } = shell;
  const { core } = run;
  switch (effect.type) {
    case "persist":
      assert(false, "WriteAheadDecision: one forced write in a step");
      break;
    case "trace":
      trace?.(coordinatorEvent(effect));
      break;
    case "record":
      record(shell, run, effect.transaction).catch((error: unknown) => endByDefect(shell, run, error, []));
      break;
    case "reply":
      answer(run, effect.answer === "decided" ? ok(core) : err({ type: "pending", transactionId: core.id }));
      break;
    case "send": {
      const { participantId, message } = effect;
      logger.debug({ ...run.about, participant: participantId, phase: core.phase, kind: message.type }, "send");
      const part = core.parts.find((each) => each.participantId === participantId);
      const isPrepare = message.type === "prepare";
      const attempt = isPrepare ? message.attempt : (part?.decisionsSent ?? 0);
      if (attempt > 1) metrics.resent(message.type);
      note(shell, run, { type: isPrepare ? "prepare-sent" : "decision-sent", participantId, attempt });
      sessions.send(participantId, message, originOf(spans, run, participantId, message));
      break;
    }
    case "set-timer":
      clearTimer(run, effect.timer);
      run.timers.set(
        timerKey(effect.timer),
        clock.setTimer(effect.delayMs, () => expire(shell, run, effect.timer)),
      );
      break;
    case "clear-timer":
      clearTimer(run, effect.timer);
      break;
    case "refuse":
      seldom.warn(core.id, { ...run.about, phase: core.phase, reason: effect.reason }, "a message does not fit the transaction");
      refuse?.(effect.reason, effect.code);
      break;
    default:
      unreachable(effect);
  }
}

/** Thousands of decisions may be due again at the same time. The others come one by one, as what set them did, and must not come late. */
function expire(shell: Shell, run: Run, timer: Timer): void {
  if (timer.type === "resend") shell.chores(() => post(shell, run, timer));
  else post(shell, run, timer);
}

/**
 * Tries until it is durable. Never gives up for an abort: a write that failed may be durable all the same. False if the run has ended
 * before.
 */
async function force(shell: Shell, run: Run, transaction: Transaction): Promise<boolean> {
  const { clock, log, logger, metrics, ownership } = shell;
  for (let attempt = 1; !run.ended.aborted; attempt += 1) {
    const startedMs = clock.monotonicMs();
    const written = await log.force(transaction, run.timeline);
    if (written.ok) {
      const flushMs = Math.round(clock.monotonicMs() - startedMs);
      metrics.forced();
      logger.debug({ ...run.about, phase: transaction.phase, flushMs }, "record forced");
      return true;
    }
    if (written.error.type === "conflict") {
      ownership.fence(written.error.conflict);
      return false;
    }
    const { cause } = written.error;
    logger.error({ ...run.about, attempt, cause }, "the decision log cannot write; trying again");
    cannotWrite(run);
    await pauseToWrite(shell, run, attempt);
  }
  return false;
}

/** History. What is completed stays here until it is there, so that nobody who asks meets a gap. */
async function record(shell: Shell, run: Run, transaction: Transaction): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const written = await shell.log.record(transaction, run.timeline);
    if (!written.ok && written.error.type === "conflict") shell.ownership.fence(written.error.conflict);
    if (run.ended.aborted) return;
    if (written.ok || !isFinished(transaction)) break;
    cannotWrite(run);
    await pauseToWrite(shell, run, attempt);
  }
  if (isFinished(transaction)) removeRun(shell.runs, run);
}

const pauseToWrite = ({ clock, random }: Shell, run: Run, attempt: number): Promise<void> =>
  pause({ clock, signal: run.ended }, backoffMs(storageBackoff, attempt, random()));

function clearTimer(run: Run, timer: Timer): void {
  run.timers.get(timerKey(timer))?.();
  run.timers.delete(timerKey(timer));
}

const timerKey = (timer: Timer): string => (timer.type === "resend" ? `resend ${timer.participantId}` : timer.type);
