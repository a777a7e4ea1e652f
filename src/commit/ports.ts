import type { ParticipantId, RequestId, TransactionId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteResult } from "../kernel/write.ts";
import type { Claim } from "./core/claim.ts";
import type { CoordinatorMessage, Numbered, ParticipantMessage, Violation } from "./core/messages.ts";
import type { ParticipantRecord } from "./core/participant-step.ts";
import type { TraceEvent } from "./core/trace.ts";
import type { Transaction } from "./core/types.ts";
import type { PrepareVote } from "./prepare-failure.ts";
import type { Timeline } from "./timeline.ts";
import type { TransactionScope } from "./transaction-scope.ts";

/** Uniform in [0, 1). */
export type Random = () => number;

/** Hears each action when it has happened, before anybody can know of it. For checks; without one, nothing is done for it. */
export type Trace = (event: TraceEvent) => void;

/** One structured line. pino fits. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The writer is not the newest coordinator of this log. specs/TwoPhaseCommit.tla: fence. */
export type Fenced = { readonly type: "fenced"; readonly coordinatorEpoch: number };

export type Coordinator = {
  /** Names the log, not the process. */
  readonly coordinatorId: string;
  readonly coordinatorEpoch: number;
};

/** The coordinator that has claimed a decision log: its own claim and the newest of those before it, newest first, at most `claimCountMax`. */
export type Claimed = Coordinator & { readonly claims: readonly Claim[] };

/** What a participant remembers of a coordinator: the newest claim of its log that it has seen. */
export type KnownCoordinator = Coordinator & { readonly claimId: string };

export type ParticipantSession = {
  readonly participantId: ParticipantId;
  readonly instanceId: string;
  readonly sessionEpoch: number;
  readonly connectedAtMs: TimeMs;
};

/** Newest first (by id): those in the scope, before `beforeId`, at most `limit`. */
export type ListPage = {
  readonly beforeId: TransactionId | undefined;
  readonly limit: number;
  readonly scope?: TransactionScope | undefined;
};

/** It may be short, or empty, while more follow. */
export type TransactionPage = {
  readonly transactions: readonly Transaction[];
  /** Where the next page goes on. Undefined: this is the last. */
  readonly nextBeforeId: TransactionId | undefined;
};

/**
 * What a coordinator must not forget. Every write carries the expectation that the writer's epoch is still the newest, and is a
 * conflict otherwise. `force` and `record` store the transaction whole, over what is stored of it; the timeline is for people. A timeline or
 * payload that is left out stays as it was.
 */
export interface DecisionLog extends StoreHealth, StoreAge {
  /**
   * Compare-and-set: takes the next epoch, which fences every coordinator before, and makes the claim's random id. The coordinator's id is
   * made at the first claim and kept.
   */
  claim(newCoordinatorId: string): WriteResult<Claimed, Fenced>;
  /** Of the latest claim. Larger than one's own: replaced. */
  newestEpoch(): Promise<number>;
  /** Durable before it resolves: a commit, or the delegation of one. */
  force(transaction: Transaction, timeline?: Timeline): WriteResult<void, Fenced>;
  /** History: what was aborted, what is completed. Applied in the order of the calls, after every `force` before it. */
  record(transaction: Transaction, timeline?: Timeline): WriteResult<void, Fenced>;
  /** Increments the participant's session epoch. */
  openSession(
    session: Omit<ParticipantSession, "sessionEpoch">,
    coordinatorEpoch: number,
  ): WriteResult<ParticipantSession, Fenced>;
  /** Without payloads, as every transaction that is read. */
  get(id: TransactionId): Promise<Transaction | undefined>;
  /** Of the lone participant whose decision it is, as long as that is not known; else empty. */
  payload(id: TransactionId): Promise<Uint8Array>;
  /** The largest id of a transaction that is stored, whatever else is stored of it. */
  newestId(): Promise<TransactionId | undefined>;
  /** Looks at no more than `limit`, where looking costs little of what the scope leaves out. */
  list(page: ListPage): Promise<TransactionPage>;
  /** Nothing if the transaction is unknown, or was stored without. */
  timeline(id: TransactionId): Promise<Timeline | undefined>;
  /** Every transaction that is stored and not finished (`isFinished`), in the order of ids: those after `afterId`, at most `limit`. */
  unfinished(page: { readonly afterId: TransactionId | undefined; readonly limit: number }): Promise<readonly TransactionId[]>;
  /** The transaction that a request id led to, unless that was aborted. */
  byRequest(id: RequestId): Promise<Transaction | undefined>;
  /** Nothing if it has never said Hello, or is forgotten. */
  participant(id: ParticipantId): Promise<ParticipantSession | undefined>;
  /** In the order of ids, those after `afterId`, at most `limit`. */
  participants(page: {
    readonly afterId: ParticipantId | undefined;
    readonly limit: number;
  }): Promise<readonly ParticipantSession[]>;
  /** Drops those of these participants that have not said Hello since then. One that comes back begins anew with session epoch 1. */
  forgetParticipants(
    which: { readonly participantIds: readonly ParticipantId[]; readonly connectedBeforeMs: TimeMs },
    coordinatorEpoch: number,
  ): WriteResult<void, Fenced>;
  /** Drops one transaction, if it is there. */
  forget(id: TransactionId, coordinatorEpoch: number): WriteResult<void, Fenced>;
  /** Drops transactions finished before this time (`finishedAtMs`), at most `limit`; says how many. Never an unfinished one. */
  purge(
    before: { readonly completedBeforeMs: TimeMs; readonly limit: number },
    coordinatorEpoch: number,
  ): WriteResult<number, Fenced>;
  /** Applies what is queued, then closes. Writes after it are `storage-unavailable`. */
  close(): Promise<void>;
}

