import type { DurationMs } from "../../kernel/time.ts";
import type { FileIdentity } from "./file-identity.ts";
import type { OpenFailure, Row, SqlValue, Statement, StoreSchema } from "./statement.ts";

/** What crosses the thread boundary. Copied by value, so it is kept small: each distinct SQL text goes once per flush. */

export type WriterOptions = StoreSchema & {
  readonly path: string;
  readonly pageCountMax: number | undefined;
  /** The files as they were opened first, if they were: a writer that follows another one opens no others. */
  readonly files?: readonly FileIdentity[];
};

/** A tuple, not an object: keys would be copied with every statement. `sql` is an index into the flush's texts. */
export type WireStatement = readonly [sql: number, params: readonly SqlValue[], changes: number | undefined, returning: boolean];

export type FlushRequest = {
  readonly type: "flush";
  readonly sql: readonly string[];
  readonly batches: readonly (readonly WireStatement[])[];
  /** Written behind them, unless all are refused. */
  readonly marks: readonly WireStatement[];
};

export type WriterRequest = FlushRequest | { readonly type: "truncate-wal" } | { readonly type: "close" };

export type BatchOutcome =
  | { readonly type: "applied"; readonly rows: readonly (readonly Row[])[] }
  /** The statement whose expectation does not hold. */
  | { readonly type: "conflict"; readonly statement: number }
  /** The statement is wrong: a defect of the program. */
  | { readonly type: "defect"; readonly message: string };

export type FlushReply =
  | {
      readonly type: "flushed";
      readonly outcomes: readonly BatchOutcome[];
      /** Of the marks, if they were written. */
      readonly marked: BatchOutcome | undefined;
      readonly tookMs: DurationMs;
      readonly walBytes: number;
    }
  | {
      readonly type: "failed";
      readonly cause: string;
      readonly outcomeUnknown: boolean;
      /** The file is damaged or gone: nothing may be written any more. */
      readonly final: boolean;
    };

export type WriterReply =
  | { readonly type: "opened"; readonly files: readonly FileIdentity[]; readonly walBytes: number }
  | { readonly type: "open-failed"; readonly failure: OpenFailure }
  | { readonly type: "wal-truncated"; readonly walBytes: number }
  | { readonly type: "closed" }
  | FlushReply;

export function encodeFlush(
  batches: readonly (readonly Statement<unknown>[])[],
  marks: readonly Statement<unknown>[] = [],
): FlushRequest {
  const indexes = new Map<string, number>();
  const encode = ({ sql, params, expect, returning }: Statement<unknown>): WireStatement => {
    const index = indexes.get(sql) ?? indexes.size;
    indexes.set(sql, index);
    return [index, params.map(detach), expect?.changes, returning === true];
  };
  const encoded = batches.map((batch) => batch.map(encode));
  const encodedMarks = marks.map(encode);
  return { type: "flush", sql: [...indexes.keys()], batches: encoded, marks: encodedMarks };
}

/** Copying a view copies its whole buffer, which for a small Buffer is Node's shared pool. */
const detach = (value: SqlValue): SqlValue =>
  value instanceof Uint8Array && value.byteLength !== value.buffer.byteLength ? value.slice() : value;
