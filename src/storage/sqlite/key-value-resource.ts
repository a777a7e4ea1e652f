import { z } from "zod";
import type { ResourceVote } from "../../commit/core/participant-step.ts";
import type { Resource, Work } from "../../commit/ports.ts";
import { assert } from "../../kernel/assert.ts";
import type { TransactionId } from "../../kernel/ids.ts";
import type { Json } from "../../kernel/json.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { openSqlite } from "./engine.ts";
import type { Migration, OpenFailure, Row, SqliteEngine, Statement, StoreSchema } from "./statement.ts";

/** Long enough for any name; short enough for an index. */
const keyLengthMax = 512;

/** One transaction is one flush. */
const operationCountMax = 1_000;

const json: z.ZodType<Json> = z.json();
const key = z.string().min(1).max(keyLengthMax);

const operationSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("put"), key, value: json, ifAbsent: z.boolean().optional() }),
  z.strictObject({ type: z.literal("delete"), key }),
  z.strictObject({ type: z.literal("add"), key, amount: z.int(), notBelow: z.int().optional() }),
]);

const payloadSchema = z
  .array(operationSchema)
  .max(operationCountMax)
  .refine((operations) => new Set(operations.map((each) => each.key)).size === operations.length, "names a key twice");

/**
 * What a transaction does, each key at most once. `put` replaces, or with `ifAbsent` refuses what is there; `delete` also succeeds for what
 * is not there; `add` takes whole numbers, an absent key as 0, and with `notBelow` refuses a smaller result.
 */
export type KeyValueOperation = z.infer<typeof operationSchema>;

/** The payload of a transaction: a JSON array. */
export function encodeOperations(operations: readonly KeyValueOperation[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(payloadSchema.parse(operations)));
}

export type KeyValueEntry = { readonly key: string; readonly value: Json };

