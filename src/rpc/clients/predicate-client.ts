import type { Channel, Client } from "nice-grpc";
import {
  BatchValidateTransitionsRequest,
  PredicateLogicDefinition,
  ValidateTransitionRequest,
  type JudgedMove as WireJudgedMove,
} from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { type DeepPartial, Judgement, TransitionCheck, type TransitionVerdict } from "../../gen/concord/predicate/v1/verdict.ts";
import type { Clock } from "../../kernel/clock.ts";
import { callCountMax } from "../../kernel/limits.ts";
import { type Origin, originFields } from "../../kernel/origin.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { Span, Spans } from "../../kernel/spans.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Logger } from "../../runtime/logger.ts";
import { afterSilence } from "../../runtime/silence.ts";
import { noWarnings, type Warnings } from "../../workflow/core/warnings.ts";
import type {
  Asker,
  JudgedMove,
  MetadataQuestion,
  MetadataVerdict,
  PredicateCheck,
  PredicateClient,
  PredicateFailure,
  PredicateVerdict,
} from "../../workflow/ports.ts";
import { lastEventToWire, stateFromWire, stateToWire, workflowToWire } from "../convert-workflow.ts";
import { encoded, listAnswer, orEncoded } from "../encoded-answer.ts";
import { causeOf } from "./cause.ts";
import type { CheckStreams } from "./check-streams.ts";
import { CircuitOpenError, createCircuit, failuresToOpen } from "./circuit.ts";
import { type Contents, failureOf, isAboutContent, isOverload, overloaded } from "./predicate-failure.ts";
import { factoryTelling, type ToldCalls, type ToldOptions } from "./telemetry.ts";
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

/** What takes long is asked alone, and so is what is asked seldom: enough at once to keep an engine's threads busy. */
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

type Asked<Question, Answer> = Waiting & {
  readonly question: Question;
  readonly origin: Origin | undefined;
  readonly settle: (answer: Result<Answer, PredicateFailure>) => void;
};

type AskedMove = Asked<PredicateCheck, PredicateVerdict> & {
  /** Made when it is first sent. */
  wire: Uint8Array | undefined;
};

type AskedMetadata = Asked<MetadataQuestion, MetadataVerdict>;

type Call = {
  readonly signal: AbortSignal;
  readonly deadline: DurationMs;
  readonly origin: Origin | undefined;
};

/** Sends a call, and settles what it was about. */
type Ask<Each> = (batch: readonly Each[]) => Promise<void>;

