import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { originFields } from "../kernel/origin.ts";
import { byWhom, provedOf } from "../kernel/principal.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { admit } from "./admission.ts";

import { type Budgets, defaultBudgets, whyNotEnlist } from "./budgets.ts";
import { createChanges } from "./changes.ts";
import { createChores } from "./chores.ts";
import { stepCoordinator, whyKept } from "./core/coordinator.ts";
import type { Enlistment } from "./core/coordinator-step.ts";
import { newestClaim } from "./core/session-trace.ts";
import { isFinished, mayAbort, type Outcome, type Transaction } from "./core/types.ts";
import { waitForDecision } from "./decision.ts";
import { type CallerEnd, type EndSignal, orEnd, promiseOrEnd } from "./ends.ts";
import { type Environment, momentOf } from "./environment.ts";
import { forgetParticipant } from "./forget-participant.ts";
import { createSessionHandler } from "./inquiries.ts";
import { whoLags } from "./lagging.ts";
import { listNewestFirst } from "./list.ts";
import { type CommitMetrics, noMetrics } from "./metrics.ts";
import { inDoubtAt, type Owed, owedBy, unacknowledgedIn } from "./owed.ts";
import { createOwnership } from "./ownership.ts";
import type { Coordinator, Fenced, ListPage, Trace, TransactionPage } from "./ports.ts";
import { keepHouse, recover } from "./recovery.ts";
import { ask, type Event, isMisused, post, type Run, withRun } from "./run.ts";
import { createRuns, removeRun } from "./runs.ts";
import { fencedEnd } from "./sessions.ts";
import type { Shell } from "./shell.ts";
import { takeUp } from "./take-up.ts";
import { detailOf, emptyTimeline, type Timeline } from "./timeline.ts";
import type { Asked, BeginRequest, ExecuteFailure, ExecuteRequest, VerbFailure } from "./verbs.ts";
import {
  until,
  type WatchAllEnd,
  type WatchAllMessage,
  type WatchAllOptions,
  type WatchEnd,
  watchRun,
  watchRuns,
} from "./watches.ts";

/** Of what does not run here: it is unknown, or nobody runs it. */
type WatchFailure = Extract<VerbFailure, { readonly type: "not-found" | "pending" }>;

type Verb = Promise<Result<Transaction, VerbFailure>>;

/** Runs transactions: each has a mailbox, and none waits for another. */
export interface Driver {
  /**
   * Takes the log over; call it before anything else. Everything in it that is unfinished is taken over from then on, in slices; what is asked
   * for before its turn is taken over then.
   */
  start(): Promise<Result<Coordinator, WriteFailure<Fenced>>>;
  /**
   * Resolves once the decision is durable; an abort is an answer. When `signal` aborts before the decision, the transaction aborts,
   * unless another call with the same request id still waits for it.
   */
  execute(
    request: ExecuteRequest,
    signal?: EndSignal<CallerEnd>,
    onBegun?: (id: TransactionId) => void,
  ): Promise<Result<Transaction, ExecuteFailure>>;
  /** Resolves when it has begun: nothing is sent or written before its commit. */
  begin(request: BeginRequest): Promise<Result<Transaction, ExecuteFailure>>;
  enlist(id: TransactionId, enlistment: Enlistment, asked: Asked): Verb;
  /** As `execute`, of what was enlisted. Of a transaction that is under way or over: waits for its decision, or tells it. */
  commit(id: TransactionId, asked: Asked, signal?: EndSignal<CallerEnd>): Verb;
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
  /** Costs a page, however many transactions run. */
  list(page: ListPage): Promise<TransactionPage>;
  /** The transaction now and after each change, until it is COMPLETED; returns why it ends. */
  watch(id: TransactionId, signal: AbortSignal): AsyncGenerator<Transaction, WatchEnd | WatchFailure>;
  /**
   * Every transaction that is not over, then each one after a change: the newest of it, once, however slow the reader. Returns why it
   * ends: "too-slow" if more than `watchCountMax` wait for the reader.
   */
  watchAll(options: WatchAllOptions): AsyncGenerator<WatchAllMessage, WatchAllEnd>;
  owed(participantId: ParticipantId): Owed;
  /** Those that are in doubt, the oldest first. */
  inDoubt(limit: number): readonly Transaction[];
  /** What log lines say of one that runs: its id, and on whose behalf it does. */
  about(id: TransactionId): object | undefined;
  /** Resolves to what it was. */
  forgetParticipant(id: ParticipantId, asked: Asked): ReturnType<typeof forgetParticipant>;
  readonly coordinator: Coordinator;
  /** Resolves when everything that was unfinished at the start is taken over, or this coordinator leaves. */
  readonly recovered: Promise<void>;
  /** Resolves if another coordinator replaces this one. */
  readonly replaced: Promise<Fenced>;
  /**
   * Refuses new transactions, tells the participants, and aborts what only its caller could bring on. Resolves when all the others are
   * decided, or the time is over; then they are aborted too. What a lone participant decides is waited for as long as its callers wait,
   * and cannot be aborted.
   */
  drain(timeoutMs: DurationMs): Promise<void>;
  /** Ends all sessions. What is undecided is presumed aborted from now on; what is decided is sent by the next coordinator. */
  close(): void;
}

