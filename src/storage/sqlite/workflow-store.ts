import { assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { NewWorkflowEvent, WorkflowEvent } from "../../workflow/core/types.ts";
import type { Warnings } from "../../workflow/core/warnings.ts";
import type {
  TransactionOutcome,
  WorkflowBatch,
  WorkflowConflict,
  WorkflowCounts,
  WorkflowPut,
  WorkflowStore,
} from "../../workflow/ports.ts";
import { openSqlite } from "./engine.ts";
import { openFailure } from "./sqlite-error.ts";
import type { Migration, OpenFailure, Row, SqliteEngine, SqlValue, Statement } from "./statement.ts";
import { listEvents, listWorkflows } from "./workflow-lists.ts";
import { parseWorkflow, selectWithLastEvent, toEvent, toWorkflow, toWorkflowWithLastEvent } from "./workflow-rows.ts";

export const workflowMigrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE workflows (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        previous_state TEXT,
        version INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        retry_count INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        hold TEXT,
        held_by TEXT GENERATED ALWAYS AS (hold ->> '$.transactionId'),
        recovering INTEGER NOT NULL GENERATED ALWAYS AS
          (state = 'FAILED' AND coalesce(hold ->> '$.move.targetState' = 'ACTIVE', 0))
      ) STRICT;
      CREATE INDEX workflows_held ON workflows (held_by) WHERE held_by IS NOT NULL;

      -- A rowid is the largest one plus 1, and a rolled back insert leaves none: gapless while the newest event is never deleted.
      CREATE TABLE events (
        sequence INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        type TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT NOT NULL,
        version INTEGER NOT NULL,
        occurred_at_ms INTEGER NOT NULL,
        retry_count INTEGER NOT NULL,
        reason TEXT NOT NULL,
        requested_by TEXT NOT NULL,
        rule_set_revision INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        transaction_id TEXT
      ) STRICT;
      CREATE INDEX events_of_workflow ON events (workflow_id);

      CREATE TABLE answers (
        request_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        workflow TEXT NOT NULL,
        event_sequence INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX answers_by_age ON answers (at_ms);

      CREATE TABLE outcomes (
        transaction_id TEXT PRIMARY KEY,
        coordinator_id TEXT NOT NULL,
        outcome TEXT NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX aborted_outcomes_by_age ON outcomes (at_ms) WHERE outcome = 'aborted';

      -- One row, kept by the triggers below.
      CREATE TABLE counters (
        workflows INTEGER NOT NULL,
        events INTEGER NOT NULL,
        held INTEGER NOT NULL,
        recovering INTEGER NOT NULL,
        created INTEGER NOT NULL,
        active INTEGER NOT NULL,
        paused INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        cancelled INTEGER NOT NULL
      ) STRICT;
      INSERT INTO counters VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

      CREATE TRIGGER count_new_workflow AFTER INSERT ON workflows BEGIN
        UPDATE counters SET
          workflows = workflows + 1,
          held = held + (new.held_by IS NOT NULL),
          recovering = recovering + new.recovering,
          created = created + (new.state = 'CREATED'),
          active = active + (new.state = 'ACTIVE'),
          paused = paused + (new.state = 'PAUSED'),
          completed = completed + (new.state = 'COMPLETED'),
          failed = failed + (new.state = 'FAILED'),
          cancelled = cancelled + (new.state = 'CANCELLED');
      END;
      CREATE TRIGGER count_changed_workflow AFTER UPDATE OF state, hold ON workflows BEGIN
        UPDATE counters SET
          held = held + (new.held_by IS NOT NULL) - (old.held_by IS NOT NULL),
          recovering = recovering + new.recovering - old.recovering,
          created = created + (new.state = 'CREATED') - (old.state = 'CREATED'),
          active = active + (new.state = 'ACTIVE') - (old.state = 'ACTIVE'),
          paused = paused + (new.state = 'PAUSED') - (old.state = 'PAUSED'),
          completed = completed + (new.state = 'COMPLETED') - (old.state = 'COMPLETED'),
          failed = failed + (new.state = 'FAILED') - (old.state = 'FAILED'),
          cancelled = cancelled + (new.state = 'CANCELLED') - (old.state = 'CANCELLED');
      END;
      CREATE TRIGGER count_event AFTER INSERT ON events BEGIN
        UPDATE counters SET events = events + 1;
      END`,
  },
  { version: 2, sql: "CREATE TABLE coordinators (id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT" },
  { version: 3, sql: "ALTER TABLE coordinators ADD COLUMN claim_id TEXT NOT NULL DEFAULT ''" },
  {
    version: 4,
    sql: `
      ALTER TABLE workflows ADD COLUMN workflow_type TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflows ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflows ADD COLUMN updated_by TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflows ADD COLUMN state_entered_at_ms INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE events ADD COLUMN workflow_type TEXT NOT NULL DEFAULT '';
      CREATE INDEX workflows_of_type ON workflows (workflow_type, id) WHERE workflow_type <> '';

      -- Until now, each change was a creation or a move.
      UPDATE workflows SET
        created_by = coalesce((SELECT requested_by FROM events
          WHERE workflow_id = workflows.id AND type = 'CREATED' ORDER BY sequence LIMIT 1), ''),
        updated_by = coalesce((SELECT requested_by FROM events
          WHERE workflow_id = workflows.id ORDER BY sequence DESC LIMIT 1), ''),
        state_entered_at_ms = updated_at_ms;
      UPDATE answers SET workflow = json_set(workflow,
        '$.type', '',
        '$.createdBy', coalesce((SELECT created_by FROM workflows WHERE id = workflow ->> '$.id'), ''),
        '$.updatedBy', coalesce((SELECT requested_by FROM events WHERE sequence = event_sequence), ''),
        '$.stateEnteredAtMs', workflow -> '$.updatedAtMs')`,
  },
  {
    version: 5,
    sql: `
      -- NULL: none.
      ALTER TABLE events ADD COLUMN warnings TEXT;
      UPDATE workflows SET hold = json_set(hold, '$.warnings', json('{"first":[],"omitted":0}')) WHERE hold IS NOT NULL`,
  },
];

type Conflict = WorkflowConflict | { readonly type: "other-outcome" };

export async function openSqliteWorkflowStore(options: {
  readonly path: string;
  /** For tests of a full disk. */
  readonly pageCountMax?: number;
}): Promise<Result<WorkflowStore, OpenFailure>> {
  const opened = await openSqlite({ ...options, kind: "workflows", migrations: workflowMigrations });
  if (!opened.ok) return opened;
  try {
    return ok(workflowStore(opened.value));
  } catch (error) {
    await opened.value.close();
    return err(openFailure(options.path, error));
  }
}

function workflowStore(engine: SqliteEngine): WorkflowStore {
  const appendListeners = new Set<(newest: number) => void>();
  let told = newestSequence(engine);
  engine.onFlush(() => {
    const newest = readable(() => newestSequence(engine)) ?? told;
    if (newest === told) return;
    told = newest;
    for (const listener of appendListeners) listener(newest);
  });

  return {
    get writable() {
      return engine.writable;
    },
    onWritableChange: engine.onWritableChange,
    keptBeforeMs: engine.keptBeforeMs,
    get: async (id) => engine.read("SELECT * FROM workflows WHERE id = ?", id).map(toWorkflow)[0],
    getWithLastEvent: async (id) => engine.read(selectWithLastEvent, id).map(toWorkflowWithLastEvent)[0],
    list: async (page) => listWorkflows(engine, page),
    listEvents: async (page) => listEvents(engine, page),
    sequences: async () => {
      const [row] = engine.read(selectSequences);
      return { oldest: Number(row?.["oldest"]), newest: Number(row?.["newest"]) };
    },
    counts: async () => toCounts(engine.read("SELECT * FROM counters")[0]),
    answer: async (requestId) => {
      const [row] = engine.read(selectAnswer, requestId);
      return row && { digest: row["digest"] as string, workflow: parseWorkflow(row["workflow"] as string), event: toEvent(row) };
    },
    outcome: async (transactionId) => {
      const [row] = engine.read("SELECT outcome, coordinator_id FROM outcomes WHERE transaction_id = ?", transactionId);
      return (
        row && {
          transactionId,
          coordinatorId: row["coordinator_id"] as string,
          outcome: row["outcome"] as TransactionOutcome,
        }
      );
    },
    coordinators: async () =>
      engine.read("SELECT id, epoch, claim_id FROM coordinators").map((row) => ({
        coordinatorId: row["id"] as string,
        coordinatorEpoch: Number(row["epoch"]),
        claimId: row["claim_id"] as string,
      })),
    heldBy: async (transactionId) => engine.read("SELECT * FROM workflows WHERE held_by = ?", transactionId).map(toWorkflow)[0],
    held: async ({ afterId, limit }) =>
      engine.read("SELECT * FROM workflows WHERE held_by > ? ORDER BY held_by LIMIT ?", afterId ?? "", limit).map(toWorkflow),
    apply: async (batch) => {
      const applied = await engine.apply(statements(batch));
      if (applied.ok) return ok(storedEvents(batch.events, applied.value));
      if (applied.error.type === "storage-unavailable") return err(applied.error);
      const { conflict } = applied.error;
      assert(conflict.type !== "other-outcome", "a transaction has one outcome");
      return err({ type: "conflict", conflict });
    },
    onAppend: (listener) => {
      appendListeners.add(listener);
      return () => appendListeners.delete(listener);
    },
    purge: async ({ olderThanMs, limit }) => {
      const params = [olderThanMs, limit];
      const purged = await engine.apply<never>([
        { sql: purgeAnswers, params, returning: true },
        { sql: purgeOutcomes, params, returning: true },
      ]);
      return purged.ok ? ok(purged.value.flat().length) : purged;
    },
    close: () => engine.close(),
  };
}

const newestSequence = (engine: SqliteEngine): number => Number(engine.read(selectNewest)[0]?.["newest"]);

/** A damaged file must not keep a flush from being acknowledged; the next read or write reports it. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

const selectNewest = "SELECT coalesce(max(sequence), 0) AS newest FROM events";

// Two queries: min and max in one would scan the table.
const selectSequences = `SELECT
  coalesce((SELECT min(sequence) FROM events), 0) AS oldest,
  coalesce((SELECT max(sequence) FROM events), 0) AS newest`;

const selectAnswer = `SELECT events.*, digest, workflow
  FROM answers JOIN events ON events.sequence = answers.event_sequence WHERE request_id = ?`;

const insertWorkflow = `INSERT INTO workflows
  (state, previous_state, version, created_at_ms, updated_at_ms, updated_by, state_entered_at_ms, retry_count, metadata, hold, id,
   workflow_type, created_by)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const updateWorkflow = `UPDATE workflows
  SET state = ?, previous_state = ?, version = ?, created_at_ms = ?, updated_at_ms = ?, updated_by = ?, state_entered_at_ms = ?,
      retry_count = ?, metadata = ?, hold = ?
  WHERE id = ? AND version = ? AND held_by IS ?`;

const checkLimit = "SELECT 1 FROM counters WHERE workflows <= ?";

const insertEvent = `INSERT INTO events
  (id, workflow_id, type, from_state, to_state, version, occurred_at_ms, retry_count, reason, requested_by, rule_set_revision,
   metadata, transaction_id, workflow_type, warnings)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING sequence`;

const insertAnswer = `INSERT INTO answers (request_id, digest, workflow, event_sequence, at_ms)
  VALUES (?, ?, ?, (SELECT coalesce(max(sequence), 0) + 1 FROM events), ?)`;

// A repeated outcome changes nothing, another one is no outcome.
const insertOutcome = `INSERT INTO outcomes (transaction_id, coordinator_id, outcome, at_ms) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET outcome = outcome WHERE outcome = excluded.outcome`;

const purgeAnswers = `DELETE FROM answers WHERE request_id IN
  (SELECT request_id FROM answers WHERE at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

const upsertCoordinator = `INSERT INTO coordinators (id, epoch, claim_id) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET epoch = excluded.epoch, claim_id = excluded.claim_id WHERE excluded.epoch > epoch`;

const purgeOutcomes = `DELETE FROM outcomes WHERE transaction_id IN
  (SELECT transaction_id FROM outcomes WHERE outcome = 'aborted' AND at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

/** The answer goes first: a repeated creation is told that its request is known, not that its workflow exists. */
function statements({ request, puts, workflowCountMax, events, outcome, coordinator }: WorkflowBatch): Statement<Conflict>[] {
  const batch: Statement<Conflict>[] = [];
  if (request !== undefined) {
    const [put] = puts;
    assert(put !== undefined && events.length > 0, "an answer is a workflow and an event");
    batch.push({
      sql: insertAnswer,
      params: [request.id, request.digest, JSON.stringify(put.workflow), request.atMs],
      expect: { changes: 1, conflict: { type: "request-exists" } },
    });
  }
  batch.push(...puts.map(putStatement));
  if (workflowCountMax !== undefined) {
    batch.push({
      sql: checkLimit,
      params: [workflowCountMax],
      expect: { changes: 1, conflict: { type: "limit" } },
      returning: true,
    });
  }
  batch.push(...events.map((event): Statement<Conflict> => ({ sql: insertEvent, params: eventParams(event), returning: true })));
  if (outcome !== undefined) {
    batch.push({
      sql: insertOutcome,
      params: [outcome.transactionId, outcome.coordinatorId, outcome.outcome, outcome.atMs],
      expect: { changes: 1, conflict: { type: "other-outcome" } },
    });
  }
  if (coordinator !== undefined) {
    const { coordinatorId, coordinatorEpoch, claimId } = coordinator;
    batch.push({ sql: upsertCoordinator, params: [coordinatorId, coordinatorEpoch, claimId] });
  }
  return batch;
}

function putStatement({ workflow, expected }: WorkflowPut): Statement<Conflict> {
  const stale = { changes: 1, conflict: { type: "stale", workflowId: workflow.id } } as const;
  const params: SqlValue[] = [
    workflow.state,
    workflow.previousState ?? null,
    workflow.version,
    workflow.createdAtMs,
    workflow.updatedAtMs,
    workflow.updatedBy,
    workflow.stateEnteredAtMs,
    workflow.retryCount,
    JSON.stringify(workflow.metadata),
    workflow.hold === undefined ? null : JSON.stringify(workflow.hold),
    workflow.id,
  ];
  if (expected === "absent") {
    return { sql: insertWorkflow, params: [...params, workflow.type, workflow.createdBy], expect: stale };
  }
  return { sql: updateWorkflow, params: [...params, expected.version, expected.heldBy ?? null], expect: stale };
}

const eventParams = (event: NewWorkflowEvent): SqlValue[] => [
  event.id,
  event.workflowId,
  event.type,
  event.fromState ?? null,
  event.toState,
  event.version,
  event.occurredAtMs,
  event.retryCount,
  event.reason,
  event.requestedBy,
  event.ruleSetRevision,
  JSON.stringify(event.metadata),
  event.transactionId ?? null,
  event.workflowType,
  hasWarnings(event.warnings) ? JSON.stringify(event.warnings) : null,
];

const hasWarnings = ({ first, omitted }: Warnings): boolean => first.length + omitted > 0;

/** The events' rows are the last that were answered, one each. */
function storedEvents(events: readonly NewWorkflowEvent[], answered: readonly (readonly Row[])[]): WorkflowEvent[] {
  const rows = answered.slice(answered.length - events.length);
  return events.map((event, index) => ({ ...event, sequence: Number(rows[index]?.[0]?.["sequence"]) }));
}

function toCounts(row: Row | undefined): WorkflowCounts {
  const count = (column: string): number => Number(row?.[column]);
  return {
    workflows: count("workflows"),
    events: count("events"),
    byState: {
      CREATED: count("created"),
      ACTIVE: count("active"),
      PAUSED: count("paused"),
      COMPLETED: count("completed"),
      FAILED: count("failed"),
      CANCELLED: count("cancelled"),
    },
    held: count("held"),
    recovering: count("recovering"),
  };
}