export type KeyValueResource = Required<Resource> & {
  /** As of the last commit; what is prepared is not seen. */
  get(key: string): Json | undefined;
  /** In the order of the keys, those after `afterKey` that begin with `prefix`, at most `limit`. */
  list(page: { readonly prefix?: string; readonly afterKey?: string; readonly limit: number }): readonly KeyValueEntry[];
  /** After the participant's own `close`. What is prepared stays prepared. */
  close(): Promise<void>;
};

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
      CREATE TABLE promises (transaction_id TEXT PRIMARY KEY) STRICT;
      CREATE TABLE held_keys (key TEXT PRIMARY KEY, transaction_id TEXT NOT NULL) STRICT;
      CREATE INDEX held_keys_by_transaction ON held_keys (transaction_id)`,
  },
  {
    version: 2,
    sql: `
      -- What is promised already names no log, so it belongs to none that there is.
      ALTER TABLE promises ADD COLUMN log_id TEXT NOT NULL DEFAULT '';
      -- What is promised is kept with the promise: a log has no payload any more of what it has as committed.
      ALTER TABLE promises ADD COLUMN payload BLOB NOT NULL DEFAULT x'';
      -- Written with the commit, so a promise that is missing was kept exactly if its receipt is there.
      CREATE TABLE receipts (
        log_id TEXT NOT NULL, transaction_id TEXT NOT NULL, recorded_at_ms INTEGER NOT NULL, PRIMARY KEY (log_id, transaction_id)
      ) STRICT, WITHOUT ROWID`,
  },
];

export const keyValueSchema: StoreSchema = { kind: "key-value", migrations };

/** A store of JSON values that takes part in transactions. A key is held from the vote to the decision: others that want it are refused. */
export async function openKeyValueResource(options: { readonly path: string }): Promise<Result<KeyValueResource, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...keyValueSchema });
  return opened.ok ? ok(sqliteKeyValueResource(opened.value)) : opened;
}

/** On an engine that is open. */
export function sqliteKeyValueResource(engine: SqliteEngine): KeyValueResource {
  /** Resolves to what it conflicts with, if it does. */
  async function write(batch: readonly Statement[]): Promise<string | undefined> {
    const applied = await engine.apply(batch);
    if (applied.ok) return undefined;
    if (applied.error.type === "conflict") return applied.error.conflict;
    throw new Error(applied.error.cause);
  }

  const get = (of: string): Json | undefined => engine.read("SELECT value FROM entries WHERE key = ?", of).map(toValue)[0];

  async function abort({ transactionId, logId }: Work): Promise<void> {
    if (isCommitted(transactionId, logId)) {
      throw new Error(`transaction ${transactionId} is to be aborted, but has a receipt: it is committed here`);
    }
    await write(endPromise(transactionId, logId));
  }

  return {
    async prepare(asked) {
      const { transactionId, payload, logId } = asked;
      const parsed = decodeOperations(payload);
      if (!parsed.ok) return refuse(parsed.error);
      if (parsed.value.length === 0) return { value: "read-only", reason: "" };
      if (isCommitted(transactionId, logId)) return refuse("it is committed already");
      const conflict = await write([promise(asked), ...parsed.value.map((operation) => hold(operation.key, transactionId))]);
      if (conflict !== undefined) return refuse(conflict);
      // The keys are held, so what is read now is what a commit will find.
      for (const operation of parsed.value) {
        const result = resultOf(operation, get(operation.key));
        if (result.ok) continue;
        await abort(asked);
        return refuse(result.error);
      }
      return { value: "commit", reason: "" };
    },

    async commit({ transactionId, logId }) {
      const [promised] = engine.read(
        "SELECT payload FROM promises WHERE transaction_id = ? AND log_id = ?",
        transactionId,
        logId,
      );
      if (promised === undefined) {
        if (isCommitted(transactionId, logId)) return undefined;
        return { lost: "the store has neither its promise nor its receipt: it was restored from a backup, or changed by hand" };
      }
      const parsed = decodeOperations(promised["payload"] as Uint8Array);
      assert(parsed.ok, "only what could be read is promised");
      const changes = parsed.value.map((operation) => {
        const result = resultOf(operation, get(operation.key));
        assert(result.ok, "what was checked with its keys held still holds");
        return store(operation.key, result.value);
      });
      await write([...endPromise(transactionId, logId), writeReceipt(transactionId, logId), ...changes]);
      return undefined;
    },

    abort,
    prepared: async (logId) =>
      engine
        .read("SELECT transaction_id FROM promises WHERE log_id = ?", logId)
        .map((row) => row["transaction_id"] as TransactionId),
    foreign: async (logId) =>
      engine.read("SELECT transaction_id, log_id FROM promises WHERE log_id <> ?", logId).map((row) => ({
        promise: row["transaction_id"] as string,
        log: row["log_id"] as string,
        remedy:
          "start its participant with this log; or, if that is lost, stop this process, do by hand what was decided, and delete its rows " +
          "from the store's tables held_keys and promises",
      })),
    async forget({ logId, recordedBeforeMs, keep, limit }) {
      const params = [logId, recordedBeforeMs, JSON.stringify(keep), limit];
      const applied = await engine.apply<never>([{ sql: purgeReceipts, params, returning: true }]);
      if (!applied.ok) throw new Error(applied.error.type === "conflict" ? "conflict" : applied.error.cause);
      return applied.value[0]?.length ?? 0;
    },
    get,
    list: ({ prefix = "", afterKey = "", limit }) =>
      // U+10FFFF is no character, so no key has it after the prefix.
      engine
        .read(
          "SELECT key, value FROM entries WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
          ...[afterKey, prefix, `${prefix}\u{10ffff}`, limit],
        )
        .map((row) => ({ key: row["key"] as string, value: toValue(row) })),
    close: () => engine.close(),
  };

  function isCommitted(transactionId: TransactionId, logId: string): boolean {
    return engine.read("SELECT 1 FROM receipts WHERE log_id = ? AND transaction_id = ?", logId, transactionId).length > 0;
  }
}

function decodeOperations(payload: Uint8Array): Result<readonly KeyValueOperation[], string> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return err("the payload is not JSON");
  }
  const parsed = payloadSchema.safeParse(value);
  return parsed.success ? ok(parsed.data) : err(`the payload is no list of operations: ${z.prettifyError(parsed.error)}`);
}

/** What is stored after it; undefined: nothing. */
function resultOf(operation: KeyValueOperation, current: Json | undefined): Result<Json | undefined, string> {
  const name = JSON.stringify(operation.key);
  switch (operation.type) {
    case "put":
      return operation.ifAbsent === true && current !== undefined ? err(`${name} is there already`) : ok(operation.value);
    case "delete":
      return ok(undefined);
    case "add": {
      const { amount, notBelow } = operation;
      const before = current === undefined ? 0 : current;
      const sum = typeof before === "number" ? before + amount : Number.NaN;
      if (!Number.isSafeInteger(sum)) return err(`${name} is no whole number, or becomes too large`);
      return notBelow !== undefined && sum < notBelow ? err(`${name} would be ${sum}, below ${notBelow}`) : ok(sum);
    }
  }
}

const promise = ({ transactionId, logId, payload }: Work): Statement => ({
  sql: "INSERT INTO promises (transaction_id, log_id, payload) VALUES (?, ?, ?)",
  params: [transactionId, logId, payload],
  expect: { changes: 1, conflict: "it is prepared already" },
});

const hold = (heldKey: string, transactionId: TransactionId): Statement => ({
  sql: "INSERT INTO held_keys (key, transaction_id) VALUES (?, ?)",
  params: [heldKey, transactionId],
  expect: { changes: 1, conflict: `${JSON.stringify(heldKey)} is held by another transaction` },
});

/** Not another log's promise of the same transaction. */
const endPromise = (transactionId: TransactionId, logId: string): readonly Statement[] => [
  {
    sql: "DELETE FROM held_keys WHERE transaction_id = (SELECT transaction_id FROM promises WHERE transaction_id = ? AND log_id = ?)",
    params: [transactionId, logId],
  },
  { sql: "DELETE FROM promises WHERE transaction_id = ? AND log_id = ?", params: [transactionId, logId] },
];

const writeReceipt = (transactionId: TransactionId, logId: string): Statement => ({
  sql: "INSERT INTO receipts (log_id, transaction_id, recorded_at_ms) VALUES (?, ?, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
  params: [logId, transactionId],
});

const purgeReceipts = `DELETE FROM receipts WHERE (log_id, transaction_id) IN (
    SELECT log_id, transaction_id FROM receipts
    WHERE log_id = ? AND recorded_at_ms < ? AND transaction_id NOT IN (SELECT value FROM json_each(?)) LIMIT ?)
  RETURNING transaction_id`;

const store = (of: string, value: Json | undefined): Statement =>
  value === undefined
    ? { sql: "DELETE FROM entries WHERE key = ?", params: [of] }
    : {
        sql: "INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        params: [of, JSON.stringify(value)],
      };

const toValue = (row: Row): Json => JSON.parse(row["value"] as string) as Json;

const refuse = (reason: string): ResourceVote => ({ value: "abort", reason });
