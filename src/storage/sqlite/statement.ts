import type { Result } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteFailure } from "../../kernel/write.ts";
import type { StoreKind } from "./store-kind.ts";

/** Numbers are bound as REAL; an INTEGER column stores whole ones as integers. */
export type SqlValue = null | number | bigint | string | Uint8Array;

export type Row = { readonly [column: string]: SqlValue };

/** One SQL statement of a batch, as a value. Prepared once per distinct text: values belong into `params`. */
export type Statement<Conflict = string> = {
  readonly sql: string;
  readonly params: readonly SqlValue[];
  /**
   * How many rows it must change, or return if `returning`. Another number, or a key that exists already, rejects the whole batch with
   * `conflict`. Any other constraint that fails is a defect.
   */
  readonly expect?: { readonly changes: number; readonly conflict: Conflict };
  /** Answer with its rows: of a RETURNING clause, or of a SELECT as a guard. */
  readonly returning?: true;
};

/** Forward-only: migration n brings schema version n - 1 to n. In ascending order; never edited once released. */
export type Migration = { readonly version: number; readonly sql: string };

/** Why a file could not be opened. The message is for the operator: it names the file and says what to do. */
export type OpenFailure = {
  readonly type:
    | "locked"
    | "newer-schema"
    | "corrupt"
    /** It was there and is not, or is empty. */
    | "lost"
    /** It belongs to another program, or is another kind of store. */
    | "foreign"
    | "hard-linked"
    | "no-space"
    | "inaccessible";
  readonly message: string;
};

/** One durable write of the file. */
export type Flush = {
  /** How many batches were applied by it. */
  readonly batches: number;
  /** In the writer thread, from the first statement to the end of the fsync. */
  readonly tookMs: DurationMs;
};

/** One SQLite file: a writer in a worker thread with group commit, a reader on this thread. */
export interface SqliteEngine extends StoreHealth, StoreAge {
  /**
   * Atomic and durable before it resolves. All batches that wait while a flush is written go into the next one; a failed expectation
   * rejects its own batch only, with the statement's `conflict`. Answers with the rows of each `returning` statement, in order.
   * Throws only for a defect: a statement that is wrong in itself.
   */
  apply<Conflict = string>(
    batch: readonly Statement<Conflict>[],
  ): Promise<Result<readonly (readonly Row[])[], WriteFailure<Conflict>>>;
  /**
   * Reads the last durable state on this thread: for point reads and bounded pages only. Throws a StorageUnavailableError if the file
   * is damaged or closed.
   */
  read(sql: string, ...params: SqlValue[]): Row[];
  /** As `read`, up to and with the first row of which this is true: it is asked of each one, in order. */
  readUntil(isEnough: (row: Row) => boolean, sql: string, ...params: SqlValue[]): Row[];
  /** Called after each durable flush, before its batches are acknowledged. Returns the unsubscribe function. */
  onFlush(listener: (flush: Flush) => void): () => void;
  /** Flushes what is queued, then closes writer, reader and lock. */
  close(): Promise<void>;
}

/** What a file is for, and what is in it. */
export type StoreSchema = { readonly kind: StoreKind; readonly migrations: readonly Migration[] };

/** Which store it is, and how far it has come. */
export type WriteMark = { readonly kind: StoreKind; readonly id: string; readonly writes: number };

/** One of the stores that are served together: where it lies, and what stands in it, of itself and of others. */
export type MarkedStore = { readonly path: string; readonly kind: StoreKind; readonly marks: readonly WriteMark[] };

/** Two stores that do not belong together, for the operator. */
export type Mismatch = {
  readonly message: string;
  /** Nothing hangs on the store that is at fault: it may go on with what it has. */
  readonly isMinor: boolean;
};

/** The stores that one process serves. Until `begin` their writes say nothing of each other, so that what does not fit goes on to show. */
export interface StoreSet {
  join(store: MarkedStore): Membership;
  mismatches(): readonly Mismatch[];
  begin(): void;
}

export interface Membership {
  /** What the next write says besides. The last one answers with its rows. */
  statements(): readonly Statement<never>[];
  /** That write is durable, and has answered with these rows. */
  written(rows: readonly Row[]): void;
}

/** What every kind of store is opened with. */
export type StoreOptions = {
  readonly path: string;
  /** The stores that it is served with. */
  readonly set?: StoreSet | undefined;
  /** Called as the first of those that the engine has. */
  readonly onFlush?: ((flush: Flush) => void) | undefined;
};

export type OpenOptions = StoreSchema &
  StoreOptions & {
    /** Does not wait for the lock: only for a store whose every write is fenced. */
    readonly takeOver?: boolean;
    /** For tests of a full disk: SQLite refuses to grow the file beyond this. */
    readonly pageCountMax?: number;
  };

export type OpenSqlite = (options: OpenOptions) => Promise<Result<SqliteEngine, OpenFailure>>;
