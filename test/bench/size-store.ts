import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { WorkflowState } from "../../src/kernel/lifecycle.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";

/** Where stores that were made are kept: the largest takes minutes. `make clean` removes them. */
const cache = join(import.meta.dirname, "../../.cache/bench");

export const eventsEach = 10;

/** Of types, all alike. */
export const typeCount = 100;

export const idOf = (index: number): string => `size-${String(index).padStart(9, "0")}`;

/** One in a hundred has failed for good; of the others every fifth is at work and can be moved, and the rest is cancelled. */
const stateAt = (index: number, version: number): WorkflowState => {
  if (version === 1) return "CREATED";
  if (version < 9) return version % 2 === 0 ? "ACTIVE" : "PAUSED";
  if (version === 9) return "FAILED";
  return index % 5 === 1 ? "ACTIVE" : "CANCELLED";
};

export const isMovable = (index: number): boolean => index % 5 === 1 && !isFailed(index);

const isFailed = (index: number): boolean => index % 100 === 0;

const versionOf = (index: number): number => (isFailed(index) ? eventsEach - 1 : eventsEach);

const firstMs = 1_700_000_000_000;

/** A folder with a store of so many workflows, each with ten events, written past the program: straight into the tables of its schema. */
export async function storeOfSize(size: number): Promise<string> {
  const folder = join(cache, `workflows-${size}`);
  if (existsSync(join(folder, "made"))) return folder;
  rmSync(folder, { recursive: true, force: true });
  const draft = `${folder}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  await makeStore(join(draft, "workflow.sqlite"), size);
  mkdirSync(join(draft, "made"));
  renameSync(draft, folder);
  return folder;
}

export async function makeStore(path: string, size: number): Promise<void> {
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  await opened.value.close();
  fill(path, size);
}

function fill(path: string, size: number): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000");
  // Made again when the rows are there, in a tenth of the time.
  const kept = db.prepare(`SELECT type, name, sql FROM sqlite_schema
    WHERE type IN ('index', 'trigger') AND tbl_name IN ('workflows', 'events') AND sql IS NOT NULL ORDER BY type`);
  const parts = kept.all() as unknown as { readonly type: string; readonly name: string; readonly sql: string }[];
  for (const { type, name } of parts) db.exec(`DROP ${type} ${name}`);
  db.exec("BEGIN");
  const workflow = db.prepare(`INSERT INTO workflows
    (id, workflow_type, state, previous_state, version, created_at_ms, created_by, updated_at_ms, updated_by, state_entered_at_ms, retry_count, metadata)
    VALUES (?, ?, ?, ?, ?, ?, 'bench', ?, 'bench', ?, 0, ?)`);
  for (let index = 0; index < size; index += 1) {
    const version = versionOf(index);
    const updatedMs = timeOf(size, index, version);
    const states = [stateAt(index, version), stateAt(index, version - 1)] as const;
    const metadata = JSON.stringify({
      site: `S-${index % 100}`,
      sample: `sample ${index}`,
      temperature: 4,
      note: "n".repeat(100),
    });
    workflow.run(
      idOf(index),
      `type-${index % typeCount}`,
      ...states,
      version,
      timeOf(size, index, 1),
      updatedMs,
      updatedMs,
      metadata,
    );
  }
  const event = db.prepare(`INSERT INTO events
    (sequence, id, workflow_id, workflow_type, type, from_state, to_state, version, occurred_at_ms, retry_count, reason, requested_by, rule_set_revision, metadata)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'measured', 'bench', 1, '{}')`);
  let sequence = 0;
  for (let version = 1; version <= eventsEach; version += 1) {
    for (let index = 0; index < size; index += 1) {
      if (version > versionOf(index)) continue;
      sequence += 1;
      const from = version === 1 ? null : stateAt(index, version - 1);
      const to = stateAt(index, version);
      const type =
        version === 1
          ? "CREATED"
          : to === "FAILED"
            ? "FAILED"
            : from === "FAILED" && to === "ACTIVE"
              ? "RECOVERED"
              : "TRANSITION";
      const at = timeOf(size, index, version);
      event.run(sequence, `e-${sequence}`, idOf(index), `type-${index % typeCount}`, type, from, to, version, at);
    }
  }
  for (const { sql } of parts) db.exec(sql);
  const states = ["CREATED", "ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"];
  const sums = states.map((state) => `${state.toLowerCase()} = (SELECT count(*) FROM workflows WHERE state = '${state}')`);
  db.exec(`UPDATE counters SET workflows = ${size}, events = ${sequence}, newest_sequence = ${sequence}, ${sums.join(", ")}`);
  db.exec(
    "DELETE FROM type_counters; INSERT INTO type_counters SELECT workflow_type, state, count(*) FROM workflows GROUP BY 1, 2",
  );
  db.exec("COMMIT");
  db.close();
}

/** Each change of all workflows is a round, in which each has its turn, in an order of its own. */
const timeOf = (size: number, index: number, version: number): number =>
  firstMs + (version - 1) * size + ((index * 7_919 * version) % size);
