import { assert, unreachable } from "../kernel/assert.ts";
import type { ParticipantId, RequestId, TransactionId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { backoffMs } from "./core/backoff.ts";
import {
  begin,
  type CoordinatorEffect,
  type CoordinatorInput,
  type Enlistment,
  newTransaction,
  type Refusal,
  resume,
  type Step,
  stepCoordinator,
  type Timer,
  takeOver,
  whyKept,
} from "./core/coordinator.ts";
import type { DecisionAck, Inquiry, Vote } from "./core/messages.ts";
import { coordinatorEvent } from "./core/trace.ts";
import {
  heuristicOf,
  isFinished,
  isInDoubtSomewhere,
  type Moment,
  mayAbort,
  type Outcome,
  owesAck,
  type Part,
  type RequestKey,
  type Transaction,
} from "./core/types.ts";
import {
  historyRetentionMs,
  mailboxCountMax,
  ownershipCheckIntervalMs,
  purgeBatchSize,
  purgeIntervalMs,
  recoveryBatchSize,
  recoveryIntervalMs,
  requestCountMax,
  storageBackoff,
  undecidedCountMax,
  watchCountMax,
} from "./limits.ts";
import { createMailbox, type Mailbox } from "./mailbox.ts";
import { type CommitMetrics, noMetrics } from "./metrics.ts";
import type { Clock, Coordinator, DecisionLog, Fenced, Logger, Random, Trace } from "./ports.ts";
import { fencedEnd, type SessionHandler, type Sessions } from "./sessions.ts";
import { detailOf, emptyTimeline, inputLine, messageLine, type Timeline, type TimelineEntry, withEntry } from "./timeline.ts";

export type ExecuteRequest = {
  /** 0 to 64, no participant twice. */
  readonly enlistments: readonly Enlistment[];
  readonly prepareTimeoutMs: DurationMs;
  /** 0: a missing participant aborts at once. */
  readonly waitForParticipantsMs: DurationMs;
  readonly request: RequestKey | undefined;
  readonly reason: string;
  readonly requestedBy: string;
};

/** A transaction whose work is enlisted as it happens. */
export type BeginRequest = Omit<ExecuteRequest, "enlistments"> & { readonly idleTimeoutMs: DurationMs };

/** Who asks, and why. For the log, except where the verb keeps it. */
export type Asked = { readonly reason: string; readonly requestedBy: string; readonly request: RequestKey | undefined };

export type ExecuteFailure =
  | { readonly type: "request-id-reused" }
  | { readonly type: "overloaded"; readonly limit: number }
  | { readonly type: "shutting-down" }
  /** If there is an id, the decision may be durable or not: the transaction tells when the store is back. */
  | { readonly type: "storage-unavailable"; readonly transactionId: TransactionId | undefined }
  /** Not decided while the caller waited: it left, or the only participant, who decides, has not told. */
  | { readonly type: "pending"; readonly transactionId: TransactionId }
  | Fenced;

export type VerbFailure = ExecuteFailure | { readonly type: "not-found" } | VerbRefusal;

/** The transaction as it is does not allow it. */
export type VerbRefusal = { readonly type: "refused"; readonly transaction: Transaction; readonly refusal: Refusal };

type Verb = Promise<Result<Transaction, VerbFailure>>;

/** Runs transactions: each has a mailbox, and none waits for another. */
export interface Driver {
  /** Takes the log over, and everything in it that is unfinished. Call it before anything else. */
  start(): Promise<Result<Coordinator, WriteFailure<Fenced>>>;
  /**
   * Resolves once the decision is durable; an abort is an answer. When `signal` aborts before the decision, the transaction aborts,
   * unless another call with the same request id still waits for it.
   */
  execute(request: ExecuteRequest, signal?: AbortSignal): Promise<Result<Transaction, ExecuteFailure>>;
  /** Resolves when it has begun: nothing is sent or written before its commit. */
  begin(request: BeginRequest): Promise<Result<Transaction, ExecuteFailure>>;
  enlist(id: TransactionId, enlistment: Enlistment, asked: Asked): Verb;
  /** As `execute`, of what was enlisted. Of a transaction that is under way or over: waits for its decision, or tells it. */
  commit(id: TransactionId, asked: Asked, signal?: AbortSignal): Verb;
  /** Undecided ones only. */
  abort(id: TransactionId, asked: Asked): Verb;
  /** Sends what is due now. */
  retry(id: TransactionId, asked: Asked): Verb;
  /** Heuristic. See `resolve` of the core. */
  resolve(id: TransactionId, outcome: Outcome, asked: Asked): Verb;
  /** Drops the record of a completed transaction; resolves to what it was. */
  forget(id: TransactionId, asked: Asked): Verb;
  /** `not-found` means aborted, under presumed abort; so a coordinator that was replaced does not say it. */
  get(id: TransactionId): Promise<Result<Transaction, { readonly type: "not-found" } | Fenced>>;
  timeline(id: TransactionId): Promise<Timeline>;
  /** Newest first (by id), those before `beforeId`, at most `limit`. */
  list(page: { readonly beforeId: TransactionId | undefined; readonly limit: number }): Promise<readonly Transaction[]>;
  /** The transaction now and after each change, until it is COMPLETED or `signal` aborts. Nothing if it is unknown. */
  watch(id: TransactionId, signal: AbortSignal): AsyncIterable<Transaction>;
  /**
   * Every transaction that is not over, then each one after a change: the newest of it, once, however slow the reader. Ends early,
   * with "too-slow", if more than `watchCountMax` wait for the reader.
   */
  watchAll(signal: AbortSignal): AsyncGenerator<Transaction, "ended" | "too-slow">;
  owed(participantId: ParticipantId): Owed;
  readonly coordinator: Coordinator;
  /** Resolves if another coordinator replaces this one. */
  readonly replaced: Promise<Fenced>;
  /** Refuses new transactions, tells the participants, and resolves when all are decided or the time is over. */
  drain(timeoutMs: DurationMs): Promise<void>;
  /** Ends all sessions. What is undecided is presumed aborted from now on; what is decided is sent by the next coordinator. */
  close(): void;
}

/** How far a participant lags behind. */
export type Owed = {
  /** Transactions that it has promised to commit, and whose outcome it has not acknowledged. */
  readonly inDoubt: number;
  /** Transactions that are decided, and that it should have acknowledged. */
  readonly unacknowledged: number;
  /** When the oldest of these was decided. */
  readonly oldestUnacknowledgedMs: TimeMs | undefined;
};

type Answer = Result<Transaction, ExecuteFailure>;

type NewRequest = ExecuteRequest & { readonly idleTimeoutMs?: DurationMs };

/** A transaction that is not over, or whose end is not in the log yet. */
type Run = {
  /** As the last step left it. */
  core: Transaction;
  timeline: Timeline;
  /** When the phase of `view` began. */
  phaseSinceMs: TimeMs;
  /** As others may see it: what was forced is durable. */
  view: Transaction;
  readonly mailbox: Mailbox<Envelope>;
  readonly timers: Map<string, () => void>;
  readonly waiters: Set<(answer: Answer) => void>;
  /** Request ids of verbs on it, with their digests. */
  readonly requests: Map<RequestId, string>;
  /** Verbs whose step has not ended. "gone": the run has. */
  readonly verbs: Set<(answer: VerbAnswer) => void>;
  readonly watchers: Set<() => void>;
};

type VerbAnswer = Result<Transaction, ExecuteFailure | VerbRefusal> | "gone";

type Envelope = {
  readonly step: (transaction: Transaction) => Step;
  readonly refuse: Refuse | undefined;
  /** After the effects of the step. */
  readonly done?: () => void;
};

type Refuse = (reason: string, code: Refusal["code"]) => void;

/** An input without what every input carries. */
type Event = CoordinatorInput extends infer Input ? (Input extends Moment ? Omit<Input, keyof Moment> : never) : never;

export function createDriver(options: {
  readonly log: DecisionLog;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly random: Random;
  /** Ids sort by age, and none is made twice. */
  readonly newTransactionId: () => TransactionId;
  readonly newCoordinatorId: () => string;
  readonly logger: Logger;
  readonly metrics?: CommitMetrics;
  readonly trace?: Trace | undefined;
}): Driver {
  const { metrics = noMetrics, trace } = options;
  const { log, sessions, clock, random, newTransactionId, newCoordinatorId, logger } = options;
  const runs = new Map<TransactionId, Run>();
  const byParticipant = new Map<ParticipantId, Set<Run>>();
  const byRequest = new Map<RequestId, { readonly digest: string; readonly found: Promise<Run | Answer> }>();
  let owner: Coordinator | undefined;
  const allWatchers = new Set<(transaction: Transaction) => void>();
  let undecidedCount = 0;
  /** Why new transactions are refused. */
  let refusal: ExecuteFailure | undefined;
  let closed = false;
  let onDecided = (): void => {};
  let cancelPurge = (): void => {};
  let cancelRecovery = (): void => {};
  let cancelOwnershipCheck = (): void => {};
  const replaced = Promise.withResolvers<Fenced>();

  const moment = (): Moment => ({ nowMs: clock.nowMs(), random: random() });

  function coordinator(): Coordinator {
    assert(owner !== undefined, "the driver is started");
    return owner;
  }

  function createRun(first: Transaction, timeline: Timeline = emptyTimeline): Run {
    const run: Run = {
      core: first,
      timeline,
      phaseSinceMs: clock.nowMs(),
      view: first,
      mailbox: createMailbox<Envelope>((envelope) => handle(run, envelope)),
      timers: new Map(),
      waiters: new Set(),
      requests: new Map(),
      verbs: new Set(),
      watchers: new Set(),
    };
    runs.set(first.id, run);
    if (first.outcome === undefined) undecidedCount += 1;
    index(run, first.parts);
    return run;
  }

  /** What a participant says about its connection goes to these runs. */
  function index(run: Run, parts: readonly Part[]): void {
    for (const { participantId } of parts) {
      const itsRuns = byParticipant.get(participantId) ?? new Set();
      byParticipant.set(participantId, itsRuns.add(run));
    }
  }

  function note(run: Run, line: Omit<TimelineEntry, "atMs">): void {
    run.timeline = withEntry(run.timeline, { atMs: clock.nowMs(), ...line });
  }

  function removeRun(run: Run): void {
    stop(run);
    runs.delete(run.core.id);
    if (run.core.request && run.core.outcome === "committed") byRequest.delete(run.core.request.id);
    for (const { participantId } of run.core.parts) {
      const itsRuns = byParticipant.get(participantId);
      itsRuns?.delete(run);
      if (itsRuns?.size === 0) byParticipant.delete(participantId);
    }
  }

  function post(run: Run, event: Event, refuse?: Refuse): void {
    const step = stepOf(run, event);
    // What a participant says can be lost; timers and connections cannot.
    const posted = run.mailbox.post({ step, refuse }, refuse && mailboxCountMax);
    if (!posted && !closed) logger.warn({ transaction: run.core.id, input: event.type }, "input lost");
  }

  const stepOf =
    (run: Run, event: Event) =>
    (transaction: Transaction): Step => {
      const input = { ...event, ...moment() };
      const line = inputLine(input);
      const step = stepCoordinator(transaction, input);
      // What is refused, or repeated, is not an event.
      if (line && (step.transaction !== transaction || event.type === "retry")) note(run, line);
      return step;
    };

  /** Settled by `start`, else when the run is gone or cannot be written. */
  function withRun(run: Run, start: (settle: (answer: VerbAnswer) => void) => void): Promise<VerbAnswer> {
    return new Promise((resolve) => {
      const settle = (answer: VerbAnswer): void => {
        run.verbs.delete(settle);
        resolve(answer);
      };
      run.verbs.add(settle);
      start(settle);
    });
  }

  /** One verb on a running transaction. */
  function ask(run: Run, event: Event): Promise<VerbAnswer> {
    return withRun(run, (settle) => {
      let refused: Refusal | undefined;
      const posted = run.mailbox.post({
        step: stepOf(run, event),
        refuse: (reason, code) => {
          refused = { reason, code };
        },
        done: () => settle(refused ? err({ type: "refused", transaction: run.view, refusal: refused }) : ok(run.view)),
      });
      if (!posted) settle("gone");
    });
  }

  const logVerb = (transaction: TransactionId, verb: string, { requestedBy, reason }: Asked): void =>
    logger.info({ transaction, verb, requestedBy, reason }, "asked for");

  /** True if the id came with another request before. Whether it did the same, the transaction itself tells. */
  function isMisused({ requests }: Run, request: RequestKey | undefined): boolean {
    if (!request) return false;
    const earlier = requests.get(request.id);
    if (earlier === undefined && requests.size < requestCountMax) requests.set(request.id, request.digest);
    return earlier !== undefined && earlier !== request.digest;
  }

  /** A verb, on a transaction that runs or is over. */
  async function carryOutVerb(id: TransactionId, event: Event, asked: Asked): Promise<Result<Transaction, VerbFailure>> {
    logVerb(id, event.type, asked);
    while (!closed) {
      const run = runs.get(id);
      if (run) {
        if (isMisused(run, asked.request)) return err({ type: "request-id-reused" });
        const answered = await ask(run, event);
        if (answered !== "gone") return answered;
      } else {
        const found = await lookUp(id);
        if (!found.ok) return found;
        const stored = found.value;
        if (!isFinished(stored)) return err({ type: "pending", transactionId: id });
        const { effects } = stepCoordinator(stored, { ...event, ...moment() });
        const refusal = effects.find((effect) => effect.type === "refuse");
        return refusal ? err({ type: "refused", transaction: stored, refusal }) : ok(stored);
      }
    }
    return err(refusal ?? { type: "shutting-down" });
  }

  /** One step and its effects, in order. Only a forced write makes what is behind it wait. */
  function handle(run: Run, { step, refuse, done }: Envelope): Promise<void> | undefined {
    const { transaction, effects } = step(run.core);
    index(run, transaction.parts.slice(run.core.parts.length));
    run.core = transaction;
    const forcedAt = effects.findIndex(({ type }) => type === "persist");
    for (const effect of effects.slice(0, Math.max(0, forcedAt))) carryOut(run, effect, refuse);
    const afterwards = (): void => {
      publish(run);
      for (const effect of effects.slice(forcedAt + 1)) carryOut(run, effect, refuse);
      done?.();
    };
    const forced = effects[forcedAt];
    if (forced?.type === "persist") {
      return force(run, forced.transaction).then((durable) => (durable && !closed ? afterwards() : undefined));
    }
    afterwards();
    return undefined;
  }

  /**
   * Tries until it is durable. Never gives up for an abort: a write that failed may be durable all the same. False if this
   * coordinator is closed or replaced.
   */
  async function force(run: Run, transaction: Transaction): Promise<boolean> {
    for (let attempt = 1; !closed; attempt += 1) {
      const startedMs = clock.nowMs();
      const written = await log.force(transaction, run.timeline);
      if (written.ok) {
        const flushMs = clock.nowMs() - startedMs;
        metrics.forced();
        logger.debug({ transaction: transaction.id, phase: transaction.phase, flushMs }, "record forced");
        return true;
      }
      if (written.error.type === "conflict") {
        fence(written.error.conflict);
        return false;
      }
      logger.error(
        { transaction: transaction.id, attempt, cause: written.error.cause },
        "the decision log cannot write; trying again",
      );
      cannotWrite(run);
      await pause(attempt);
    }
    return false;
  }

  /** History. What is completed stays here until it is there, so that nobody who asks meets a gap. */
  async function record(run: Run, transaction: Transaction): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const written = await log.record(transaction, run.timeline);
      if (!written.ok && written.error.type === "conflict") fence(written.error.conflict);
      if (closed) return;
      if (written.ok || !isFinished(transaction)) break;
      cannotWrite(run);
      await pause(attempt);
    }
    if (isFinished(transaction)) removeRun(run);
  }

  function cannotWrite(run: Run): void {
    const failure = err({ type: "storage-unavailable", transactionId: run.core.id } as const);
    answer(run, failure);
    for (const settle of run.verbs) settle(failure);
  }

  const pause = (attempt: number): Promise<void> =>
    new Promise((resolve) => {
      clock.setTimer(backoffMs(storageBackoff, attempt, random()), resolve);
    });

  function carryOut(run: Run, effect: CoordinatorEffect, refuse: Refuse | undefined): void {
    const { core } = run;
    switch (effect.type) {
      case "persist":
        assert(false, "WriteAheadDecision: one forced write in a step");
        break;
      case "trace":
        trace?.(coordinatorEvent(effect));
        break;
      case "record":
        void record(run, effect.transaction);
        break;
      case "reply":
        answer(run, effect.answer === "decided" ? ok(core) : err({ type: "pending", transactionId: core.id }));
        break;
      case "send": {
        const { participantId, message } = effect;
        logger.debug({ transaction: core.id, participant: participantId, phase: core.phase, kind: message.type }, "send");
        const part = core.parts.find((each) => each.participantId === participantId);
        const isPrepare = message.type === "prepare";
        const attempt = isPrepare ? message.attempt : (part?.decisionsSent ?? 0);
        if (attempt > 1) metrics.resent(message.type);
        note(run, { type: isPrepare ? "prepare-sent" : "decision-sent", participantId, attempt });
        sessions.send(participantId, message);
        break;
      }
      case "set-timer":
        clearTimer(run, effect.timer);
        run.timers.set(
          timerKey(effect.timer),
          clock.setTimer(effect.delayMs, () => post(run, effect.timer)),
        );
        break;
      case "clear-timer":
        clearTimer(run, effect.timer);
        break;
      case "refuse":
        logger.warn({ transaction: core.id, phase: core.phase, reason: effect.reason }, "a message does not fit the transaction");
        refuse?.(effect.reason, effect.code);
        break;
      default:
        unreachable(effect);
    }
  }

  function clearTimer(run: Run, timer: Timer): void {
    run.timers.get(timerKey(timer))?.();
    run.timers.delete(timerKey(timer));
  }

  function stop(run: Run): void {
    for (const cancel of run.timers.values()) cancel();
    run.timers.clear();
    run.mailbox.stop();
    for (const settle of run.verbs) settle("gone");
  }

  /** Lets others see what the last step has done. */
  function publish(run: Run): void {
    const before = run.view;
    const after = run.core;
    run.view = after;
    logProgress(logger, before, after);
    if (before.phase !== after.phase) {
      metrics.phaseEnded(before.phase, clock.nowMs() - run.phaseSinceMs);
      run.phaseSinceMs = clock.nowMs();
    }
    if (after.resolution && !before.resolution && after.outcome) {
      metrics.resolved(after.outcome);
      logger.warn({ transaction: after.id, decision: after.outcome, ...after.resolution }, "resolved by an operator");
    }
    if (heuristicOf(after) === "MIXED" && heuristicOf(before) !== "MIXED") {
      metrics.mixed();
      logger.error(
        { transaction: after.id, decision: after.outcome },
        "HEURISTIC_MIXED: a participant contradicts the resolution",
      );
    }
    if (before.outcome === undefined && after.outcome !== undefined) {
      undecidedCount -= 1;
      metrics.decided(after.outcome);
      note(run, { type: "decided", detail: detailOf(after.outcome.toUpperCase(), after.abortReason) });
      // What is aborted may be tried anew.
      if (after.outcome === "aborted" && after.request) byRequest.delete(after.request.id);
      onDecided();
    }
    if (before === after) return;
    for (const wake of run.watchers) wake();
    for (const tell of allWatchers) tell(after);
  }

  function answer(run: Run, result: Answer): void {
    for (const resolve of run.waiters) resolve(result);
    run.waiters.clear();
  }

  /** Another coordinator owns the log. specs/TwoPhaseCommit.tla: what is replaced decides nothing more. */
  function fence(conflict: Fenced): void {
    if (closed) return;
    logger.error({ ...coordinator(), newEpoch: conflict.coordinatorEpoch }, "replaced by another coordinator; this one stops");
    refusal = conflict;
    for (const run of runs.values()) answer(run, err(conflict));
    close();
    sessions.close(fencedEnd(conflict));
    replaced.resolve(conflict);
  }

  /** Without a write: asks the log. */
  async function replacedBy(): Promise<Fenced | undefined> {
    const coordinatorEpoch = await log.newestEpoch();
    if (coordinatorEpoch === coordinator().coordinatorEpoch) return undefined;
    const conflict: Fenced = { type: "fenced", coordinatorEpoch };
    fence(conflict);
    return conflict;
  }

  async function checkOwnership(): Promise<void> {
    try {
      await replacedBy();
    } catch (error) {
      logger.error({ err: error }, "the decision log cannot be read");
    }
    if (!closed) cancelOwnershipCheck = clock.setTimer(ownershipCheckIntervalMs, () => void checkOwnership());
  }

  /** In the log. What is missing there, the coordinator that has replaced this one may have begun since. */
  async function lookUp(id: TransactionId): Promise<Result<Transaction, { readonly type: "not-found" } | Fenced>> {
    const stored = await log.get(id);
    if (stored) return ok(stored);
    return err((await replacedBy()) ?? { type: "not-found" });
  }

  function close(): void {
    closed = true;
    refusal ??= { type: "shutting-down" };
    cancelPurge();
    cancelRecovery();
    cancelOwnershipCheck();
    onDecided();
    for (const run of runs.values()) {
      stop(run);
      answer(run, err({ type: "pending", transactionId: run.core.id }));
      for (const wake of run.watchers) wake();
      for (const tell of allWatchers) tell(run.view);
    }
  }

  function startRun(request: NewRequest): Run {
    const { coordinatorEpoch } = coordinator();
    const first = newTransaction(
      { ...request, id: newTransactionId(), coordinatorEpoch, connected: sessions.connected },
      clock.nowMs(),
    );
    const run = createRun(first);
    const participants = first.parts.map((part) => part.participantId);
    logger.info({ transaction: first.id, participants, requestedBy: first.requestedBy }, "transaction begun");
    metrics.begun();
    note(run, { type: "begun", detail: first.reason });
    for (const tell of allWatchers) tell(first);
    run.mailbox.post({ step: (transaction) => begin(transaction, moment()), refuse: undefined });
    return run;
  }

  /** The run of a new transaction, or what an earlier call with this request id has led to. */
  function admit(request: NewRequest): Run | Answer | Promise<Run | Answer> {
    if (refusal) return err(refusal);
    if (!log.writable) return err({ type: "storage-unavailable", transactionId: undefined });
    const { request: key } = request;
    const known = key && byRequest.get(key.id);
    if (known && known.digest !== key.digest) return err({ type: "request-id-reused" });
    if (!known && undecidedCount >= undecidedCountMax) return err({ type: "overloaded", limit: undecidedCountMax });
    if (!key) return startRun(request);
    const found = known?.found ?? findOrStart(request, key);
    if (!known) byRequest.set(key.id, { digest: key.digest, found });
    return found;
  }

  async function findOrStart(request: NewRequest, key: RequestKey): Promise<Run | Answer> {
    const stored = await log.byRequest(key.id).catch((error: unknown) => {
      byRequest.delete(key.id);
      throw error;
    });
    if (!stored) return startRun(request);
    byRequest.delete(key.id);
    if (stored.request?.digest !== key.digest) return err({ type: "request-id-reused" });
    const run = runs.get(stored.id);
    if (run) return run;
    // Undecided and not running: a coordinator that has replaced this one runs it.
    return stored.outcome === undefined ? err({ type: "pending", transactionId: stored.id }) : ok(stored);
  }

  function waitFor(run: Run, signal: AbortSignal | undefined): Promise<Answer> {
    if (run.view.outcome !== undefined) return Promise.resolve(ok(run.view));
    const { voteDeadlineMs } = run.view;
    const tooLate = !mayAbort(run.view) && voteDeadlineMs !== undefined && voteDeadlineMs <= clock.nowMs();
    if (tooLate) return Promise.resolve(err({ type: "pending", transactionId: run.view.id }));
    return new Promise((resolve) => {
      const settle = (result: Answer): void => {
        signal?.removeEventListener("abort", leave);
        resolve(result);
      };
      const leave = (): void => {
        run.waiters.delete(settle);
        if (run.waiters.size === 0) post(run, { type: "client-abort", reason: "the caller left before the decision" });
        settle(run.view.outcome === undefined ? err({ type: "pending", transactionId: run.view.id }) : ok(run.view));
      };
      run.waiters.add(settle);
      if (signal?.aborted) leave();
      else signal?.addEventListener("abort", leave, { once: true });
    });
  }

  async function answerFromLog(participantId: ParticipantId, transactionId: TransactionId): Promise<void> {
    const found = await lookUp(transactionId);
    if (!found.ok && found.error.type === "fenced") return;
    // Undecided and not running: only a delegated transaction of a coordinator that has replaced this one.
    if (found.ok && found.value.outcome === undefined) return;
    // No record means aborted. specs/TwoPhaseCommit.tla: AnswerInquiry of a coordinator that knows nothing.
    const outcome = found.ok && found.value.outcome ? found.value.outcome : "aborted";
    logger.info({ transaction: transactionId, participant: participantId, decision: outcome, recorded: found.ok }, "inquiry");
    const { coordinatorEpoch } = coordinator();
    const answer = { transaction: transactionId, participant: participantId, value: outcome };
    trace?.({ action: "AnswerInquiry", epoch: coordinatorEpoch, ...answer });
    sessions.send(participantId, { type: "decision", transactionId, outcome, coordinatorEpoch, inReply: true });
  }

  const handler: SessionHandler = {
    async connected(participantId, inDoubt) {
      const asked = new Set(inDoubt);
      for (const run of byParticipant.get(participantId) ?? []) {
        post(run, { type: "connected", participantId, inDoubt: asked.delete(run.core.id) });
      }
      for (const transactionId of asked) await answerFromLog(participantId, transactionId);
    },
    disconnected(participantId) {
      for (const run of byParticipant.get(participantId) ?? []) post(run, { type: "disconnected", participantId });
    },
    nacked(participantId, transactionId, reason) {
      const run = runs.get(transactionId);
      if (run) note(run, { type: "nack-received", participantId, detail: reason });
    },
    message(participantId, message, refuse) {
      const run = runs.get(message.transactionId);
      if (run) {
        note(run, messageLine(participantId, message));
        post(run, eventOf(participantId, message), (reason) => {
          note(run, { type: "refused", participantId, detail: reason });
          refuse(reason);
        });
        return undefined;
      }
      const asks = message.type === "inquiry" || (message.type === "vote" && message.value === "commit");
      return asks ? answerFromLog(participantId, message.transactionId) : undefined;
    },
  };

  async function purge(): Promise<void> {
    const completedBeforeMs = clock.nowMs() - historyRetentionMs;
    for (;;) {
      const purged = await log.purge({ completedBeforeMs, limit: purgeBatchSize }, coordinator().coordinatorEpoch);
      if (!purged.ok && purged.error.type === "conflict") fence(purged.error.conflict);
      if (!purged.ok || purged.value < purgeBatchSize || closed) break;
    }
    if (!closed) cancelPurge = clock.setTimer(purgeIntervalMs, () => void purge());
  }

  /** Takes over what is stored, unfinished, and not run here. Says how much that was. */
  async function recoverUnfinished(): Promise<number> {
    let count = 0;
    let afterId: TransactionId | undefined;
    for (;;) {
      const page = await log.unfinished({ afterId, limit: recoveryBatchSize });
      for (const { id } of page) {
        if (runs.has(id)) continue;
        // Read again: what has ended since the page was read is in the log by now, for it is removed from the runs only then.
        const timeline = await log.timeline(id);
        const stored = await log.get(id);
        if (closed) return count;
        if (!stored || isFinished(stored)) continue;
        if (stored.coordinatorEpoch > coordinator().coordinatorEpoch) {
          fence({ type: "fenced", coordinatorEpoch: stored.coordinatorEpoch });
          return count;
        }
        adopt(stored, timeline);
        count += 1;
      }
      afterId = page.at(-1)?.id;
      if (page.length < recoveryBatchSize) return count;
    }
  }

  function adopt(stored: Transaction, timeline: Timeline | undefined): void {
    const { coordinatorEpoch } = coordinator();
    const run = createRun(stored, timeline);
    note(run, { type: "taken-over", detail: `epoch ${coordinatorEpoch}` });
    const take = coordinatorEpoch === stored.coordinatorEpoch ? resume : takeOver;
    const step = (transaction: Transaction): Step =>
      take(transaction, { coordinatorEpoch, connected: sessions.connected }, moment());
    run.mailbox.post({ step, refuse: undefined });
  }

  async function recoverAgain(): Promise<void> {
    try {
      const count = await recoverUnfinished();
      if (count > 0) logger.warn({ count }, "unfinished transactions were found that nobody ran");
    } catch (error) {
      logger.error({ err: error }, "the decision log cannot be read");
    }
    if (!closed) cancelRecovery = clock.setTimer(recoveryIntervalMs, () => void recoverAgain());
  }

  function owed(participantId: ParticipantId): Owed {
    let inDoubt = 0;
    let unacknowledged = 0;
    let oldestUnacknowledgedMs: TimeMs | undefined;
    for (const { view } of byParticipant.get(participantId) ?? []) {
      const part = view.parts.find((each) => each.participantId === participantId);
      if (part?.vote === "commit" && part.acknowledgedAtMs === undefined) inDoubt += 1;
      if (!part || !owesAck(view, part)) continue;
      unacknowledged += 1;
      oldestUnacknowledgedMs = Math.min(oldestUnacknowledgedMs ?? Infinity, view.decidedAtMs ?? Infinity);
    }
    return { inDoubt, unacknowledged, oldestUnacknowledgedMs };
  }

  function gauges() {
    const inDoubt = [...runs.values()].filter(({ view }) => isInDoubtSomewhere(view));
    const oldestMs = inDoubt.reduce((oldest, { view }) => Math.min(oldest, view.createdAtMs), clock.nowMs());
    return {
      undecided: undecidedCount,
      inDoubt: inDoubt.length,
      oldestInDoubtMs: clock.nowMs() - oldestMs,
      connectedParticipants: sessions.connected.size,
    };
  }

  return {
    get coordinator() {
      return coordinator();
    },
    replaced: replaced.promise,
    async start() {
      const claimed = await log.claim(newCoordinatorId());
      if (!claimed.ok) return claimed;
      owner = claimed.value;
      trace?.({ action: "Claim", epoch: owner.coordinatorEpoch });
      const unfinished = await recoverUnfinished();
      trace?.({ action: "Recovered", epoch: owner.coordinatorEpoch });
      sessions.start(claimed.value, handler);
      cancelPurge = clock.setTimer(purgeIntervalMs, () => void purge());
      cancelRecovery = clock.setTimer(recoveryIntervalMs, () => void recoverAgain());
      cancelOwnershipCheck = clock.setTimer(ownershipCheckIntervalMs, () => void checkOwnership());
      metrics.observe(gauges);
      logger.info({ ...claimed.value, unfinished }, "coordinator started");
      return claimed;
    },
    async execute(request, signal) {
      const admitted = admit(request);
      // A new run is waited for from its first step on.
      const run = admitted instanceof Promise ? await admitted : admitted;
      return "ok" in run ? run : waitFor(run, signal);
    },
    async begin(request) {
      const run = await admit({ ...request, enlistments: [] });
      return "ok" in run ? run : ok(run.view);
    },
    enlist(id, enlistment, asked) {
      const connected = sessions.connected.has(enlistment.participantId);
      return carryOutVerb(id, { type: "enlist", ...enlistment, connected, request: asked.request }, asked);
    },
    async commit(id, asked, signal) {
      const run = runs.get(id);
      if (!run || isFinished(run.view)) return carryOutVerb(id, { type: "commit" }, asked);
      logVerb(id, "commit", asked);
      if (isMisused(run, asked.request)) return err({ type: "request-id-reused" });
      const mustWrite = run.view.idleTimeoutMs !== undefined;
      if (mustWrite && !log.writable) return err({ type: "storage-unavailable", transactionId: undefined });
      // Waited for from the first step on.
      const answered = waitFor(run, signal);
      post(run, { type: "commit" });
      return answered;
    },
    abort(id, asked) {
      const by = asked.requestedBy === "" ? "aborted" : `aborted by "${asked.requestedBy}"`;
      return carryOutVerb(id, { type: "abort", reason: detailOf(by, asked.reason) }, asked);
    },
    retry: (id, asked) => carryOutVerb(id, { type: "retry" }, asked),
    resolve(id, outcome, asked) {
      const { reason, requestedBy } = asked;
      return carryOutVerb(id, { type: "resolve", outcome, reason, requestedBy }, asked);
    },
    async forget(id, asked) {
      logVerb(id, "forget", asked);
      const ending = runs.get(id);
      // Its end is being recorded: what is forgotten before that would come back.
      const ended = ending && isFinished(ending.view) ? await withRun(ending, () => {}) : "gone";
      if (ended !== "gone") return ended;
      if (closed && refusal) return err(refusal);
      const run = runs.get(id);
      const looked = run ? ok(run.view) : await lookUp(id);
      if (!looked.ok) return looked;
      const found = looked.value;
      const kept = whyKept(found, clock.nowMs());
      if (kept !== undefined) return err({ type: "refused", transaction: found, refusal: { code: "state", reason: kept } });
      const forgotten = await log.forget(id, coordinator().coordinatorEpoch);
      if (!forgotten.ok && forgotten.error.type === "conflict") {
        fence(forgotten.error.conflict);
        return err(forgotten.error.conflict);
      }
      if (!forgotten.ok) return err({ type: "storage-unavailable", transactionId: id });
      if (run) removeRun(run);
      logger.warn({ transaction: id, decision: found.outcome }, "forgotten");
      return ok(found);
    },
    timeline: async (id) => runs.get(id)?.timeline ?? (await log.timeline(id)) ?? emptyTimeline,
    async get(id) {
      const run = runs.get(id);
      if (!run) return lookUp(id);
      // What is undecided here, the coordinator that has replaced this one may have decided.
      const fenced = run.view.outcome === undefined ? await replacedBy() : undefined;
      return fenced ? err(fenced) : ok(run.view);
    },
    async list({ beforeId, limit }) {
      const stored = await log.list({ beforeId, limit });
      const running = [...runs.values()].map((run) => run.view).filter(({ id }) => beforeId === undefined || id < beforeId);
      const byId = new Map([...stored, ...running].map((transaction) => [transaction.id, transaction]));
      return [...byId.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit);
    },
    async *watch(id, signal) {
      const run = runs.get(id);
      if (!run) {
        const stored = await log.get(id);
        if (stored) yield stored;
        return;
      }
      let wake = (): void => {};
      let seen: Transaction | undefined;
      const notify = (): void => wake();
      run.watchers.add(notify);
      signal.addEventListener("abort", notify);
      try {
        while (!signal.aborted && !closed && seen?.phase !== "COMPLETED") {
          if (run.view === seen) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          } else {
            seen = run.view;
            yield seen;
          }
        }
      } finally {
        run.watchers.delete(notify);
        signal.removeEventListener("abort", notify);
      }
    },
    async *watchAll(signal) {
      // By id, and a change moves to the end: a reader never waits behind one busy transaction.
      const changed = new Map([...runs.values()].map(({ view }) => [view.id, view]));
      const countMax = changed.size + watchCountMax;
      let wake = (): void => {};
      const notify = (): void => wake();
      const tell = (transaction: Transaction): void => {
        changed.delete(transaction.id);
        changed.set(transaction.id, transaction);
        if (changed.size > countMax) {
          allWatchers.delete(tell);
          changed.clear();
        }
        wake();
      };
      allWatchers.add(tell);
      signal.addEventListener("abort", notify);
      try {
        while (!signal.aborted && !closed) {
          if (!allWatchers.has(tell)) return "too-slow";
          const next = changed.values().next().value;
          if (next) {
            changed.delete(next.id);
            yield next;
          } else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
        return "ended";
      } finally {
        allWatchers.delete(tell);
        signal.removeEventListener("abort", notify);
      }
    },
    owed,
    async drain(timeoutMs) {
      refusal ??= { type: "shutting-down" };
      sessions.goAway("the coordinator is shutting down");
      const undecided = (): Run[] => [...runs.values()].filter((run) => mayAbort(run.view));
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(timeoutMs, resolve);
        onDecided = () => {
          if (!closed && undecided().length > 0) return;
          cancel();
          resolve();
        };
        onDecided();
      });
      for (const run of undecided()) post(run, { type: "client-abort", reason: "the coordinator is shutting down" });
    },
    close() {
      close();
      sessions.close({ reason: "SHUTTING_DOWN", message: "the coordinator is shutting down" });
    },
  };
}

