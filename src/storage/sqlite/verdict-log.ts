import type { WorkflowId } from "../../kernel/ids.ts";
import type { WorkflowState } from "../../kernel/lifecycle.ts";
import { isEmpty } from "../../kernel/range.ts";
import { ok, type Result } from "../../kernel/result.ts";
import type { Check, ShadowDifference } from "../../predicate/core/types.ts";
import type { VerdictLog } from "../../predicate/ports.ts";
import { type Decided, judgementOf, rulesIn, type VerdictRecord, wasAsked } from "../../predicate/verdict-record.ts";
import { openSqlite } from "./engine.ts";
import { checkOf } from "./rule-rows.ts";
import { type Condition, conditions, highest, listed, lowest, nothing, onlyChoice, scan, smallest, values } from "./scan.ts";
import type { Migration, OpenFailure, Row, SqliteEngine, SqlValue, Statement, StoreOptions, StoreSchema } from "./statement.ts";

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE verdicts (
        -- Never used again.
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        judged_at_ms INTEGER NOT NULL,
        workflow_id TEXT NOT NULL,
        workflow_type TEXT NOT NULL,
        from_state TEXT NOT NULL,
        to_state TEXT NOT NULL,
        requested_by TEXT NOT NULL,
        judgement TEXT NOT NULL,
        rule_set_revision INTEGER NOT NULL,
        -- Who has said something: an array of ids.
        rules TEXT NOT NULL,
        verdict TEXT NOT NULL,
        violations_omitted INTEGER NOT NULL,
        input_digest TEXT NOT NULL,
        input TEXT
      ) STRICT;
      CREATE INDEX verdicts_by_workflow ON verdicts (workflow_id, sequence);
      CREATE INDEX verdicts_by_age ON verdicts (judged_at_ms)`,
  },
  {
    version: 2,
    sql: "ALTER TABLE verdicts ADD COLUMN authenticated_as TEXT NOT NULL DEFAULT ''",
  },
];

export const verdictSchema: StoreSchema = { kind: "verdicts", migrations };

export async function openSqliteVerdictLog(
  options: StoreOptions & {
    /** For tests of a full disk. */
    readonly pageCountMax?: number;
  },
): Promise<Result<VerdictLog, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...verdictSchema });
  return opened.ok ? ok(sqliteVerdictLog(opened.value)) : opened;
}

/** On an engine that is open. */
export function sqliteVerdictLog(engine: SqliteEngine): VerdictLog {
  return {
    keptBeforeMs: engine.keptBeforeMs,
    async append(records) {
      const written = await engine.apply<never>(records.map(insertStatement));
      return written.ok ? ok(undefined) : written;
    },
    list: async (page) => list(engine, page),
    usedBytes: () => Number(engine.read(selectUsedBytes)[0]?.["bytes"]),
    async drop({ olderThanMs, limit }) {
      const oldest =
        olderThanMs === undefined ? { sql: deleteOldest, params: [limit] } : { sql: deleteOlder, params: [olderThanMs, limit] };
      const dropped = await engine.apply<never>([{ ...oldest, returning: true }]);
      return dropped.ok ? ok(dropped.value.flat().length) : dropped;
    },
    close: engine.close,
  };
}

const insert = `INSERT INTO verdicts (judged_at_ms, workflow_id, workflow_type, from_state, to_state, requested_by, judgement,
    rule_set_revision, rules, verdict, violations_omitted, input_digest, input, authenticated_as)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Without the pages that are free for what comes next. */
const selectUsedBytes = `SELECT (page_count - freelist_count) * page_size AS bytes
  FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`;

const deleteOldest = `DELETE FROM verdicts WHERE sequence IN (SELECT sequence FROM verdicts ORDER BY sequence LIMIT ?) RETURNING 1`;

const deleteOlder = `DELETE FROM verdicts WHERE sequence IN
  (SELECT sequence FROM verdicts WHERE judged_at_ms < ? ORDER BY judged_at_ms LIMIT ?) RETURNING 1`;

const insertStatement = (record: Omit<VerdictRecord, "sequence">): Statement<never> => ({
  sql: insert,
  params: [
    record.judgedAtMs,
    record.workflowId,
    record.workflowType,
    record.fromState,
    record.toState,
    record.requestedBy,
    judgementOf(record.verdict),
    record.verdict.ruleSetRevision,
    JSON.stringify(rulesIn(record.verdict)),
    JSON.stringify(record.verdict),
    record.violationsOmitted,
    record.inputDigest,
    record.input === undefined ? null : JSON.stringify(record.input),
    record.authenticatedAs,
  ],
});

function list(engine: SqliteEngine, { beforeSequence, limit, wanted }: Parameters<VerdictLog["list"]>[0]) {
  const { ranges, ruleId } = wanted;
  if (Object.values(ranges).some(isEmpty)) return nothing;
  const { sequence, workflowId } = ranges;
  const oneWorkflow = wanted.workflowId ?? onlyChoice(workflowId);
  const stretch = scan(engine, {
    table: "verdicts",
    key: "sequence",
    first: lowest(sequence).reduce<number>((a, b) => Math.max(a, b ?? a), 0),
    last: smallest((beforeSequence ?? Number.MAX_SAFE_INTEGER) - 1, highest(sequence)),
    always: oneWorkflow === undefined ? { sql: "true", params: [] } : { sql: "workflow_id = ?", params: [oneWorkflow] },
    known: both(
      conditions({
        sequence: listed(sequence),
        workflow_id: workflowId,
        judged_at_ms: ranges.judgedAtMs,
        judgement: ranges.judgement,
        workflow_type: ranges.workflowType,
        from_state: ranges.fromState,
        to_state: ranges.toState,
        requested_by: ranges.requestedBy,
        authenticated_as: ranges.authenticatedAs,
        rule_set_revision: ranges.ruleSetRevision,
      }),
      ruleId === undefined ? undefined : { sql: "EXISTS (SELECT 1 FROM json_each(rules) WHERE value = ?)", params: [ruleId] },
    ),
    limit,
    descending: true,
  });
  return values(stretch, toRecord, (record) => record.sequence);
}

function both(one: Condition | undefined, other: Condition | undefined): Condition | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return { sql: `${one.sql} AND ${other.sql}`, params: [...one.params, ...other.params] };
}

const toRecord = (row: Row): VerdictRecord => ({
  sequence: Number(row["sequence"]),
  judgedAtMs: Number(row["judged_at_ms"]),
  verdict: toVerdict(row["verdict"]),
  violationsOmitted: Number(row["violations_omitted"]),
  workflowId: row["workflow_id"] as WorkflowId,
  workflowType: row["workflow_type"] as string,
  fromState: row["from_state"] as WorkflowState,
  toState: row["to_state"] as WorkflowState,
  requestedBy: row["requested_by"] as string,
  authenticatedAs: row["authenticated_as"] as string,
  inputDigest: row["input_digest"] as string,
  input: typeof row["input"] === "string" ? checkOf(JSON.parse(row["input"]) as Check) : undefined,
});

/** JSON drops what is undefined; the types name it. */
function toVerdict(json: SqlValue | undefined): Decided {
  const verdict = JSON.parse(json as string) as Decided;
  if (!wasAsked(verdict)) return verdict;
  const shadows = verdict.shadows.map(
    (shadow): ShadowDifference => ({ ...shadow, activeVersion: shadow.activeVersion, violation: shadow.violation }),
  );
  return { ...verdict, shadows };
}