/**
 * What a participant must not forget. If it counts the age of what it keeps (`keptBeforeMs`), that tells what is old; else the wall clock
 * does, as it was at the start.
 */
export interface ParticipantLog extends Partial<StoreAge> {
  /** Names this log, not its process or its participant. Made with it, and kept: a log that was emptied, or a second one, has another. */
  readonly id: string;
  /** Every prepared transaction. */
  load(): Promise<readonly ParticipantRecord[]>;
  get(id: TransactionId): Promise<ParticipantRecord | undefined>;
  /** Every coordinator that was ever persisted, with its largest epoch and the id of that claim. */
  coordinators(): Promise<readonly KnownCoordinator[]>;
  /** Durable before it resolves; an epoch that is not larger than the stored one changes nothing. Rejects as `persist` does. */
  persistCoordinator(coordinator: KnownCoordinator): Promise<void>;
  /** Durable before it resolves. Over what is stored of this transaction. Rejects if it may not be durable; it is then called again. */
  persist(record: ParticipantRecord): Promise<void>;
  /** Drops this coordinator's committed and aborted records, never one that is prepared or lost, last updated before this time, at most `limit`; says how many. */
  purge(before: { readonly coordinatorId: string; readonly updatedBeforeMs: TimeMs; readonly limit: number }): Promise<number>;
}

/** The work of one transaction. */
export type Work = {
  readonly transactionId: TransactionId;
  /** As enlisted. Empty in the abort of what was never prepared here, and for what the log has as ended (`Resource.prepared`). */
  readonly payload: Uint8Array;
  /** `ParticipantLog.id`: what is prepared belongs to this log, and no other may end it. */
  readonly logId: string;
  /** The call that has begun the transaction, for logs and traces. Undefined, if the coordinator does not tell, or nobody asks for this but the log. */
  readonly origin?: Origin | undefined;
};

/** The work of a Prepare, and whose it is: the coordinator's id names its decision log. */
export type PrepareWork = Work & {
  readonly voteWithinMs: DurationMs;
  readonly coordinatorId: string;
  readonly coordinatorEpoch: number;
};

/** What was prepared is not there any more, and nothing shows that it was committed. Never told for a commit that was carried out. */
export type LostPromise = { readonly lost: string };

/**
 * What a resource holds prepared for another log of the same participant: `promise` is the name that the resource's own tools have for it,
 * `remedy` says how to end it, and whatever else helps stands beside them.
 */
export type ForeignPromise = { readonly promise: string; readonly remedy: string; readonly [detail: string]: string };

/** Receipts that may go. */
export type OldReceipts = {
  readonly logId: string;
  readonly recordedBeforeMs: TimeMs;
  /** The log does not know yet how these ended, and their receipts are the only proof. */
  readonly keep: readonly TransactionId[];
  readonly limit: number;
};

/**
 * What takes part in a transaction: a database, a workflow manager, a machine. Calls for one transaction never overlap. After a
 * crash each of them may be called again for work that is done already; it must then answer as if it did it now.
 */
export interface Resource {
  /**
   * Makes a promise that survives a crash: from now on it can commit, and can abort. A vote to commit is the promise; `abort` and
   * `read-only` leave nothing behind. Rejection counts as a vote to abort, followed by `abort`.
   */
  prepare(work: PrepareWork): Promise<PrepareVote>;
  /**
   * Only after a promise. Done, durably, when it resolves to nothing. Rejection is tried again, for ever: the promise binds. Resolves
   * to a LostPromise if the resource does not hold the promise and has no proof that it kept it before.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a resource that can lose nothing returns nothing
  commit(work: Work): Promise<LostPromise | void>;
  /** Undoes what was prepared; nothing, if nothing was. Rejection is tried again. */
  abort(work: Work): Promise<void>;
  /**
   * Transactions that the resource holds prepared for this log, if it can tell. At start, those without a record are aborted: a crash fell
   * between the resource's promise and the record, so no vote was sent. What the log has as ended is ended so again: the resource was
   * restored.
   */
  prepared?(logId: string): Promise<readonly TransactionId[]>;
  /** What it holds prepared for other logs of this participant, if it can tell. It is left alone, and told to the operator at start. */
  foreign?(logId: string): Promise<readonly ForeignPromise[]>;
  /** Drops receipts of commits, if it keeps them, at most `limit`; says how many. */
  forget?(old: OldReceipts): Promise<number>;
}

/** Why a Participate stream ended. The names of those that the contract defines are its reasons. */
export type StreamEnd = {
  readonly reason:
    | "SESSION_SUPERSEDED"
    | "SESSION_TIMEOUT"
    | "PROTOCOL_VERSION"
    | "PROTOCOL_VIOLATION"
    | "INVALID_REQUEST"
    | "SHUTTING_DOWN"
    | "STORAGE_UNAVAILABLE"
    | "COORDINATOR_FENCED"
    /** Without a word, by the peer or by the network. */
    | "CLOSED";
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Of INVALID_REQUEST. */
  readonly violations?: readonly Violation[];
};

/** What a coordinator says, and on whose behalf. The protocol knows nothing of that. */
export type Told = Numbered<CoordinatorMessage> & { readonly origin?: Origin | undefined };

/** A way to one coordinator. */
export interface ParticipantTransport {
  /** Names the coordinator in logs: its address. */
  readonly name: string;
  /**
   * Opens a stream: sends what `outgoing` yields, yields what comes. Ends or throws when the stream ends, for whatever reason, and
   * soon after `signal` aborts; the thrown error's message says why. A Refusal, if nothing changes by trying again soon.
   */
  open(outgoing: AsyncIterable<Numbered<ParticipantMessage>>, signal: AbortSignal): AsyncIterable<Told>;
}
