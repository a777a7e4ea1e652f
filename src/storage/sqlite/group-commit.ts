import type { StatementSync } from "node:sqlite";
import type { DurationMs } from "../../kernel/time.ts";
import { DisplacedError } from "./file-identity.ts";
import { damagedMessage, isCorruptError, isDuplicateKey, isEnvironmentError, isFull, messageOf } from "./sqlite-error.ts";
import type { Row } from "./statement.ts";
import type { BatchOutcome, FlushReply, FlushRequest, WireStatement } from "./writer-messages.ts";

type Prepare = (sql: string) => Pick<StatementSync, "run" | "all">;

/** What a flush writes into. */
export type FlushTarget = {
  readonly path: string;
  monotonicMs(): DurationMs;
  /** A connection that may be written with: a new one, if there is none. Throws if there can be none. */
  connect(): Prepare;
  /** Says how large the write-ahead log is after the commit. Throws if what was committed is not in the store. */
  checkCommit(): number;
  /** Rolls back what is open. */
  disconnect(): void;
};

/** One transaction on the disk for all batches; each batch stands or falls alone within it. */
export function flush(target: FlushTarget, { sql, batches, marks }: FlushRequest): FlushReply {
  let committing = false;
  const startedMs = target.monotonicMs();
  try {
    const prepare = target.connect();
    prepare("BEGIN IMMEDIATE").run();
    const outcomes = batches.map((batch) => applyBatch(prepare, sql, batch));
    // What changes nothing is not written, and so costs no sync.
    const isChanged = outcomes.some(({ type }) => type === "applied");
    const marked = isChanged && marks.length > 0 ? applyBatch(prepare, sql, marks) : undefined;
    committing = true;
    prepare("COMMIT").run();
    const walBytes = target.checkCommit();
    return { type: "flushed", outcomes, marked, tookMs: target.monotonicMs() - startedMs, walBytes };
  } catch (error) {
    // A full disk fails a write of the commit, which then is no commit. After any other error of COMMIT the frames may or may not
    // have reached the disk, and what a failed fsync leaves behind is unknown: start over with a new connection.
    target.disconnect();
    const isCorrupt = isCorruptError(error);
    return {
      type: "failed",
      cause: isCorrupt ? damagedMessage(target.path, messageOf(error)) : messageOf(error),
      outcomeUnknown: committing && !isFull(error),
      final: isCorrupt || error instanceof DisplacedError,
    };
  }
}

function applyBatch(prepare: Prepare, sql: readonly string[], batch: readonly WireStatement[]): BatchOutcome {
  prepare("SAVEPOINT batch").run();
  const outcome = runStatements(prepare, sql, batch);
  if (outcome.type !== "applied") prepare("ROLLBACK TO batch").run();
  prepare("RELEASE batch").run();
  return outcome;
}

/** Throws what ends the whole flush. */
function runStatements(prepare: Prepare, sql: readonly string[], batch: readonly WireStatement[]): BatchOutcome {
  const rows: (readonly Row[])[] = [];
  for (const [index, [text, params, expected, returning]] of batch.entries()) {
    try {
      const statement = prepare(sql[text] ?? "");
      let changes: number | bigint;
      if (returning) {
        const returned = statement.all(...params) as Row[];
        rows.push(returned);
        changes = returned.length;
      } else changes = statement.run(...params).changes;
      if (expected !== undefined && changes !== expected) return { type: "conflict", statement: index };
    } catch (error) {
      if (isEnvironmentError(error)) throw error;
      if (expected !== undefined && isDuplicateKey(error)) return { type: "conflict", statement: index };
      return { type: "defect", message: `${messageOf(error)} in: ${sql[text]}` };
    }
  }
  return { type: "applied", rows };
}
