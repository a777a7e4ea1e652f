import { assert } from "../../kernel/assert.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import type { WorkflowState } from "../../kernel/lifecycle.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { BulkStore } from "../../workflow/bulk-ports.ts";
import type { NewWorkflowEvent, WorkflowEvent } from "../../workflow/core/types.ts";
import type { Warnings } from "../../workflow/core/warnings.ts";
import { earliestDeadline } from "../../workflow/earliest-deadline.ts";
import type {
  RememberedAnswer,
  TransactionOutcome,
  WorkflowBatch,
  WorkflowConflict,
  WorkflowCounts,
  WorkflowPut,
  WorkflowStore,
  WorkflowWithLastEvent,
} from "../../workflow/ports.ts";
import { bulkResultStatement, sqliteBulkStore } from "./bulk-store.ts";
import { openSqlite } from "./engine.ts";
import { keptBeforeLossIn } from "./lost-sequences.ts";
import { readable } from "./readable.ts";
import { createRecentWorkflows } from "./recent-workflows.ts";
import { openFailure } from "./sqlite-error.ts";
import type { OpenFailure, Row, SqliteEngine, SqlValue, Statement, StoreOptions, StoreSchema } from "./statement.ts";
import { changesSince } from "./workflow-changes.ts";
import { listEvents, listWorkflows } from "./workflow-lists.ts";
import { indexMetadata, metadataIndexes } from "./workflow-metadata.ts";
import { workflowMigrations } from "./workflow-migrations.ts";
import { policyStatements, readPolicies } from "./workflow-policies.ts";
import { endedTypes, endedWorkflows, isFree, purgeFacts, purgeWorkflows } from "./workflow-purge.ts";
import {
  metadataLengthOf,
  selectWithLastEvent,
  toAnswer,
  toDueWorkflow,
  toWorkflow,
  toWorkflowWithLastEvent,
} from "./workflow-rows.ts";
import { listSorted } from "./workflow-sorted.ts";

type Conflict = WorkflowConflict | { readonly type: "other-outcome" };

export const workflowSchema: StoreSchema = { kind: "workflows", migrations: workflowMigrations };

export async function openSqliteWorkflowStore(
  options: StoreOptions & {
    /** For tests of a full disk. */
    readonly pageCountMax?: number;
  },
): Promise<Result<WorkflowStore & { readonly bulk: BulkStore }, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...workflowSchema });
  if (!opened.ok) return opened;
  try {
    return ok(sqliteWorkflowStore(opened.value));
  } catch (error) {
    await opened.value.close();
    return err(openFailure(options.path, error));
  }
}

