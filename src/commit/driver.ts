import { assert, unreachable } from "../kernel/assert.ts";
import type { ParticipantId, RequestId, TransactionId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { backoffMs } from "./core/backoff.ts";
import {
  begin,
  type CoordinatorEffect,
  type CoordinatorInput,
  newTransaction,
  type Step,
  stepCoordinator,
  type Timer,
  takeOver,
} from "./core/coordinator.ts";
import type { DecisionAck, Inquiry, Vote } from "./core/messages.ts";
import { type Moment, mayAbort, owesAck, type RequestKey, type Transaction } from "./core/types.ts";
import {
  historyRetentionMs,
  mailboxCountMax,
  purgeBatchSize,
  purgeIntervalMs,
  storageBackoff,
  undecidedCountMax,
} from "./limits.ts";
import { createMailbox, type Mailbox } from "./mailbox.ts";
import type { Clock, Coordinator, DecisionLog, Fenced, Logger, Random } from "./ports.ts";
import { fencedEnd, type SessionHandler, type Sessions } from "./sessions.ts";

export type ExecuteRequest = {
  /** 0 to 64, no participant twice. */
  readonly enlistments: readonly { readonly participantId: ParticipantId; readonly payload: Uint8Array }[];
  readonly prepareTimeoutMs: DurationMs;
  /** 0: a missing participant aborts at once. */
  readonly waitForParticipantsMs: DurationMs;
  readonly request: RequestKey | undefined;
  readonly reason: string;
  readonly requestedBy: string;
};

export type ExecuteFailure =
  | { readonly type: "request-id-reused" }
  | { readonly type: "overloaded"; readonly limit: number }
  | { readonly type: "shutting-down" }
  /** If there is an id, the decision may be durable or not: the transaction tells when the store is back. */
  | { readonly type: "storage-unavailable"; readonly transactionId: TransactionId | undefined }
  /** Not decided while the caller waited: it left, or the only participant, who decides, has not told. */
  | { readonly type: "pending"; readonly transactionId: TransactionId }
  | Fenced;

/** Runs transactions: each has a mailbox, and none waits for another. */
export interface Driver {
  /** Takes the log over, and everything in it that is unfinished. Call it before anything else. */
  start(): Promise<Result<Coordinator, WriteFailure<Fenced>>>;
  /**
   * Resolves once the decision is durable; an abort is an answer. When `signal` aborts before the decision, the transaction aborts,
   * unless another call with the same request id still waits for it.
   */
  execute(request: ExecuteRequest, signal?: AbortSignal): Promise<Result<Transaction, ExecuteFailure>>;
  get(id: TransactionId): Promise<Transaction | undefined>;
  /** Newest first (by id), those before `beforeId`, at most `limit`. */
  list(page: { readonly beforeId: TransactionId | undefined; readonly limit: number }): Promise<readonly Transaction[]>;
  /** The transaction now and after each change, until it is COMPLETED or `signal` aborts. Nothing if it is unknown. */
  watch(id: TransactionId, signal: AbortSignal): AsyncIterable<Transaction>;
  /** Transactions that are decided and not acknowledged by this participant. */
  unacknowledged(participantId: ParticipantId): number;
  readonly coordinator: Coordinator;
  /** Refuses new transactions, tells the participants, and resolves when all are decided or the time is over. */
  drain(timeoutMs: DurationMs): Promise<void>;
  /** Ends all sessions. What is undecided is presumed aborted from now on; what is decided is sent by the next coordinator. */
  close(): void;
}

type Answer = Result<Transaction, ExecuteFailure>;

/** A transaction that is not over, or whose end is not in the log yet. */
type Run = {
  /** As the last step left it. */
  core: Transaction;
  /** As others may see it: what was forced is durable. */
  view: Transaction;
  readonly mailbox: Mailbox<Envelope>;
  readonly timers: Map<string, () => void>;
  readonly waiters: Set<(answer: Answer) => void>;
  readonly watchers: Set<() => void>;
};

type Envelope = { readonly step: (transaction: Transaction) => Step; readonly refuse: ((reason: string) => void) | undefined };

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
}): Driver {
  const { log, sessions, clock, random, newTransactionId, newCoordinatorId, logger } = options;
  const runs = new Map<TransactionId, Run>();
  const byParticipant = new Map<ParticipantId, Set<Run>>();
  const byRequest = new Map<RequestId, { readonly digest: string; readonly found: Promise<Run | Answer> }>();
  let owner: Coordinator | undefined;
  let undecidedCount = 0;
  /** Why new transactions are refused. */
  let refusal: ExecuteFailure | undefined;
  let closed = false;
  let onDecided = (): void => {};
  let cancelPurge = (): void => {};

  const moment = (): Moment => ({ nowMs: clock.nowMs(), random: random() });

  function coordinator(): Coordinator {
    assert(owner !== undefined, "the driver is started");
    return owner;
  }

  function createRun(first: Transaction): Run {
    const run: Run = {
      core: first,
      view: first,
      mailbox: createMailbox<Envelope>((envelope) => handle(run, envelope)),
      timers: new Map(),
      waiters: new Set(),
      watchers: new Set(),
    };
    runs.set(first.id, run);
    if (first.outcome === undefined) undecidedCount += 1;
    for (const { participantId } of first.parts) {
      const itsRuns = byParticipant.get(participantId) ?? new Set();
      byParticipant.set(participantId, itsRuns.add(run));
    }
    return run;
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

  function post(run: Run, event: Event, refuse?: (reason: string) => void): void {
    const step = (transaction: Transaction): Step => stepCoordinator(transaction, { ...event, ...moment() });
    // What a participant says can be lost; timers and connections cannot.
    const posted = run.mailbox.post({ step, refuse }, refuse && mailboxCountMax);
    if (!posted && !closed) logger.warn({ transaction: run.core.id, input: event.type }, "input lost");
  }

  /** One step and its effects, in order. Only a forced write makes what is behind it wait. */
  function handle(run: Run, { step, refuse }: Envelope): Promise<void> | undefined {
    const { transaction, effects } = step(run.core);
    run.core = transaction;
    const index = effects.findIndex(({ type }) => type === "persist");
    for (const effect of effects.slice(0, Math.max(0, index))) carryOut(run, effect, refuse);
    const afterwards = (): void => {
      publish(run);
      for (const effect of effects.slice(index + 1)) carryOut(run, effect, refuse);
    };
    const forced = effects[index];
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
      const written = await log.force(transaction);
      if (written.ok) {
        logger.debug(
          { transaction: transaction.id, phase: transaction.phase, flushMs: clock.nowMs() - startedMs },
          "record forced",
        );
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
      answer(run, err({ type: "storage-unavailable", transactionId: transaction.id }));
      await pause(attempt);
    }
    return false;
  }

  /** History. What is completed stays here until it is there, so that nobody who asks meets a gap. */
  async function record(run: Run, transaction: Transaction): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const written = await log.record(transaction);
      if (!written.ok && written.error.type === "conflict") fence(written.error.conflict);
      if (closed) return;
      if (written.ok || transaction.phase !== "COMPLETED") break;
      await pause(attempt);
    }
    if (transaction.phase === "COMPLETED") removeRun(run);
  }

  const pause = (attempt: number): Promise<void> =>
    new Promise((resolve) => {
      clock.setTimer(backoffMs(storageBackoff, attempt, random()), resolve);
    });

  function carryOut(run: Run, effect: CoordinatorEffect, refuse: ((reason: string) => void) | undefined): void {
    const { core } = run;
    switch (effect.type) {
      case "persist":
        assert(false, "WriteAheadDecision: one forced write in a step");
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
        refuse?.(effect.reason);
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
  }

  /** Lets others see what the last step has done. */
  function publish(run: Run): void {
    const before = run.view;
    const after = run.core;
    run.view = after;
    logProgress(logger, before, after);
    if (before.outcome === undefined && after.outcome !== undefined) {
      undecidedCount -= 1;
      // What is aborted may be tried anew.
      if (after.outcome === "aborted" && after.request) byRequest.delete(after.request.id);
      onDecided();
    }
    for (const wake of run.watchers) wake();
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
  }

  function close(): void {
    closed = true;
    refusal ??= { type: "shutting-down" };
    cancelPurge();
    onDecided();
    for (const run of runs.values()) {
      stop(run);
      answer(run, err({ type: "pending", transactionId: run.core.id }));
      for (const wake of run.watchers) wake();
    }
  }

  function startRun(request: ExecuteRequest): Run {
    const { coordinatorEpoch } = coordinator();
    const first = newTransaction(
      { ...request, id: newTransactionId(), coordinatorEpoch, connected: sessions.connected },
      clock.nowMs(),
    );
    const run = createRun(first);
    const participants = first.parts.map((part) => part.participantId);
    logger.info({ transaction: first.id, participants, requestedBy: first.requestedBy }, "transaction begun");
    run.mailbox.post({ step: (transaction) => begin(transaction, moment()), refuse: undefined });
    return run;
  }

  async function findOrStart(request: ExecuteRequest, key: RequestKey): Promise<Run | Answer> {
    const stored = await log.byRequest(key.id).catch((error: unknown) => {
      byRequest.delete(key.id);
      throw error;
    });
    if (!stored) return startRun(request);
    byRequest.delete(key.id);
    if (stored.request?.digest !== key.digest) return err({ type: "request-id-reused" });
    return runs.get(stored.id) ?? ok(stored);
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
    const stored = await log.get(transactionId);
    // Undecided and not running: only a delegated transaction of a coordinator that has replaced this one.
    if (stored && stored.outcome === undefined) return;
    // No record means aborted. specs/TwoPhaseCommit.tla: AnswerInquiry of a coordinator that knows nothing.
    const outcome = stored?.outcome ?? "aborted";
    logger.info(
      { transaction: transactionId, participant: participantId, decision: outcome, recorded: stored !== undefined },
      "inquiry",
    );
    const { coordinatorEpoch } = coordinator();
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
    message(participantId, message, refuse) {
      const run = runs.get(message.transactionId);
      if (run) {
        post(run, eventOf(participantId, message), refuse);
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
      if (!purged.ok || purged.value < purgeBatchSize || closed) break;
    }
    if (!closed) cancelPurge = clock.setTimer(purgeIntervalMs, () => void purge());
  }

  return {
    get coordinator() {
      return coordinator();
    },
    async start() {
      const claimed = await log.claim(newCoordinatorId());
      if (!claimed.ok) return claimed;
      owner = claimed.value;
      const { coordinatorEpoch } = claimed.value;
      const unfinished = await log.unfinished();
      for (const stored of unfinished) {
        const step = (transaction: Transaction): Step =>
          takeOver(transaction, { coordinatorEpoch, connected: sessions.connected }, moment());
        createRun(stored).mailbox.post({ step, refuse: undefined });
      }
      sessions.start(claimed.value, handler);
      cancelPurge = clock.setTimer(purgeIntervalMs, () => void purge());
      logger.info({ ...claimed.value, unfinished: unfinished.length }, "coordinator started");
      return claimed;
    },
    async execute(request, signal) {
      if (refusal) return err(refusal);
      if (!log.writable) return err({ type: "storage-unavailable", transactionId: undefined });
      const { request: key } = request;
      const known = key && byRequest.get(key.id);
      if (known && known.digest !== key.digest) return err({ type: "request-id-reused" });
      if (!known && undecidedCount >= undecidedCountMax) return err({ type: "overloaded", limit: undecidedCountMax });
      if (!key) return waitFor(startRun(request), signal);
      const found = known?.found ?? findOrStart(request, key);
      if (!known) byRequest.set(key.id, { digest: key.digest, found });
      const run = await found;
      return "ok" in run ? run : waitFor(run, signal);
    },
    get: async (id) => runs.get(id)?.view ?? log.get(id),
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
    unacknowledged(participantId) {
      const itsRuns = [...(byParticipant.get(participantId) ?? [])];
      return itsRuns.filter(({ view }) => view.parts.some((part) => part.participantId === participantId && owesAck(view, part)))
        .length;
    },
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
