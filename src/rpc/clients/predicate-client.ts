import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleWhen } from "cockatiel";
import { type Channel, ClientError, Status } from "nice-grpc";
import {
  BatchValidateTransitionsRequest,
  type DeepPartial,
  Judgement,
  PredicateLogicDefinition,
  TransitionCheck,
  type TransitionVerdict,
  ValidateTransitionRequest,
} from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { callCountMax } from "../../kernel/limits.ts";
import { err, ok } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import { afterSilence } from "../../runtime/silence.ts";
import type { PredicateCheck, PredicateClient, PredicateFailure, PredicateVerdict } from "../../workflow/ports.ts";
import { lastEventToWire, stateToWire, workflowToWire } from "../convert-workflow.ts";
import { encoded, listAnswer, orEncoded } from "../encoded-answer.ts";
import { clientFailure } from "../errors.ts";
import { clientFactory } from "./channel.ts";
import { createWaitingLine, type LineLimits, type Waiting, type WaitingLine } from "./waiting-line.ts";

/**
 * What is read in one go, some milliseconds. A field has two bytes at least, so these are fewer than a message may have (`fieldCountMax`), but
 * for a check that is larger by itself.
 */
const callBytesMax = 100_000;

/**
 * `perCallMax` amortises the cost of a call; more would make the first of a batch wait for the last. One call is on the wire while the
 * next one fills up; a few let a slow batch not delay all others.
 */
const promptLimits: LineLimits = {
  perCallMax: 128,
  callBytesMax,
  callsUnderWayMax: 2,
  windowMin: 16,
  windowMax: 256,
  waitingCountMax: callCountMax,
};

/** Those that take long are asked alone: enough at once to keep an engine's threads busy. */
const aloneLimits: LineLimits = {
  perCallMax: 1,
  callBytesMax,
  callsUnderWayMax: 64,
  windowMin: 2,
  windowMax: 64,
  waitingCountMax: callCountMax,
};

/** A call that has no end by then, in multiples of the timeout, has met a process that was stopped or too busy: this one or the other. */
const stalledFactor = 2;

/**
 * How long a check waits whose caller has no earlier deadline. Refusing costs a server nearly as much as answering, and a refused caller
 * comes again: who has time waits.
 */
const waitMaxMs: DurationMs = 5_000;

/** After the verdict a move is still to be written, and its answer is to reach the caller: this share of the caller's time is kept for it. */
const keptShare = 0.1;

/** No caller gains anything by coming back sooner. */
const retryAfterMinMs = 100;

/** So many failed calls in a row, and callers are answered at once instead of after the timeout. */
const failuresToOpen = 5;

/** Then one call tries again after this. */
const openMs = 500;

type Asked = Waiting & {
  readonly check: PredicateCheck;
  /** Made when it is first sent. */
  wire: Uint8Array | undefined;
  readonly settle: (answer: Awaited<ReturnType<PredicateClient["check"]>>) => void;
};

/** Checks are encoded one by one, for their sizes, and once, however often they are asked. */
const definition = {
  ...PredicateLogicDefinition,
  methods: {
    validateTransition: {
      ...PredicateLogicDefinition.methods.validateTransition,
      requestType: orEncoded(ValidateTransitionRequest),
    },
    batchValidateTransitions: {
      ...PredicateLogicDefinition.methods.batchValidateTransitions,
      requestType: orEncoded(BatchValidateTransitionsRequest),
    },
  },
};

/**
 * Asks PredicateLogic over gRPC. What is asked while a call is under way goes into the next call, as one batch. A check that takes long is
 * asked alone. A check that cannot be answered in time is refused before it costs anything. A circuit breaker stops asking an engine that
 * does not answer, and finds out by itself when it is back; that this process, or the engine, has too much to do does not open it.
 */