export type DriverOptions = Omit<Environment, "metrics" | "trace" | "budgets" | "bytes"> & {
  readonly metrics?: CommitMetrics;
  readonly trace?: Trace | undefined;
  readonly budgets?: Budgets;
};

export function createDriver(options: DriverOptions): Driver {
  const runs = createRuns();
  const { bytes } = runs;
  const environment: Environment = { metrics: noMetrics, trace: undefined, budgets: defaultBudgets, ...options, bytes };
  const { log, sessions, clock, logger, metrics, trace } = environment;
  const ownership = createOwnership(environment);
  const { turns } = environment;
  const shell: Shell = {
    ...environment,
    ownership,
    runs,
    changes: createChanges(environment),
    chores: createChores(turns),
    seldom: createSeldomLog(logger, clock.monotonicMs),
  };
  const replaced = Promise.withResolvers<Fenced>();
  const recovered = Promise.withResolvers<void>();

  ownership.ended.addEventListener("abort", () => {
    const end = ownership.ended.reason ?? { type: "shutting-down" };
    for (const run of runs.byId.values()) run.end(end);
    if (end.type === "fenced") {
      sessions.close(fencedEnd(end));
      replaced.resolve(end);
    } else {
      sessions.close({ reason: "SHUTTING_DOWN", message: "the coordinator is shutting down" });
    }
  });

  const logVerb = (transaction: TransactionId, verb: string, { requestedBy, reason, origin, ...asked }: Asked): void =>
    logger.info(
      { transaction, ...originFields(origin), verb, requestedBy, principal: asked.authenticatedAs, reason },
      "asked for",
    );

  /** A verb, on a transaction that runs or is over. */
  async function carryOutVerb(id: TransactionId, event: Event, asked: Asked): Verb {
    logVerb(id, event.type, asked);
    for (;;) {
      const { reason: end } = ownership.ended;
      if (end) return err(end);
      const found = await takeUp(shell, id);
      if (!found.ok) return found;
      if (found.value.type === "ended") return ofRecord(found.value.transaction, event);
      const { run } = found.value;
      if (isMisused(run, asked.request)) return err({ type: "request-id-reused" });
      const answered = await ask(shell, run, event);
      if ("ok" in answered) return answered;
      if (answered.type !== "over") return err(answered);
    }
  }

  /** What a verb comes to on a transaction that is over. */
  function ofRecord(transaction: Transaction, event: Event): Result<Transaction, VerbFailure> {
    const { effects } = stepCoordinator(transaction, { ...event, ...momentOf(shell) }, false);
    const refusal = effects.find((effect) => effect.type === "refuse");
    return refusal ? err({ type: "refused", transaction, refusal }) : ok(transaction);
  }

  async function forget(id: TransactionId, { origin }: Asked): Verb {
    const ending = runs.byId.get(id);
    // Its end is being recorded: what is forgotten before that would come back.
    const ended = ending && isFinished(ending.view) ? await withRun(ending, () => {}) : ending?.ended.reason;
    if (ended && "ok" in ended) return ended;
    if (ended?.type === "defect") return err(ended);
    const { reason: end } = ownership.ended;
    if (end) return err(end);
    const run = runs.byId.get(id);
    const looked = run ? ok(run.view) : await ownership.lookUp(id);
    if (!looked.ok) return looked;
    const found = looked.value;
    const kept = whyKept(found, clock.nowMs());
    if (kept !== undefined) return err({ type: "refused", transaction: found, refusal: { code: "state", reason: kept } });
    const forgetting = log.forget(id, ownership.coordinator.coordinatorEpoch);
    const forgotten = await promiseOrEnd(ownership.ended, forgetting);
    if (!("ok" in forgotten)) return err(forgotten);
    if (!forgotten.ok && forgotten.error.type === "conflict") {
      ownership.fence(forgotten.error.conflict);
      return err(forgotten.error.conflict);
    }
    if (!forgotten.ok) return err({ type: "storage-unavailable", transactionId: id });
    if (run) removeRun(runs, run);
    logger.warn({ transaction: id, ...originFields(origin), decision: found.outcome }, "forgotten");
    return ok(found);
  }

  return {
    get coordinator() {
      return ownership.coordinator;
    },
    replaced: replaced.promise,
    recovered: recovered.promise,
    async start() {
      const claimed = await ownership.claim();
      if (!claimed.ok) return claimed;
      const { coordinatorId, coordinatorEpoch, claims } = claimed.value;
      trace?.({ action: "Claim", epoch: coordinatorEpoch, coordinatorId, claim: newestClaim(claims) });
      sessions.start(claimed.value, createSessionHandler(shell));
      keepHouse(shell);
      ownership.keepChecking();
      metrics.observe(() => ({
        undecided: runs.undecidedCount,
        undecidedBytes: bytes.undecided,
        unacknowledgedBytes: bytes.decided,
        ...unacknowledgedIn(runs.owed),
        ...inDoubtAt(runs.owed, clock.nowMs()),
        connectedParticipants: sessions.connected.size,
      }));
      logger.info(ownership.coordinator, "coordinator started");
      recovered.resolve(recover(shell));
      return claimed;
    },
    async execute(request, signal, onBegun) {
      const admitted = admit(shell, request);
      const requested = request.request && runs.byRequest.get(request.request.id);
      if (requested) requested.comingCount += 1;
      // A new run is waited for from its first step on. Between the two counts, one that is looked for is kept for this caller.
      const run = admitted instanceof Promise ? await admitted : admitted;
      if (requested) requested.comingCount -= 1;
      if ("ok" in run) return run;
      onBegun?.(run.core.id);
      return waitForDecision(shell, run, signal);
    },
    async begin(request) {
      const run = await admit(shell, { ...request, enlistments: [] });
      if ("ok" in run) return run;
      return run.ended.reason?.type === "defect" ? err(run.ended.reason) : ok(run.view);
    },
    async enlist(id, enlistment, asked) {
      const refusal = whyNotEnlist(shell, runs.byId.get(id)?.share, [enlistment]) ?? whoLags(shell, runs.owed, [enlistment]);
      if (refusal) return err(refusal);
      const connected = sessions.connected.has(enlistment.participantId);
      return carryOutVerb(id, { type: "enlist", ...enlistment, connected, request: asked.request, ...provedOf(asked) }, asked);
    },
    async commit(id, asked, signal) {
      const found = await takeUp(shell, id);
      const run = found.ok && found.value.type === "running" ? found.value.run : undefined;
      if (!run || isFinished(run.view) || ownership.ended.aborted)
        return carryOutVerb(id, { type: "commit", ...provedOf(asked) }, asked);
      logVerb(id, "commit", asked);
      if (isMisused(run, asked.request)) return err({ type: "request-id-reused" });
      const mustWrite = run.view.idleTimeoutMs !== undefined;
      if (mustWrite && !log.writable) return err({ type: "storage-unavailable", transactionId: undefined });
      // Waited for from the first step on.
      const answered = waitForDecision(shell, run, signal);
      post(shell, run, { type: "commit", ...provedOf(asked) });
      return answered;
    },
    abort(id, asked) {
      const by = asked.requestedBy === "" && asked.authenticatedAs === undefined ? "aborted" : `aborted by ${byWhom(asked)}`;
      return carryOutVerb(id, { type: "abort", reason: detailOf(by, asked.reason) }, asked);
    },
    retry: (id, asked) => carryOutVerb(id, { type: "retry", ...provedOf(asked) }, asked),
    resolve(id, outcome, asked) {
      const { reason, requestedBy } = asked;
      return carryOutVerb(id, { type: "resolve", outcome, reason, requestedBy, ...provedOf(asked) }, asked);
    },
    forget(id, asked) {
      logVerb(id, "forget", asked);
      return forget(id, asked);
    },
    timeline: async (id) => runs.byId.get(id)?.timeline ?? (await log.timeline(id)) ?? emptyTimeline,
    async get(id) {
      const run = runs.byId.get(id);
      if (!run) return ownership.lookUp(id);
      // What is undecided here, the coordinator that has replaced this one may have decided.
      const fenced = run.view.outcome === undefined ? await ownership.replacedBy() : undefined;
      return fenced ? err(fenced) : ok(run.view);
    },
    list: (page) => listNewestFirst(shell, page),
    async *watch(id, signal) {
      const found = await takeUp(shell, id);
      if (!found.ok) return found.error;
      if (found.value.type === "running") return yield* watchRun(found.value.run, signal);
      yield found.value.transaction;
      return { type: "over" };
    },
    watchAll: (options) => watchRuns(shell, options),
    forgetParticipant(participant, { requestedBy, reason, origin, ...asked }) {
      const fields = {
        participant,
        ...originFields(origin),
        verb: "forget",
        requestedBy,
        principal: asked.authenticatedAs,
        reason,
      };
      logger.info(fields, "asked for");
      return forgetParticipant(shell, participant);
    },
    owed: (participantId) => owedBy(runs.owed, participantId),
    about: (id) => runs.byId.get(id)?.about,
    inDoubt: (limit) => runs.owed.inDoubt.firsts(limit).flatMap(({ id }) => runs.byId.get(id)?.view ?? []),
    async drain(timeoutMs) {
      ownership.leave();
      sessions.goAway("the coordinator is shutting down");
      const undecided = (): Run[] => [...runs.byId.values()].filter(({ view }) => view.outcome === undefined);
      // No waiter where the last caller that leaves still aborts.
      const settled = async (run: Run): Promise<void> => {
        await until(run, (transaction) => !mayAbort(transaction));
        await waitForDecision(shell, run, undefined);
      };
      const abort = (run: Run): void => post(shell, run, { type: "client-abort", reason: "the coordinator is shutting down" });
      for (const run of undecided()) if (run.core.idleTimeoutMs !== undefined) abort(run);
      await orEnd<void, unknown>(ownership.ended, (settle) => {
        void Promise.all(undecided().map(settled)).then(() => settle());
        return clock.setTimer(timeoutMs, settle);
      });
      for (const run of undecided()) if (mayAbort(run.view)) abort(run);
    },
    close: () => ownership.end(),
  };
}
