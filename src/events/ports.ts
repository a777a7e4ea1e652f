import type { RequestId } from "../kernel/ids.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Result } from "../kernel/result.ts";
import type { Stretch } from "../kernel/stretch.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteResult } from "../kernel/write.ts";
import type { Described } from "./core/cloud-event.ts";

/** An event of the store, as it is read for sinks. */
export type SourceEvent = Described & { readonly workflowType: string };

export type SourceMessage =
  | { readonly type: "event"; readonly event: SourceEvent }
  /** Every matching event up to here was told. */
  | { readonly type: "progress"; readonly sequence: number }
  /** The last message: the next event may be one that is not kept any more. */
  | { readonly type: "purged"; readonly oldest: number };

/** The events of the workflow store, which are durable before they are told. */
export interface EventSource {
  /** Names the store, for as long as it lives. */
  readonly storeId: string;
  /** In the order of their sequence, at the pace of whoever reads. Without end; throws the signal's reason, or what keeps the store from being read. */
  read(options: {
    readonly filter: string;
    readonly afterSequence: number;
    /** As of a sink's record. */
    readonly passesPurgedUpTo?: number | undefined;
    readonly signal: AbortSignal;
  }): AsyncGenerator<SourceMessage, void>;
  /** The oldest event kept and the newest. */
  sequences(): Promise<{ readonly oldest: number; readonly newest: number }>;
  /** The newest that a restore from a backup has kept, if it has lost what had this sequence. */
  keptBeforeLoss(sequence: number): Promise<number | undefined>;
  /** The first one after this sequence, filtered or not. */
  first(afterSequence: number): Promise<Pick<SourceEvent, "sequence" | "id" | "occurredAtMs"> | undefined>;
}

/** What is published: an event, and its CloudEvent. */
export type Outgoing = { readonly event: SourceEvent; readonly body: string };

/** What came of publishing. */
export type Published =
  | { readonly type: "acknowledged" }
  /** It would be refused again. */
  | { readonly type: "refused"; readonly cause: string }
  /** Whether it has arrived is not known. `answered`: the receiver has said so itself. */
  | { readonly type: "failed"; readonly cause: string; readonly answered?: true; readonly retryAfterMs?: DurationMs }
  /** The receiver is gone for good, and says so. */
  | { readonly type: "gone"; readonly cause: string };

/** Where events go. */
export interface Transport {
  readonly kind: SinkKind;
  /** Batches that may be under way at once, and events of one batch. */
  readonly windowMax: number;
  readonly batchCountMax: number;
  /** How often what is refused is tried before it becomes a dead letter. */
  readonly refusalsMax: number;
  /** How often what is answered with a failure is tried before it does. Undefined: for ever. */
  readonly failuresMax: number | undefined;
  /** Never rejects. `cursor` is for the log: what lies before it is not published again. */
  open(options: {
    readonly cursor: number;
    readonly signal: AbortSignal;
  }): Promise<Result<Connection, { readonly cause: string }>>;
}

export interface Connection {
  /** What was published before the other comes before it, or neither comes. Never rejects. */
  publish(batch: readonly Outgoing[]): Promise<Published>;
  /** Resolves, with the cause, if it is found broken while nothing is published. */
  readonly broken: Promise<string>;
  /** That there is one shows that the receiver is there. */
  readonly isProof: boolean;
  /** What is under way fails. */
  close(): Promise<void>;
}

export type SinkKind = "nats" | "webhook";

/** What is stored of a sink, by its name. */
export type SinkRecord = {
  readonly name: string;
  readonly kind: SinkKind;
  /** All that matches up to this sequence is published, or a dead letter. */
  readonly cursor: number;
  readonly isPaused: boolean;
  /**
   * Up to here, what was purged is passed over, and what is kept is published: an operator has said so, of what was purged by then. What is
   * purged further on stops it again.
   */
  readonly passesPurgedUpTo?: number;
  /** The last event that was published, to know the store again by: one that was restored has another event in its place, or none. */
  readonly last: { readonly sequence: number; readonly eventId: string } | undefined;
};

/** An event that its receiver refuses, kept so that it can be tried again. */
export type DeadLetter = {
  readonly sink: string;
  readonly event: SourceEvent;
  readonly cause: string;
  /** How often it was tried. */
  readonly tries: number;
  /** The last time. */
  readonly refusedAtMs: TimeMs;
};

/** Applied whole or not at all, durable before it is acknowledged. */
export type SinkBatch = {
  readonly puts?: readonly SinkRecord[];
  /** Also in place of old ones. */
  readonly deadLetters?: readonly DeadLetter[];
  /** A new try of an old one, if it is there still: it may have been dropped meanwhile. */
  readonly retried?: DeadLetter;
  readonly dropped?: { readonly sink: string; readonly sequences: readonly number[] };
  /** Remembers the answer to a request, as JSON. */
  readonly request?: RequestKey & { readonly answer: string; readonly atMs: TimeMs };
};

/** Keeps the cursors of sinks, their dead letters, and answers to requests. */
export interface SinkStore extends StoreHealth, StoreAge {
  sinks(): Promise<readonly SinkRecord[]>;
  /** In the order of sequence, those after this one: at most `limit`, and about `stretchBytesMax` of text. */
  deadLetters(page: {
    readonly sink: string;
    readonly afterSequence: number;
    readonly limit: number;
  }): Promise<Stretch<DeadLetter, number>>;
  /** Costs as much as there are: at most `deadLetterCountMax`. */
  deadLetterCount(sink: string): Promise<number>;
  answer(requestId: RequestId): Promise<{ readonly digest: string; readonly answer: string } | undefined>;
  /** Conflict: the request id is stored already. */
  apply(batch: SinkBatch): WriteResult<void, { readonly type: "request-exists" }>;
  /** Drops answers older than this, at most `limit`; says how many. */
  purge(before: { readonly olderThanMs: TimeMs; readonly limit: number }): WriteResult<number, never>;
  close(): Promise<void>;
}
