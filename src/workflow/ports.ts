import type { ParticipantId, RequestId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { WorkflowState } from "../kernel/lifecycle.ts";
import type { Origin } from "../kernel/origin.ts";
import type { Proved } from "../kernel/principal.ts";
import type { Range } from "../kernel/range.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Result } from "../kernel/result.ts";
import type { Stretch } from "../kernel/stretch.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteResult } from "../kernel/write.ts";
import type { Deadline } from "./core/deadline.ts";
import type { Refusal } from "./core/errors.ts";
import type { TypePolicy } from "./core/policy.ts";
import type { PurgeFacts, Seen } from "./core/purge.ts";
import type { Consent, LastEvent, NewWorkflowEvent, Workflow, WorkflowEvent } from "./core/types.ts";

/**
 * All changes of the workflows of one store, as one value. Applied whole or not at all, durable before it is acknowledged.
 */
export type WorkflowBatch = {
  readonly puts: readonly WorkflowPut[];
  /** Appended in this order; the store gives the sequences. */
  readonly events: readonly NewWorkflowEvent[];
  /** Remembers the answers to the requests that it carries out. */
  readonly answers?: readonly RememberedAnswer[];
  /** Remembers how a transaction ended here. Put by the same batch that carries it out. */
  readonly outcome?: EndedTransaction & { readonly atMs: TimeMs };
  /** Remembers that this coordinator was met. An epoch that is not larger than the stored one changes nothing. */
  readonly coordinator?: KnownCoordinator;
  /** For creations: rejected with `limit` if the store would hold more workflows than this. */
  readonly workflowCountMax?: number;
  /** Of creations, who has proved to make them: they count as theirs as long as they are there. Rejected with `creator-limit` if these were more than so many. */
  readonly creator?: { readonly principal: string; readonly countMax: number | undefined };
};

export type WorkflowPut = {
  readonly workflow: Workflow;
  /** What must be stored now: nothing, or this version held by this transaction (or by none). */
  readonly expected: "absent" | { readonly version: number; readonly heldBy: TransactionId | undefined };
  /**
   * What the store keeps as it has it, whatever this workflow has: who does not change the metadata need not carry it about, and a hold that comes or
   * goes changes nothing else. Left out: nothing.
   */
  readonly keeps?: "metadata" | "all but the hold";
};

/** An answer is a workflow, as put, and an event: by their places in the batch. */
export type RememberedAnswer = RequestKey & {
  readonly atMs: TimeMs;
  readonly put: number;
  readonly event: number;
  /** Of a request whose items may be written one by one: what was remembered first stays, and only another digest is a conflict. */
  readonly shared?: true;
};

export type WorkflowConflict =
  /** The workflow is not as expected: moved, held, released, or (with "absent") exists. */
  | { readonly type: "stale"; readonly workflowId: WorkflowId }
  /** With "absent": there was such a workflow, and its id is not free. */
  | { readonly type: "purged"; readonly workflowId: WorkflowId }
  | { readonly type: "limit" }
  | { readonly type: "creator-limit"; readonly principal: string; readonly limit: number }
  /** One of the request ids is stored already; look it up. */
  | { readonly type: "request-exists" };

export type TransactionOutcome = "committed" | "aborted";

/** A coordinator that has been met: the largest epoch that it had, and the id of that claim of its decision log. */
export type KnownCoordinator = { readonly coordinatorId: string; readonly coordinatorEpoch: number; readonly claimId: string };

/** How a transaction ended here, and by whose word: no other coordinator's is taken for it. */
export type EndedTransaction = {
  readonly transactionId: TransactionId;
  readonly coordinatorId: string;
  readonly outcome: TransactionOutcome;
};

/** A workflow whose deadline has passed, and its version then. */
export type DueWorkflow = { readonly workflowId: WorkflowId; readonly version: number; readonly deadline: Deadline };

/** A place among deadlines, which are in the order of their times, then of the workflows. */
export type DeadlinePlace = { readonly atMs: TimeMs; readonly workflowId: WorkflowId };

/** Request ids are of one kind: what a change of a policy was answered, and which bulk operation was started, is found under them as well. */
export type StoredAnswer = { readonly digest: string } & (
  | { readonly workflow: Workflow; readonly event: WorkflowEvent }
  | { readonly policy: TypePolicy }
  | { readonly bulkOperationId: string }
);

/** A change of one policy. */
export type PolicyChange = {
  /** The newest revision of any policy, upon which this was decided. */
  readonly expectedNewest: number;
  readonly newest: number;
  readonly workflowType: string;
  /** Undefined: it is deleted. */
  readonly policy: TypePolicy | undefined;
  /** Remembers the answer to a request. */
  readonly request?: RequestKey & { readonly atMs: TimeMs; readonly answer: TypePolicy };
};

export type PolicyConflict = /** There is a newer revision. */ { readonly type: "stale" } | { readonly type: "request-exists" };

/** All policies, in the order (bytewise) of their types. Some hundred KiB at most. */
export type StoredPolicies = { readonly newest: number; readonly policies: readonly TypePolicy[] };

/** As they were at one moment. An event is only missing if it was purged. */
export type WorkflowWithLastEvent = { readonly workflow: Workflow; readonly lastEvent: LastEvent | undefined };

/** A workflow in a terminal state. */
export type EndedWorkflow = Seen & { readonly enteredAtMs: TimeMs };

/** Where a list of what has ended goes on. */
export type EndedPlace = Pick<EndedWorkflow, "enteredAtMs" | "id">;

/** What was purged: workflows, and events, also of one whose other events go in another write. */
export type Purged = { readonly workflows: readonly WorkflowId[]; readonly events: number };

export type WorkflowCounts = {
  readonly workflows: number;
  /** Those that are kept. */
  readonly events: number;
  readonly byState: Readonly<Record<WorkflowState, number>>;
  readonly held: number;
  /** Held for FAILED→ACTIVE. */
  readonly recovering: number;
};

/** By what a list is sorted, and by the id (bytewise) where that is the same. */
export type WorkflowOrder = { readonly by: "id" | "created" | "updated" | "version"; readonly descending: boolean };

/** Where a workflow is in an order. The key is 0 in the order of ids. */
export type WorkflowPlace = { readonly key: number; readonly id: WorkflowId };

export type SortedStretch = Stretch<Workflow, WorkflowPlace> & {
  /** What indexes led by. What the rest leaves out was looked at. */
  readonly led: readonly LedBy[];
};

/** A range that an index may lead by. */
export type LedBy = Exclude<keyof WorkflowRanges, "metadata"> | `metadata.${string}`;

/**
 * What is known of the value under a key of the wanted workflows' metadata: it is one of these, or it lies between these, which are all texts or all
 * numbers.
 */
export type MetadataRange = {
  readonly key: string;
  readonly oneOf?: readonly (string | number | boolean)[];
  readonly min?: string | number;
  readonly max?: string | number;
};

/** An index of the values under a key, asked for by the policy of a type. */
export type MetadataIndex = { readonly workflowType: string; readonly key: string; readonly ready: boolean };

/** That an event has changed a workflow, and how the workflow was at an earlier moment. */
export type ChangeSince = {
  readonly sequence: number;
  readonly workflowId: WorkflowId;
  readonly before:
    | { readonly version: number; readonly updatedAtMs: TimeMs }
    /** It was not there. */
    | "absent"
    /** Its event of then is not kept. */
    | "unknown";
};

/** How many workflows of a type (empty: none) are in a state. */
export type TypeCount = { readonly type: string; readonly state: WorkflowState; readonly count: number };

/** What is known of the wanted workflows, so that the store can pass over others. */
export type WorkflowRanges = {
  readonly id?: Range<string>;
  readonly type?: Range<string>;
  readonly state?: Range<string>;
  readonly createdAtMs?: Range<TimeMs>;
  readonly createdBy?: Range<string>;
  readonly updatedAtMs?: Range<TimeMs>;
  readonly updatedBy?: Range<string>;
  readonly stateEnteredAtMs?: Range<TimeMs>;
  readonly version?: Range<number>;
  /** A store that has no index of them need not pass over anything for them. */
  readonly metadata?: readonly MetadataRange[];
};

/** What is known of the wanted events. */
export type EventRanges = {
  readonly id?: Range<string>;
  readonly sequence?: Range<number>;
  readonly workflowId?: Range<string>;
  readonly workflowType?: Range<string>;
  readonly type?: Range<string>;
  readonly toState?: Range<string>;
  readonly occurredAtMs?: Range<TimeMs>;
  readonly requestedBy?: Range<string>;
  readonly authenticatedAs?: Range<string>;
};

/** Keeps workflows, events, answers to requests, and outcomes of transactions. */
export interface WorkflowStore extends StoreHealth, StoreAge {
  /** Names it to those who get its events: the same as long as it lives, also after a restore. */
  readonly id: string;
  get(id: WorkflowId): Promise<Workflow | undefined>;
  /** What a move is judged by, in one read. */
  getWithLastEvent(id: WorkflowId): Promise<WorkflowWithLastEvent | undefined>;
  /**
   * In the order of ids (bytewise), those after `afterId` that lie in the ranges: at most `limit`, and about `stretchBytesMax` of text. What
   * is passed over for them is bounded, so there may be none though the list goes on.
   */
  list(page: {
    readonly afterId: WorkflowId | undefined;
    readonly limit: number;
    readonly ranges?: WorkflowRanges;
  }): Promise<Stretch<Workflow, WorkflowId>>;
  /**
   * As `list`, in any order, after this place. Each stretch is of one moment, and the next one of a later moment. Where an index leads to few
   * they are sorted; otherwise the order is followed, and what does not lie in the ranges is passed over.
   */
  listSorted(page: {
    readonly order: WorkflowOrder;
    readonly after: WorkflowPlace | undefined;
    readonly limit: number;
    readonly ranges?: WorkflowRanges;
  }): Promise<SortedStretch>;
  /** Of the events after `afterSequence`, in order, at most `limit`: what each has changed, and how that was right after event `snapshot`. */
  changesSince(page: {
    readonly snapshot: number;
    readonly afterSequence: number;
    readonly limit: number;
  }): Promise<readonly ChangeSince[]>;
  /** As `list`, in the order of sequence. */
  listEvents(page: {
    readonly afterSequence: number;
    readonly limit: number;
    readonly ranges?: EventRanges;
  }): Promise<Stretch<WorkflowEvent, number>>;
  /**
   * From `oldest` on, no event is missing; what came before may be purged. `newest` is the last that was ever written, and is 0 before there is
   * one; `oldest` is then 1, and after all were purged, one more than `newest`.
   */
  sequences(): Promise<{ readonly oldest: number; readonly newest: number }>;
  /** The newest that a restore from a backup has kept, if it has lost what had this sequence. */
  keptBeforeLoss(sequence: number): Promise<number | undefined>;
  /** Kept by the store with each batch; costs no scan. */
  counts(): Promise<WorkflowCounts>;
  /** As `counts`, in the order of types and states, those after this one, at most `limit`. May have some of which there are none. */
  typeCounts(page: {
    readonly after: Pick<TypeCount, "type" | "state"> | undefined;
    readonly limit: number;
  }): Promise<readonly TypeCount[]>;
  /** Of the workflows that are there, how many this principal has created. Costs no scan. */
  countCreatedAs(principal: string): Promise<number>;
  /** The stored answer to a request, or nothing. */
  answer(requestId: RequestId): Promise<StoredAnswer | undefined>;
  /** How a transaction ended here, or nothing. */
  outcome(transactionId: TransactionId): Promise<EndedTransaction | undefined>;
  /** Every coordinator that was ever met. */
  coordinators(): Promise<readonly KnownCoordinator[]>;
  /** What a transaction holds, in the order of ids, those after `afterId`, at most `limit`. Costs no scan. */
  heldBy(page: {
    readonly transactionId: TransactionId;
    readonly afterId?: WorkflowId | undefined;
    readonly limit: number;
  }): Promise<readonly Workflow[]>;
  /** What is held, in the order (bytewise) of the transactions that hold it, then of ids: of those after `afterId`, at most `limit` workflows. */
  held(page: { readonly afterId: TransactionId | undefined; readonly limit: number }): Promise<readonly Workflow[]>;
  /** Atomic. A stale expectation resolves to a conflict and writes nothing. Answers with the events as stored. */
  apply(batch: WorkflowBatch): WriteResult<readonly WorkflowEvent[], WorkflowConflict>;
  /** Deadlines up to this time, after that place, at most `limit`; not those of workflows that are held. Costs no scan. */
  due(page: {
    readonly upToMs: TimeMs;
    readonly after: DeadlinePlace | undefined;
    readonly limit: number;
  }): Promise<readonly DueWorkflow[]>;
  /**
   * Called when a workflow is stored that has a deadline and is not held, with the time of the earliest one: set anew, or not held any more.
   * As with `onAppend`, a write that has failed though it is durable counts; then it may be called with a time that was told before, or with 0
   * while the store cannot be read. Returns the unsubscribe function.
   */
  onDeadline(listener: (atMs: TimeMs) => void): () => void;
  /** As they were at one moment. */
  policies(): Promise<StoredPolicies>;
  /** As `apply`. */
  applyPolicy(change: PolicyChange): WriteResult<void, PolicyConflict>;
  /** The indexes of metadata that the policies ask for, in the order of types and keys. */
  metadataIndexes(): Promise<readonly MetadataIndex[]>;
  /**
   * Goes on to make these indexes, and to drop what none asks for any more, by at most so many workflows or entries. False: nothing is left to do. How far it has
   * come is stored.
   */
  indexMetadata(slice: { readonly limit: number }): WriteResult<boolean, never>;
  /**
   * Called when events were appended, with the newest sequence: before they are acknowledged, or, if their write has failed though it is
   * durable, by the time the store is writable again. While the store cannot be read, the newest may be one that was told before. Returns the
   * unsubscribe function.
   */
  onAppend(listener: (newest: number) => void): () => void;
  /**
   * Drops answers and aborted outcomes older than this, at most `limit` of each; says how many. A committed outcome stays: its decision
   * is sent again until it is acknowledged, however long the coordinator was away, and must then be known. `purgeOutcomes` drops it.
   */
  purge(before: { readonly olderThanMs: TimeMs; readonly limit: number }): WriteResult<number, never>;
  /**
   * Drops outcomes of one coordinator's transactions that are older than this, committed ones too, at most `limit`: when it has been in session
   * for so long that it has sent again whatever it has not heard the end of.
   */
  purgeOutcomes(before: {
    readonly coordinatorId: string;
    readonly olderThanMs: TimeMs;
    readonly limit: number;
  }): WriteResult<number, never>;
  /** When the workflow of this id was purged. Nothing, if it was not, or if its id is free again. */
  purgedAtMs(id: WorkflowId): Promise<TimeMs | undefined>;
  /** Types of which something has ended, in the order of bytes, those after `after`. Costs a look at an index for each. */
  endedTypes(page: { readonly after: string | undefined; readonly limit: number }): Promise<readonly string[]>;
  /** What of one type came into a terminal state before this, the longest ended first. Costs no scan. */
  ended(page: {
    readonly type: string;
    readonly beforeMs: TimeMs;
    readonly after?: EndedPlace;
    readonly limit: number;
  }): Promise<Stretch<EndedWorkflow, EndedPlace>>;
  /** What decides whether a workflow may be purged. Nothing, if it does not exist. */
  purgeFacts(id: WorkflowId): Promise<PurgeFacts | undefined>;
  /**
   * Purges those of these that are still at their version, in a terminal state, held by nobody, without a remembered answer to any of their
   * changes, and without an event from `beforeSequence` on; with all their events, in one write. Of one with more than `eventCountMax` events
   * the oldest go first, and it is purged by the call that finds no more. Passes over the others.
   */
  purgeWorkflows(purge: {
    readonly workflows: readonly Seen[];
    readonly beforeSequence: number;
    readonly eventCountMax: number;
    /** New workflows may have their ids. */
    readonly freeIds: boolean;
    readonly atMs: TimeMs;
  }): WriteResult<Purged, never>;
  /** Applies what is queued, then closes. Writes after it are `storage-unavailable`. */
  close(): Promise<void>;
}

/** Where workflows are kept that are purged. */
export interface Archive {
  /** Appends these, as they are, with their events. Durable when it resolves; rejects if it cannot be written. */
  append(ids: readonly WorkflowId[]): Promise<void>;
}

/** A question to the predicate engine. */
export type PredicateCheck = {
  readonly workflow: Workflow;
  readonly lastEvent: LastEvent | undefined;
  /** Of an update, the state that it is in. */
  readonly targetState: WorkflowState;
  /** The metadata as it would be. Undefined: it is a move. */
  readonly proposed?: JsonObject | undefined;
  readonly reason: string;
  readonly requestedBy: string;
  readonly context: JsonObject;
  /** Undefined: the move is made by itself. */
  readonly transaction: TransactionFacts | undefined;
  readonly atMs: TimeMs;
} & Proved;

/** The transaction that carries a move, as far as it is known when the move is judged. */
export type TransactionFacts = {
  /** Undefined: it has not begun. */
  readonly transactionId: TransactionId | undefined;
  /** Besides the workflow manager. */
  readonly participantIds: readonly ParticipantId[];
};

export type PredicateVerdict =
  | ({ readonly type: "allowed" } & Consent)
  | { readonly type: "invalid-transition"; readonly ruleSetRevision: number }
  /** Of an update. */
  | { readonly type: "metadata-invalid"; readonly ruleSetRevision: number; readonly violations: readonly MetadataViolation[] }
  | {
      readonly type: "rule-denied";
      readonly ruleSetRevision: number;
      readonly violations: readonly RuleViolation[];
      /** Of rules that would not have stopped it. */
      readonly warnings?: readonly RuleViolation[];
    };

/** Metadata of a workflow that is to be of this type. */
export type MetadataQuestion = { readonly workflowType: string; readonly metadata: JsonObject };

/** What is wrong with it; nothing, if it meets the schema or there is none. */
export type MetadataVerdict = { readonly ruleSetRevision: number; readonly violations: readonly MetadataViolation[] };

/** `path` is where, such as `metadata.tags[2]`. */
export type MetadataViolation = { readonly path: string; readonly message: string };

export type RuleViolation = { readonly ruleId: string; readonly message: string };

/** The moves that the lifecycle has from a state, all judged under one revision. */
export type JudgedMoves = { readonly moves: readonly JudgedMove[]; readonly ruleSetRevision: number };

export type JudgedMove = {
  readonly targetState: WorkflowState;
  readonly isAllowed: boolean;
  readonly violations: readonly RuleFinding[];
  readonly warnings: readonly RuleFinding[];
  readonly violationsOmitted: number;
  readonly warningsOmitted: number;
};

/** What a rule says of a move for which it does not hold. */
export type RuleFinding = RuleViolation & { readonly ruleVersion: number; readonly evaluationFailed: boolean };

/** Who waits for a verdict. */
/** Which workflows somebody may act upon, and of which they may hear. */
export type Guard = {
  /** "hidden": it may not be told that there is such a workflow. */
  readonly of: (workflow: Pick<Workflow, "id" | "type">) => "allowed" | "denied" | "hidden";
  /** Whether it may be told that there was a workflow of this id: nobody knows of which type. */
  readonly maySeeGone: (id: WorkflowId) => boolean;
};

export type Asker = {
  /** Aborts when nobody waits any more; then it is not asked. */
  readonly signal: AbortSignal;
  /** An answer after this is of no use. */
  readonly deadlineMs?: TimeMs | undefined;
  readonly origin?: Origin | undefined;
  /** Undefined: it may act upon all. */
  readonly guard?: Guard | undefined;
};

export type PredicateFailure =
  /** Silence, and what is no answer. */
  | { readonly type: "unavailable"; readonly cause: string }
  | { readonly type: "refused"; readonly refusal: Refusal }
  /** More is asked than can be answered in time. */
  | { readonly type: "overloaded"; readonly cause: string; readonly retryAfterMs: DurationMs };

/** The predicate engine, always behind gRPC. Never throws. */
export interface PredicateClient {
  check(check: PredicateCheck, asker: Asker): Promise<Result<PredicateVerdict, PredicateFailure>>;
  checkMetadata(question: MetadataQuestion, asker: Asker): Promise<Result<MetadataVerdict, PredicateFailure>>;
  /** Of each move from the workflow's state. */
  checkMoves(
    question: Omit<PredicateCheck, "targetState" | "proposed">,
    asker: Asker,
  ): Promise<Result<JudgedMoves, PredicateFailure>>;
}

export type TransactionPart = { readonly participantId: ParticipantId; readonly payload: Uint8Array };

export type TransactionAnswer = {
  readonly transactionId: TransactionId;
  readonly outcome: TransactionOutcome;
  readonly abortReason: string;
  /** Of participants that did not vote to commit. */
  readonly refusals: readonly { readonly participantId: ParticipantId; readonly reason: string }[];
};

/** The coordinator, always behind gRPC. Never throws. */
export interface TransactionClient {
  execute(request: {
    readonly parts: readonly TransactionPart[];
    /** For waiting, voting and deciding together. The coordinator aborts what it has not decided by then. */
    readonly timeoutMs: DurationMs;
    readonly waitForParticipantsMs: DurationMs;
    readonly reason: string;
    readonly requestedBy: string;
    /** Called as soon as the transaction is known. */
    readonly onBegun: (transactionId: TransactionId) => void;
    /** When it aborts, so does what is not decided. */
    readonly signal: AbortSignal;
    readonly origin?: Origin | undefined;
  }): Promise<Result<TransactionAnswer, TransactionFailure>>;
}

/** The manager's sessions with coordinators, as their participant. */
export interface CoordinatorSessions {
  /** A session with the coordinator of this decision log is open. */
  connectedTo(coordinatorId: string): boolean;
  /** The store has ended this transaction without its coordinator: what the participant has in memory of it is not true any more. */
  reread(transactionId: TransactionId): void;
}

export type TransactionFailure = {
  readonly type: /** It did not answer. Whether there is a transaction is not known. */
    | "unavailable"
    /** Not decided in time. It ends without the caller. */
    | "pending"
    /** Nothing was begun: too much is under way. */
    | "overloaded"
    /** Nothing was begun: the request cannot work, now or later. */
    | "refused";
  readonly cause: string;
};
