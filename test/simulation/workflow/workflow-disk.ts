import type { WorkflowId } from "../../../src/kernel/ids.ts";
import type { TimeMs } from "../../../src/kernel/time.ts";
import type { SqliteEngine } from "../../../src/storage/sqlite/statement.ts";
import { toEvent, toWorkflow } from "../../../src/storage/sqlite/workflow-rows.ts";
import { sqliteWorkflowStore, workflowSchema } from "../../../src/storage/sqlite/workflow-store.ts";
import type { BulkStore } from "../../../src/workflow/bulk-ports.ts";
import type { PolicyTerms } from "../../../src/workflow/core/policy.ts";
import type { Workflow, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { WorkflowBatch, WorkflowConflict, WorkflowStore } from "../../../src/workflow/ports.ts";
import type { Process } from "../schedule.ts";
import type { SqliteDisk, WrittenBatch } from "../sqlite-disk.ts";
import { isSameBatch, lookingAt } from "../sqlite-rows.ts";
import type { Stage } from "../stage.ts";
import { describeWrite } from "./describe-write.ts";

/** A write that is durable, before anybody else can know of it; or that was refused. */
export type ManagerWrite =
  | {
      readonly type: "batch";
      readonly batch: WorkflowBatch;
      /**
       * What it puts, as it has left it. The next batch of the same flush may have changed that already: a hold ends, and whoever was judged
       * before it began finds the version that was judged, and moves or holds the workflow at once.
       */
      readonly after: ReadonlyMap<WorkflowId, Workflow | undefined>;
      /** As they are in the log. */
      readonly events: readonly WorkflowEvent[];
      /** The latest time that the process has read off its clock, which may have been set back since. */
      readonly latestMs: TimeMs;
    }
  | { readonly type: "conflict"; readonly conflict: WorkflowConflict }
  | {
      readonly type: "purge";
      readonly workflows: readonly string[];
      /** Nobody has asked for it. */
      readonly byPolicy: boolean;
      readonly latestMs: TimeMs;
    }
  /** The policy of the one type is this now, or is gone. */
  | { readonly type: "policy"; readonly terms: PolicyTerms | undefined }
  /** Answers to requests are forgotten: all but these. */
  | { readonly type: "forgotten"; readonly left: ReadonlySet<string> };

type OnWrite = (written: ManagerWrite, by: Process) => void;

type OpenStore = WorkflowStore & {
  readonly bulk: BulkStore;
  /** The same, for who purges by the policies. */
  readonly byPolicy: WorkflowStore;
};

/** The file of the workflow manager. Outlives the processes, of which one has it open at a time, as the lock of the file demands. */
export type WorkflowDisk = {
  readonly disk: SqliteDisk;
  /** Hears of each write that becomes durable, whether or not its process does. */
  onWrite(listener: OnWrite): void;
  /** What is durable. */
  readonly durable: WorkflowStore;
  workflow(id: string): Workflow | undefined;
  /** The oldest event that is not purged. */
  oldest(): number;
  open(process: Process, clock: { readonly latestMs: TimeMs }): OpenStore;
};

/** What a process has asked the store to write, and is not told of yet. */
type Asked = {
  readonly what:
    | { readonly type: "batch"; readonly batch: WorkflowBatch }
    | { readonly type: "purge"; readonly ids: readonly string[]; readonly byPolicy: boolean };
  readonly latestMs: () => TimeMs;
  statements: Parameters<SqliteEngine["apply"]>[0];
  /** What a batch puts, as it was right after it in the last flush that had it. */
  after: ReadonlyMap<WorkflowId, Workflow | undefined>;
};

const eventPageMax = 5;

/** The production store on a simulated disk. */
export function createWorkflowDisk(stage: Stage): WorkflowDisk {
  const disk = stage.sqliteDisk("workflows.sqlite", workflowSchema);
  const asked = new WeakMap<Process, Set<Asked>>();
  const gone = new Set<string>();
  const listeners: OnWrite[] = [];
  let newest = 0;
  let newestPolicy = 0;

  const onWrite: OnWrite = (written, by) => {
    stage.say(`${by.name}  ${describeWrite(written)}`);
    for (const listener of listeners) listener(written, by);
  };

  const workflow = (id: string): Workflow | undefined =>
    lookingAt(disk).read("SELECT * FROM workflows WHERE id = ?", id).map(toWorkflow)[0];

  function onPurge({ ids, byPolicy }: Extract<Asked["what"], { type: "purge" }>, latestMs: TimeMs, by: Process): void {
    const workflows = ids.filter((id) => !gone.has(id) && workflow(id) === undefined);
    for (const id of workflows) gone.add(id);
    onWrite({ type: "purge", workflows, byPolicy, latestMs }, by);
  }

  function onPolicy(by: Process): void {
    const now = Number(disk.rows("SELECT newest FROM policy_revision")[0]?.["newest"]);
    if (now === newestPolicy) return;
    newestPolicy = now;
    const terms = disk.rows("SELECT terms FROM policies")[0]?.["terms"];
    onWrite({ type: "policy", terms: terms === undefined ? undefined : (JSON.parse(String(terms)) as PolicyTerms) }, by);
  }

  function onForgotten(batches: readonly WrittenBatch[], by: Process): void {
    if (!batches.some((batch) => batch.some(({ sql }) => sql.startsWith("DELETE FROM answers")))) return;
    const left = new Set(disk.rows("SELECT request_id FROM answers").map((row) => String(row["request_id"])));
    onWrite({ type: "forgotten", left }, by);
  }

  const askedFor = (by: Process, batch: WrittenBatch): Asked | undefined =>
    [...(asked.get(by) ?? [])].find(({ statements }) => isSameBatch(batch, statements));

  disk.onBatch((by, batch) => {
    const write = askedFor(by, batch);
    if (write?.what.type !== "batch") return;
    write.after = new Map(write.what.batch.puts.map((put) => [put.workflow.id, workflow(put.workflow.id)]));
  });

  disk.onCommit((by, batches) => {
    onPolicy(by);
    onForgotten(batches, by);
    const events = lookingAt(disk).read("SELECT * FROM events WHERE sequence > ? ORDER BY sequence", newest).map(toEvent);
    newest = events.at(-1)?.sequence ?? newest;
    const known = new Set<string>();
    for (const batch of batches) {
      const write = askedFor(by, batch);
      if (write === undefined) continue;
      asked.get(by)?.delete(write);
      const { what, after, latestMs } = write;
      if (what.type === "purge") onPurge(what, latestMs(), by);
      else {
        const own = events.filter(({ id }) => what.batch.events.some((event) => event.id === id));
        for (const { id } of own) known.add(id);
        onWrite({ type: "batch", batch: what.batch, after, events: own, latestMs: latestMs() }, by);
      }
    }
    const stray = events.find(({ id }) => !known.has(id));
    if (stray) stage.fail(`EventPerChange: event ${stray.sequence} of ${stray.workflowId} belongs to no change`);
  });

  return {
    disk,
    onWrite: (listener) => void listeners.push(listener),
    durable: sqliteWorkflowStore(lookingAt(disk)),
    workflow,
    oldest: () => Number(disk.rows("SELECT purged_sequence FROM counters")[0]?.["purged_sequence"]) + 1,
    open(process, clock) {
      const engine = stage.open(disk, process);
      const own = new Set<Asked>();
      asked.set(process, own);
      let asking: Asked | undefined;
      const store = sqliteWorkflowStore({
        ...engine,
        get writable() {
          return engine.writable;
        },
        apply(statements) {
          if (asking) asking.statements = statements;
          return engine.apply(statements);
        },
      });
      /** The store makes its statements, and hands them to the engine, before it waits for anything. */
      async function watched<T>(what: Asked["what"], write: () => Promise<T>): Promise<T> {
        const each: Asked = { what, latestMs: () => clock.latestMs, statements: [], after: new Map() };
        own.add(each);
        asking = each;
        const written = write();
        asking = undefined;
        try {
          return await written;
        } finally {
          own.delete(each);
        }
      }
      const purgeWorkflows =
        (byPolicy: boolean): WorkflowStore["purgeWorkflows"] =>
        (purge) =>
          watched({ type: "purge", ids: purge.workflows.map(({ id }) => id), byPolicy }, () => store.purgeWorkflows(purge));
      const opened = {
        ...store,
        get writable() {
          return store.writable;
        },
        ...(stage.keptBeforeMs && { keptBeforeMs: stage.keptBeforeMs }),
        // Short pages, so that there are several of them.
        listEvents: (page: Parameters<WorkflowStore["listEvents"]>[0]) =>
          store.listEvents({ ...page, limit: Math.min(page.limit, eventPageMax) }),
        async apply(batch: WorkflowBatch) {
          const applied = await watched({ type: "batch", batch }, () => store.apply(batch));
          if (!applied.ok && applied.error.type === "conflict")
            onWrite({ type: "conflict", conflict: applied.error.conflict }, process);
          return applied;
        },
        purgeWorkflows: purgeWorkflows(false),
      };
      return Object.assign(opened, { byPolicy: { ...opened, purgeWorkflows: purgeWorkflows(true) } });
    },
  };
}