/** Checks are encoded one by one, for their sizes, and once, however often they are asked. */
const definition = {
  ...PredicateLogicDefinition,
  methods: {
    validateMetadata: PredicateLogicDefinition.methods.validateMetadata,
    listAllowedTransitions: PredicateLogicDefinition.methods.listAllowedTransitions,
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

/** The calls of PredicateLogic that it makes. Each throws a ClientError. */
export type PredicateCalls = Pick<
  Client<typeof definition, ToldOptions>,
  "validateTransition" | "batchValidateTransitions" | "validateMetadata" | "listAllowedTransitions"
>;

export const predicateCalls = (channel: Channel, told?: ToldCalls): PredicateCalls =>
  factoryTelling(told).create(definition, channel);

/**
 * Asks PredicateLogic over gRPC, on a stream where there is one. What is asked while a question is under way goes into the next one, as one batch. A
 * check that takes long is asked alone. A check that cannot be answered in time is refused before it costs anything. A circuit breaker stops asking
 * an engine that does not answer, and finds out by itself when it is back; that this process, or the engine, has too much to do does not open it.
 */
export function createPredicateClient(options: {
  readonly engine: PredicateCalls;
  /** Of the same engine, for what is prompt. Without it everything is asked by calls. */
  readonly streams?: Pick<CheckStreams, "ask"> | undefined;
  /** For the log. */
  readonly address?: string;
  readonly timeoutMs: DurationMs;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly spans?: Spans | undefined;
}): PredicateClient {
  const { engine, streams, address, logger, timeoutMs, clock, spans } = options;
  const through = createCircuit({
    clock,
    isFailure: (error) => !isAboutContent(error) && !isOverload(error),
    onOpened: (error) =>
      logger.warn({ address, failures: failuresToOpen, cause: causeOf(error) }, "predicate engine unavailable: circuit opened"),
    onClosed: () => logger.info("predicate engine is back: circuit closed"),
  });

  const prompt = createWaitingLine<AskedMove>(promptLimits, timeoutMs, bytesOf);
  const alone = createWaitingLine<AskedMove>(aloneLimits, timeoutMs, bytesOf);
  // Each is a call of its own, whatever its size.
  const metadata = createWaitingLine<AskedMetadata>(aloneLimits, timeoutMs, () => 0);

  /** What is traced is asked by a call, in whose headers the trace goes on. */
  async function verdictsOf(batch: readonly AskedMove[], call: Call): Promise<readonly TransitionVerdict[]> {
    const checks = batch.map(wireOf);
    const callIds = batch.map(({ origin }) => origin?.requestId ?? "");
    const verdicts = call.origin?.traceparent === undefined ? await streams?.ask({ checks, callIds }, call) : undefined;
    if (verdicts !== undefined) return verdicts;
    // One call on behalf of many goes under the name of the first.
    const request = listAnswer(BatchValidateTransitionsRequest, checks, { promptOnly: true, callIds });
    const links = spans && batch.slice(1).flatMap((asked) => asked.origin ?? []);
    const answer = await engine.batchValidateTransitions(request, links ? { ...call, links } : call);
    if (answer.verdicts.length !== checks.length)
      throw new Error(`${checks.length} checks were answered with ${answer.verdicts.length} verdicts`);
    return answer.verdicts;
  }

  async function askTogether(batch: readonly AskedMove[]): Promise<void> {
    try {
      const verdicts = await through(() => inTime(batch[0]?.origin, (call) => verdictsOf(batch, call)));
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
  async function askAlone(batch: readonly AskedMove[]): Promise<void> {
    for (const asked of batch) {
      const request = listAnswer(ValidateTransitionRequest, [wireOf(asked)], {});
      const { verdict } = await inTime(asked.origin, (call) => engine.validateTransition(request, call));
      asked.settle(verdictFromWire(verdict));
    }
  }

  async function askOfMetadata(batch: readonly AskedMetadata[]): Promise<void> {
    for (const { question, settle, origin } of batch) {
      const answer = await through(() => inTime(origin, (call) => engine.validateMetadata(question, call)));
      const { violations, ruleSetRevision } = answer;
      settle(ok({ violations, ruleSetRevision: Number(ruleSetRevision) }));
    }
  }

  /** Ends a call when the engine has been silent for the timeout. That this process did not listen is no silence. */
  async function inTime<T>(origin: Origin | undefined, ask: (call: Call) => Promise<T>): Promise<T> {
    const silence = new AbortController();
    const cancel = afterSilence(clock, timeoutMs, () => silence.abort());
    try {
      return await ask({ signal: silence.signal, deadline: timeoutMs * stalledFactor, origin });
    } finally {
      cancel();
    }
  }

  function fail(batch: readonly Asked<MetadataQuestion | PredicateCheck, never>[], error: unknown): void {
    const fields = { ...originFields(batch[0]?.origin), cause: String(error), questions: batch.length };
    logger.debug(fields, "predicate engine did not answer");
    for (const { settle, question } of batch) settle(err(failureOf(error, contentsOf(question))));
  }

  async function send<Each extends AskedMove | AskedMetadata>(line: WaitingLine<Each>, ask: Ask<Each>, batch: readonly Each[]) {
    const sentMs = clock.monotonicMs();
    let measured = true;
    try {
      await ask(batch);
    } catch (error) {
      measured = !(error instanceof CircuitOpenError);
      fail(batch, error);
    }
    line.answered(batch.length, sentMs, measured ? clock.monotonicMs() : undefined);
    flush(line, ask);
  }

  function flush<Each extends AskedMove | AskedMetadata>(line: WaitingLine<Each>, ask: Ask<Each>): void {
    for (let next = line.next(clock.monotonicMs()); next !== undefined; next = line.next(clock.monotonicMs())) {
      for (const { settle } of next.late) settle(err(overloaded("it has waited too long", 0)));
      for (const { settle } of next.left) settle(err({ type: "unavailable", cause: "its caller has left" }));
      if (next.batch.length > 0) void send(line, ask, next.batch);
    }
  }

  function enter<Each extends AskedMove | AskedMetadata>(line: WaitingLine<Each>, ask: Ask<Each>, asked: Each): void {
    const waitMs = line.enter(asked, clock.monotonicMs());
    if (waitMs !== undefined) asked.settle(err(overloaded(`its turn would come in ${Math.round(waitMs)} ms`, waitMs)));
    // Requests that arrive in one turn of the event loop go into one call.
    else if (line.length === 1) clock.nextTurn(() => flush(line, ask));
  }

  function waiting({ signal, deadlineMs = Infinity }: Asker, origin: Origin | undefined) {
    const leftMs = Math.min(waitMaxMs + timeoutMs, (deadlineMs - clock.nowMs()) * (1 - keptShare));
    return { answerByMs: clock.monotonicMs() + leftMs, signal, origin };
  }

  /** Asked by itself: what somebody looks at is no part of the moves that others make. */
  async function checkMoves(question: Omit<PredicateCheck, "targetState" | "proposed">, { signal, origin }: Asker) {
    if (signal.aborted) return err({ type: "unavailable", cause: "its caller has left" } as const);
    try {
      const request = questionToWire(question);
      const answer = await through(() => inTime(origin, (call) => engine.listAllowedTransitions(request, call)));
      return ok({ moves: answer.moves.map(judgedMoveFromWire), ruleSetRevision: Number(answer.ruleSetRevision) });
    } catch (error) {
      return err(failureOf(error, contentsOf(question)));
    }
  }

  /** Of a check: how long its caller waits for it, whatever else goes with it. */
  function startSpan(name: string, { origin: parent }: Asker): Span | undefined {
    return parent && spans?.start(name, { kind: "internal", parent, attributes: {} });
  }

  return {
    checkMoves,
    check: (question, asker) =>
      new Promise((settle) => {
        const span = startSpan("CheckRules", asker);
        const waits = waiting(asker, span?.origin ?? asker.origin);
        enter(prompt, askTogether, { question, wire: undefined, settle: span ? ending(span, settle) : settle, ...waits });
      }),
    checkMetadata: (question, asker) =>
      new Promise((settle) => {
        const span = startSpan("CheckMetadata", asker);
        const waits = waiting(asker, span?.origin ?? asker.origin);
        enter(metadata, askOfMetadata, { question, settle: span ? ending(span, settle) : settle, ...waits });
      }),
  };
}

const ending =
  <Answer>(span: Span, settle: (answer: Result<Answer, PredicateFailure>) => void) =>
  (answer: Result<Answer, PredicateFailure>): void => {
    span.end({ error: answer.ok ? undefined : answer.error.type });
    settle(answer);
  };

/** What of it may be large. */
const contentsOf = (question: MetadataQuestion | Omit<PredicateCheck, "targetState">): Contents =>
  "metadata" in question
    ? [["metadata", question.metadata]]
    : [
        ["workflow.metadata", question.workflow.metadata],
        ["last_event.metadata", question.lastEvent?.metadata ?? {}],
        ["context", question.context],
        ...("proposed" in question && question.proposed ? [["metadata_patch", question.proposed] as const] : []),
      ];

function wireOf(asked: AskedMove): Uint8Array {
  asked.wire ??= encoded(TransitionCheck, checkToWire(asked.question));
  return asked.wire;
}

const bytesOf = (asked: AskedMove): number => wireOf(asked).length;

/** What is asked, but for the move. */
const questionToWire = (question: Omit<PredicateCheck, "targetState" | "proposed">) => ({
  workflow: workflowToWire(question.workflow),
  lastEvent: question.lastEvent && lastEventToWire(question.lastEvent),
  reason: question.reason,
  requestedBy: question.requestedBy,
  authenticatedAs: question.authenticatedAs ?? "",
  context: question.context,
  at: new Date(question.atMs),
});

function checkToWire(check: PredicateCheck): DeepPartial<TransitionCheck> {
  return {
    ...questionToWire(check),
    targetState: stateToWire(check.targetState),
    proposedMetadata: check.proposed,
    transaction: check.transaction && {
      transactionId: check.transaction.transactionId ?? "",
      participantIds: check.transaction.participantIds,
    },
  };
}

/** A verdict that is not understood allows nothing. */
function judgedMoveFromWire({ targetState, verdict }: WireJudgedMove): JudgedMove {
  const target = stateFromWire(targetState, "target_state");
  if (target === undefined) throw new Error("the answer has a move without a target");
  return {
    targetState: target,
    isAllowed: verdict?.judgement === Judgement.ALLOWED,
    violations: verdict?.violations ?? [],
    warnings: verdict?.warnings ?? [],
    violationsOmitted: verdict?.violationsOmitted ?? 0,
    warningsOmitted: verdict?.warningsOmitted ?? 0,
  };
}

const warningsFromWire = ({ warnings, warningsOmitted }: TransitionVerdict): Warnings =>
  warnings.length === 0
    ? noWarnings
    : {
        first: warnings.map(({ ruleId, ruleVersion, message }) => ({ ruleId, ruleVersion, message })),
        omitted: warningsOmitted,
      };

function verdictFromWire(verdict: TransitionVerdict | undefined) {
  const ruleSetRevision = Number(verdict?.ruleSetRevision);
  switch (verdict?.judgement) {
    case Judgement.ALLOWED:
      return ok<PredicateVerdict>({ type: "allowed", ruleSetRevision, warnings: warningsFromWire(verdict) });
    case Judgement.INVALID_TRANSITION:
      return ok<PredicateVerdict>({ type: "invalid-transition", ruleSetRevision });
    case Judgement.METADATA_INVALID:
      return ok<PredicateVerdict>({ type: "metadata-invalid", ruleSetRevision, violations: verdict.metadataViolations });
    case Judgement.RULE_DENIED:
      return ok<PredicateVerdict>({
        type: "rule-denied",
        ruleSetRevision,
        violations: verdict.violations,
        ...(verdict.warnings.length > 0 && { warnings: verdict.warnings }),
      });
    default:
      // An engine that answers what this client does not understand has not consented.
      return err({ type: "unavailable", cause: "the answer has no known judgement" } as const);
  }
}