export function createPredicateClient(options: {
  readonly channel: Channel;
  readonly timeoutMs: DurationMs;
  readonly logger: Logger;
  readonly clock?: typeof systemClock;
}): PredicateClient {
  const { logger, timeoutMs, clock = systemClock } = options;
  const client = clientFactory.create(definition, options.channel);
  const isFailure = handleWhen((error) => !isAboutContent(error) && !isOverload(error));
  const breaker = circuitBreaker(isFailure, { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(failuresToOpen) });
  breaker.onBreak(() => logger.warn({ failures: failuresToOpen }, "predicate engine unavailable: circuit opened"));
  breaker.onReset(() => logger.info("predicate engine is back: circuit closed"));

  const prompt = createWaitingLine<Asked>(promptLimits, timeoutMs, bytesOf);
  const alone = createWaitingLine<Asked>(aloneLimits, timeoutMs, bytesOf);

  async function askTogether(batch: readonly Asked[]): Promise<void> {
    const request = listAnswer(BatchValidateTransitionsRequest, batch.map(wireOf), { promptOnly: true });
    try {
      const { verdicts } = await breaker.execute(() => inTime((call) => client.batchValidateTransitions(request, call)));
      for (const [index, asked] of batch.entries()) {
        if (verdicts[index]?.judgement === Judgement.DEFERRED) enter(alone, askAlone, asked);
        else asked.settle(verdictFromWire(verdicts[index]));
      }
    } catch (error) {
      if (batch.length === 1 || !isAboutContent(error)) throw error;
      // One check spoils the batch, or they are too much together. Each half is asked anew: who fails in the end fails alone.
      const half = Math.ceil(batch.length / 2);
      for (const part of [batch.slice(0, half), batch.slice(half)]) {
        await askTogether(part).catch((failed: unknown) => fail(part, failed));
      }
    }
  }

  /** Nobody else waits for it, so its failure says nothing about the engine. */
  async function askAlone(batch: readonly Asked[]): Promise<void> {
    for (const asked of batch) {
      const request = listAnswer(ValidateTransitionRequest, [wireOf(asked)], {});
      const { verdict } = await inTime((call) => client.validateTransition(request, call));
      asked.settle(verdictFromWire(verdict));
    }
  }

  /** Ends a call when the engine has been silent for the timeout. That this process did not listen is no silence. */
  async function inTime<T>(
    ask: (call: { readonly signal: AbortSignal; readonly deadline: DurationMs }) => Promise<T>,
  ): Promise<T> {
    const silence = new AbortController();
    const cancel = afterSilence(clock, timeoutMs, () => silence.abort());
    try {
      return await ask({ signal: silence.signal, deadline: timeoutMs * stalledFactor });
    } finally {
      cancel();
    }
  }

  function fail(batch: readonly Asked[], error: unknown): void {
    const failure = failureOf(error);
    logger.debug({ cause: failure.cause, checks: batch.length }, "predicate engine did not answer");
    for (const { settle } of batch) settle(err(failure));
  }

  async function send(line: WaitingLine<Asked>, ask: typeof askTogether, batch: readonly Asked[]): Promise<void> {
    const sentMs = clock.monotonicMs();
    let measured = true;
    try {
      await ask(batch);
    } catch (error) {
      measured = !(error instanceof BrokenCircuitError);
      fail(batch, error);
    }
    line.answered(batch.length, sentMs, measured ? clock.monotonicMs() : undefined);
    flush(line, ask);
  }

  function flush(line: WaitingLine<Asked>, ask: typeof askTogether): void {
    for (let next = line.next(clock.monotonicMs()); next !== undefined; next = line.next(clock.monotonicMs())) {
      for (const { settle } of next.late) settle(overloaded("it has waited too long", retryAfterMinMs));
      for (const { settle } of next.left) settle(err({ type: "unavailable", cause: "its caller has left" }));
      if (next.batch.length > 0) void send(line, ask, next.batch);
    }
  }

  function enter(line: WaitingLine<Asked>, ask: typeof askTogether, asked: Asked): void {
    const waitMs = line.enter(asked, clock.monotonicMs());
    if (waitMs !== undefined) asked.settle(overloaded(`its turn would come in ${Math.round(waitMs)} ms`, waitMs));
    // Requests that arrive in one turn of the event loop go into one call.
    else if (line.length === 1) setImmediate(flush, line, ask);
  }

  return {
    check: (check, { signal, deadlineMs = Infinity }) =>
      new Promise((settle) => {
        const leftMs = Math.min(waitMaxMs + timeoutMs, (deadlineMs - clock.nowMs()) * (1 - keptShare));
        enter(prompt, askTogether, { check, wire: undefined, settle, answerByMs: clock.monotonicMs() + leftMs, signal });
      }),
  };
}

function overloaded(cause: string, waitMs: DurationMs) {
  return err({ type: "overloaded", cause, retryAfterMs: Math.max(retryAfterMinMs, Math.ceil(waitMs)) } as const);
}

function wireOf(asked: Asked): Uint8Array {
  asked.wire ??= encoded(TransitionCheck, checkToWire(asked.check));
  return asked.wire;
}

const bytesOf = (asked: Asked): number => wireOf(asked).length;

function checkToWire(check: PredicateCheck): DeepPartial<TransitionCheck> {
  return {
    workflow: workflowToWire(check.workflow),
    lastEvent: check.lastEvent && lastEventToWire(check.lastEvent),
    targetState: stateToWire(check.targetState),
    reason: check.reason,
    requestedBy: check.requestedBy,
    context: check.context,
    transaction: check.transaction && {
      transactionId: check.transaction.transactionId ?? "",
      participantIds: check.transaction.participantIds,
    },
    at: new Date(check.atMs),
  };
}

function verdictFromWire(verdict: TransitionVerdict | undefined) {
  const ruleSetRevision = Number(verdict?.ruleSetRevision);
  switch (verdict?.judgement) {
    case Judgement.ALLOWED:
      return ok<PredicateVerdict>({ type: "allowed", ruleSetRevision });
    case Judgement.INVALID_TRANSITION:
      return ok<PredicateVerdict>({ type: "invalid-transition", ruleSetRevision });
    case Judgement.RULE_DENIED:
      return ok<PredicateVerdict>({ type: "rule-denied", ruleSetRevision, violations: verdict.violations });
    default:
      // An engine that answers what this client does not understand has not consented.
      return err({ type: "unavailable", cause: "the answer has no known judgement" } as const);
  }
}

/** Refused, or larger than a message may be. A bad question says nothing about the engine. */
function isAboutContent(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  return error.code === Status.INVALID_ARGUMENT || (error.code === Status.RESOURCE_EXHAUSTED && !isOverload(error));
}

/** It lives, and has too much to do; or this process has. Asking it more often would make it worse. */
function isOverload(error: unknown): error is ClientError {
  if (!(error instanceof ClientError)) return false;
  return error.code === Status.DEADLINE_EXCEEDED || clientFailure(error).reason === "OVERLOADED";
}

function failureOf(error: unknown): PredicateFailure {
  if (isOverload(error)) {
    const { message: cause, retryAfterMs = retryAfterMinMs } = clientFailure(error);
    return { type: "overloaded", cause, retryAfterMs };
  }
  if (error instanceof BrokenCircuitError) return { type: "unavailable", cause: "circuit open" };
  return { type: "unavailable", cause: error instanceof Error ? error.message : String(error) };
}
