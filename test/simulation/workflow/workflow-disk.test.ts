import { expect, test } from "vitest";
import type { Workflow } from "../../../src/workflow/core/types.ts";
import type { WorkflowBatch } from "../../../src/workflow/ports.ts";
import { creation, event, hold, put, transactionId, workflow } from "../../support/storage-values.ts";
import { createStage } from "../stage.ts";
import { checkPut } from "./change-checks.ts";
import { createWorkflowDisk } from "./workflow-disk.ts";

/** A workflow that is held, in a store that does not fail, and what is seen of it when these are written in one flush. */
async function seenOf(batches: readonly WorkflowBatch[]): Promise<{ readonly seen: readonly string[]; readonly wrong: unknown }> {
  const stage = createStage({ seed: 1 });
  stage.calmDown();
  const disk = createWorkflowDisk(stage);
  const seen: string[] = [];
  let before: Workflow | undefined;
  let commits = 0;
  let wrong: unknown;
  disk.disk.onCommit(() => {
    commits += 1;
  });
  disk.onWrite((written) => {
    if (written.type !== "batch") return;
    const after = written.after.get(free.id) as Workflow;
    const { batch, events } = written;
    const demand = (holds: boolean, ...what: readonly string[]): void => {
      if (!holds) wrong ??= what;
    };
    checkPut(demand, { before, after, events, batch }, { at: () => [] });
    before = after;
    seen.push(`${after.state} ${after.version} ${after.hold?.transactionId ?? "free"}`);
  });
  const process = stage.process("manager");
  const store = disk.open(process, { latestMs: 0 });
  let isOver = false;
  const written = (async () => {
    await store.apply(creation("w1"));
    await store.apply({ puts: [{ workflow: held("t1"), expected: unheld }], events: [] });
    const at = commits;
    const applied = await Promise.all(batches.map((batch) => store.apply(batch)));
    isOver = true;
    return { areApplied: applied.every(({ ok }) => ok), flushes: commits - at };
  })();
  await stage.schedule.run(Number.POSITIVE_INFINITY, () => isOver);
  expect(await written).toEqual({ areApplied: true, flushes: 1 });
  stage.close();
  return { seen, wrong };
}

const free = workflow("w1");
const held = (by: string): Workflow => ({ ...free, hold: hold(by) });
const unheld = { version: 1, heldBy: undefined };

const release: WorkflowBatch = {
  puts: [{ workflow: free, expected: { version: 1, heldBy: transactionId("t1") } }],
  events: [],
  outcome: { transactionId: transactionId("t1"), coordinatorId: "c", outcome: "aborted", atMs: 1 },
};

test("of a hold that ends in the flush in which the next one begins, both are seen", async () => {
  const next = { puts: [{ workflow: held("t2"), expected: unheld }], events: [] };
  expect(await seenOf([release, next])).toEqual({
    seen: ["CREATED 1 free", "CREATED 1 t1", "CREATED 1 free", "CREATED 1 t2"],
    wrong: undefined,
  });
});

test("so is the end of a hold when the workflow is moved in the same flush", async () => {
  const moved = put(free, { state: "ACTIVE" });
  expect(await seenOf([release, { puts: [moved], events: [event(moved.workflow)] }])).toEqual({
    seen: ["CREATED 1 free", "CREATED 1 t1", "CREATED 1 free", "ACTIVE 2 free"],
    wrong: undefined,
  });
});