function eventOf(participantId: ParticipantId, message: Vote | DecisionAck | Inquiry): Event {
  switch (message.type) {
    case "vote":
      return { type: "vote", participantId, value: message.value, reason: message.reason };
    case "decision-ack":
      return { type: "ack", participantId, outcome: message.outcome, reason: message.reason };
    case "inquiry":
      return { type: "inquiry", participantId };
    default:
      return unreachable(message);
  }
}

const timerKey = (timer: Timer): string => (timer.type === "resend" ? `resend ${timer.participantId}` : timer.type);

/** One line for each step of the protocol. */
function logProgress(logger: Logger, before: Transaction, after: Transaction): void {
  const { id: transaction, phase } = after;
  for (const [index, part] of after.parts.entries()) {
    const old = before.parts[index];
    const { participantId: participant } = part;
    if (part.vote !== undefined && part.vote !== old?.vote) {
      const tookMs = (part.votedAtMs ?? 0) - after.createdAtMs;
      logger.info({ transaction, participant, phase, vote: part.vote, reason: part.voteReason, tookMs }, "vote received");
    }
    if (part.acknowledgedAtMs !== undefined && old?.acknowledgedAtMs === undefined) {
      const tookMs = part.acknowledgedAtMs - (after.decidedAtMs ?? 0);
      logger.info({ transaction, participant, phase, decision: after.outcome, tookMs }, "decision acknowledged");
    }
  }
  if (after.outcome !== undefined && before.outcome === undefined) {
    const tookMs = (after.decidedAtMs ?? 0) - after.createdAtMs;
    logger.info({ transaction, phase, decision: after.outcome, reason: after.abortReason, tookMs }, "transaction decided");
  }
  if (phase === "COMPLETED" && before.phase !== "COMPLETED") {
    const tookMs = (after.completedAtMs ?? 0) - after.createdAtMs;
    logger.info({ transaction, phase, decision: after.outcome, tookMs }, "transaction completed");
  }
}