/** On an engine that is open. */
export function sqliteWorkflowStore(engine: SqliteEngine): WorkflowStore & { readonly bulk: BulkStore } {
  const id = engine.read("SELECT id FROM store")[0]?.["id"] as string;
  const appendListeners = new Set<(newest: number) => void>();
  const deadlineListeners = new Set<(atMs: TimeMs) => void>();
  let told = newestSequence(engine);
  const keptBeforeLoss = keptBeforeLossIn(engine);
  const tellAppended = (): void => {
    if (appendListeners.size === 0) return;
    const newest = readable(() => newestSequence(engine));
    if (newest === told) return;
    // If nobody can read it now, there may be more: those who wait look for themselves.
    told = newest ?? told;
    for (const listener of appendListeners) listener(told);
  };
  const tellDeadline = (): void => {
    const found = readable(() => engine.read(selectDue, Number.MAX_SAFE_INTEGER, 0, "", 1).map(toDueWorkflow));
    if (found?.length === 0) return;
    // If nobody can read it now, it may be any time.
    for (const listener of deadlineListeners) listener(found?.[0]?.deadline.atMs ?? 0);
  };
  engine.onFlush(tellAppended);
  const recent = createRecentWorkflows(() => engine.writable);
  const find = (id: WorkflowId): WorkflowWithLastEvent | undefined => {
    const known = recent.get(id);
    if (known !== undefined) return known;
    const [row] = engine.read(selectWithLastEvent, id);
    if (row === undefined) return undefined;
    const found = toWorkflowWithLastEvent(row);
    recent.keep(found, metadataLengthOf(row));
    return found;
  };
  // A flush that fails may be durable all the same; when the store can be written again, there is no doubt about any of them.
  engine.onWritableChange(() => {
    tellAppended();
    tellDeadline();
  });

  return {
    id,
    bulk: sqliteBulkStore(engine),
    get writable() {
      return engine.writable;
    },
    onWritableChange: engine.onWritableChange,
    keptBeforeMs: engine.keptBeforeMs,
    // Who asks for the workflow alone gets it also if its events cannot be read.
    get: async (id) => recent.get(id)?.workflow ?? engine.read("SELECT * FROM workflows WHERE id = ?", id).map(toWorkflow)[0],
    getWithLastEvent: async (id) => find(id),
    list: async (page) => listWorkflows(engine, page),
    listSorted: async (page) => listSorted(engine, page),
    changesSince: async (page) => changesSince(engine, page),
    listEvents: async (page) => listEvents(engine, page),
    sequences: async () => {
      const [row] = engine.read(selectSequences);
      return { oldest: Number(row?.["purged_sequence"]) + 1, newest: Number(row?.["newest_sequence"]) };
    },
    keptBeforeLoss: async (sequence) => keptBeforeLoss(sequence),
    counts: async () => toCounts(engine.read("SELECT * FROM counters")[0]),
    typeCounts: async ({ after, limit }) =>
      engine.read(selectTypeCounts, after?.type ?? "", after?.state ?? "", limit).map((row) => ({
        type: row["workflow_type"] as string,
        state: row["state"] as WorkflowState,
        count: Number(row["workflows"]),
      })),
    countCreatedAs: async (principal) => Number(engine.read(countCreatedAs, principal)[0]?.["workflows"] ?? 0),
    answer: async (requestId) => {
      const [row] = engine.read(selectAnswer, requestId);
      return row && toAnswer(row);
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
    heldBy: async ({ transactionId, afterId, limit }) =>
      engine.read(selectHeldBy, transactionId, afterId ?? "", limit).map(toWorkflow),
    held: async ({ afterId, limit }) => engine.read(selectHeld, afterId ?? "", limit).map(toWorkflow),
    apply: async (batch) => {
      const wanted = statements(batch);
      const ended = recent.write(batch);
      const applied = await engine.apply(wanted).catch((defect: unknown) => {
        ended(false);
        throw defect;
      });
      ended(applied.ok);
      if (applied.ok) {
        const atMs = earliestDeadline(batch.puts);
        if (atMs !== undefined) for (const listener of deadlineListeners) listener(atMs);
        return ok(storedEvents(batch.events, applied.value));
      }
      if (applied.error.type === "storage-unavailable") return err(applied.error);
      const { conflict } = applied.error;
      assert(conflict.type !== "other-outcome", "a transaction has one outcome");
      return err({ type: "conflict", conflict });
    },
    due: async ({ upToMs, after, limit }) =>
      engine.read(selectDue, upToMs, after?.atMs ?? 0, after?.workflowId ?? "", limit).map(toDueWorkflow),
    onDeadline: (listener) => {
      deadlineListeners.add(listener);
      return () => deadlineListeners.delete(listener);
    },
    policies: async () => readPolicies(engine),
    applyPolicy: async (change) => {
      const applied = await engine.apply(policyStatements(change));
      return applied.ok ? ok(undefined) : applied;
    },
    metadataIndexes: async () => metadataIndexes(engine),
    indexMetadata: async (slice) => indexMetadata(engine, slice),
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
    purgeOutcomes: async ({ coordinatorId, olderThanMs, limit }) => {
      const params = [coordinatorId, olderThanMs, limit];
      const purged = await engine.apply<never>([{ sql: purgeOutcomesOf, params, returning: true }]);
      return purged.ok ? ok(purged.value.flat().length) : purged;
    },
    purgedAtMs: async (id) => {
      const [row] = engine.read("SELECT at_ms FROM purged_workflows WHERE id = ?", id);
      return row && Number(row["at_ms"]);
    },
    endedTypes: async (page) => endedTypes(engine, page),
    ended: async (page) => endedWorkflows(engine, page),
    purgeFacts: async (id) => purgeFacts(engine, id),
    purgeWorkflows: (purge) => {
      const ended = recent.forgetWhile(purge.workflows.map(({ id }) => id));
      return purgeWorkflows(engine, purge).finally(ended);
    },
    close: () => engine.close(),
  };
}

const newestSequence = (engine: SqliteEngine): number => Number(engine.read(selectNewest)[0]?.["newest"]);

// The partial index has just these, in this order.
const selectDue = `SELECT id, version, deadline FROM workflows
  WHERE deadline_at_ms IS NOT NULL AND held_by IS NULL AND deadline_at_ms <= ? AND (deadline_at_ms, id) > (?, ?)
  ORDER BY deadline_at_ms, id LIMIT ?`;

const selectNewest = "SELECT newest_sequence AS newest FROM counters";

const selectSequences = "SELECT purged_sequence, newest_sequence FROM counters";

// No state sorts before "A".
const selectTypeCounts =
  "SELECT * FROM type_counters WHERE (workflow_type, state) > (?, ?) ORDER BY workflow_type, state LIMIT ?";

const selectAnswer = `SELECT events.*, digest, workflow, policy
  FROM answers LEFT JOIN events ON events.sequence = answers.event_sequence WHERE request_id = ?`;

const selectHeldBy = "SELECT * FROM workflows WHERE held_by = ? AND id > ? ORDER BY id LIMIT ?";

const selectHeld = "SELECT * FROM workflows WHERE held_by > ? ORDER BY held_by, id LIMIT ?";

const insertWorkflow = `INSERT INTO workflows
  (state, previous_state, version, updated_at_ms, updated_by, state_entered_at_ms, retry_count, hold, recoverable_at_ms,
   deadline_at_ms, deadline, metadata, id, created_at_ms, workflow_type, created_by, created_as)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

// A column that is set is written in each of its indexes, whether its value changes or not: a page of some kilobytes for each.
const updateOf = (columns: string): string => `UPDATE workflows
  SET ${columns}
  WHERE id = ? AND version = ? AND held_by IS ?`;
const moved = `state = ?, previous_state = ?, version = ?, updated_at_ms = ?, updated_by = ?, state_entered_at_ms = ?,
      retry_count = ?, hold = ?, recoverable_at_ms = ?, deadline_at_ms = ?, deadline = ?`;
const updateWorkflow = updateOf(`${moved}, metadata = ?`);
const moveWorkflow = updateOf(moved);
const holdWorkflow = updateOf("hold = ?");

const checkLimit = "SELECT 1 FROM counters WHERE workflows <= ?";

const countCreatedAs = "SELECT workflows FROM creators WHERE principal = ?";

const checkCreatorLimit = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM creators WHERE principal = ? AND workflows > ?)";

// The next one after the newest that was ever written: it may be purged.
const insertEvent = `INSERT INTO events
  (sequence, id, workflow_id, type, from_state, to_state, version, occurred_at_ms, retry_count, reason, requested_by, rule_set_revision,
   metadata, transaction_id, workflow_type, warnings, metadata_patch, deadline, bulk_operation_id, authenticated_as)
  VALUES ((SELECT newest_sequence + 1 FROM counters), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING sequence`;

const insertAnswer = `INSERT INTO answers (request_id, digest, workflow, event_sequence, at_ms)
  VALUES (?, ?, ?, (SELECT newest_sequence + 1 FROM counters) + ?, ?)`;

// A rewritten row: the first answer stays, and another digest changes none.
const insertSharedAnswer = `${insertAnswer} ON CONFLICT DO UPDATE SET digest = digest WHERE digest = excluded.digest`;

// A repeated outcome changes nothing, another one is no outcome.
const insertOutcome = `INSERT INTO outcomes (transaction_id, coordinator_id, outcome, at_ms) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET outcome = outcome WHERE outcome = excluded.outcome`;

const purgeAnswers = `DELETE FROM answers WHERE request_id IN
  (SELECT request_id FROM answers WHERE at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

const upsertCoordinator = `INSERT INTO coordinators (id, epoch, claim_id) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET epoch = excluded.epoch, claim_id = excluded.claim_id WHERE excluded.epoch > epoch`;

const purgeOutcomes = `DELETE FROM outcomes WHERE transaction_id IN
  (SELECT transaction_id FROM outcomes WHERE outcome = 'aborted' AND at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

const purgeOutcomesOf = `DELETE FROM outcomes WHERE transaction_id IN
  (SELECT transaction_id FROM outcomes WHERE coordinator_id = ? AND at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

/** Answers go first: a repeated creation is told that its request is known, not that its workflow exists. */
function statements(wanted: WorkflowBatch): Statement<Conflict>[] {
  const { answers = [], puts, creator, workflowCountMax, events, outcome, coordinator } = wanted;
  const batch = answers.map((answer) => answerStatement(answer, wanted));
  batch.push(...puts.flatMap((put) => putStatements(put, creator?.principal ?? "")));
  if (workflowCountMax !== undefined) {
    batch.push({
      sql: checkLimit,
      params: [workflowCountMax],
      expect: { changes: 1, conflict: { type: "limit" } },
      returning: true,
    });
  }
  if (creator?.countMax !== undefined) {
    const { principal, countMax: limit } = creator;
    batch.push({
      sql: checkCreatorLimit,
      params: [principal, limit],
      expect: { changes: 1, conflict: { type: "creator-limit", principal, limit } },
      returning: true,
    });
  }
  batch.push(
    ...events.flatMap((event): Statement<Conflict>[] => [
      { sql: insertEvent, params: eventParams(event), returning: true },
      ...bulkResultStatement(event),
    ]),
  );
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

function answerStatement(answer: RememberedAnswer, { puts, events }: WorkflowBatch): Statement<Conflict> {
  const { id, digest, atMs, put, event, shared } = answer;
  const workflow = puts[put]?.workflow;
  assert(workflow !== undefined && events[event] !== undefined, "an answer is a workflow and an event");
  return {
    sql: shared ? insertSharedAnswer : insertAnswer,
    params: [id, digest, JSON.stringify(workflow), event, atMs],
    expect: { changes: 1, conflict: { type: "request-exists" } },
  };
}

function putStatements({ workflow, expected, keeps }: WorkflowPut, createdAs: string): Statement<Conflict>[] {
  const stale = { changes: 1, conflict: { type: "stale", workflowId: workflow.id } } as const;
  const hold = workflow.hold === undefined ? null : JSON.stringify(workflow.hold);
  const update = (sql: string, ...params: readonly SqlValue[]): Statement<Conflict>[] => {
    assert(expected !== "absent", "what is updated is there");
    return [{ sql, params: [...params, workflow.id, expected.version, expected.heldBy ?? null], expect: stale }];
  };
  if (keeps === "all but the hold") return update(holdWorkflow, hold);
  const params: SqlValue[] = [
    workflow.state,
    workflow.previousState ?? null,
    workflow.version,
    workflow.updatedAtMs,
    workflow.updatedBy,
    workflow.stateEnteredAtMs,
    workflow.retryCount,
    hold,
    workflow.recoverableAtMs ?? null,
    workflow.deadline?.atMs ?? null,
    workflow.deadline === undefined ? null : JSON.stringify(workflow.deadline),
  ];
  if (keeps === "metadata") return update(moveWorkflow, ...params);
  params.push(JSON.stringify(workflow.metadata));
  if (expected !== "absent") return update(updateWorkflow, ...params);
  const created = [...params, workflow.id, workflow.createdAtMs, workflow.type, workflow.createdBy, createdAs];
  return [isFree(workflow.id), { sql: insertWorkflow, params: created, expect: stale }];
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
  event.metadataPatch === undefined ? null : JSON.stringify(event.metadataPatch),
  event.deadline === undefined ? null : JSON.stringify(event.deadline),
  event.bulkOperationId ?? null,
  event.authenticatedAs ?? "",
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
