import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { Workflow } from "../../src/workflow/core/types.ts";
import { temporaryFolder } from "../support/concord.ts";
import { creation, event, put, workflow, workflowId } from "../support/storage-values.ts";

// Other engines end a workflow, or ask for a new one, when its history has 51,200 events.
const moveCount = 60_000;

test("a history may be as long as it gets: the workflow moves on, and its last event is at hand", async () => {
  const folder = temporaryFolder();
  const opened = await openSqliteWorkflowStore({ path: join(folder.path, "workflow.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  await store.apply(creation("w"));
  let last: Workflow = workflow("w");
  for (let made = 0; made < moveCount; made += 1000) {
    const before = last;
    const events = Array.from({ length: 1000 }, (_, index) => {
      const state = (made + index) % 2 === 0 ? "ACTIVE" : "PAUSED";
      last = { ...last, state, previousState: last.state, version: last.version + 1 };
      return event(last);
    });
    const { version } = before;
    const applied = await store.apply({ puts: [{ workflow: last, expected: { version, heldBy: undefined } }], events });
    expect(applied.ok).toBe(true);
  }
  const found = await store.getWithLastEvent(workflowId("w"));
  expect(found?.workflow.version).toBe(moveCount + 1);
  expect(found?.lastEvent?.toState).toBe(last.state);

  const moved = put(last, { state: "COMPLETED" });
  expect((await store.apply({ puts: [moved], events: [event(moved.workflow)] })).ok).toBe(true);

  const versions: number[] = [];
  for (let afterSequence: number | undefined = 0; afterSequence !== undefined; ) {
    const ranges = { workflowId: { oneOf: ["w"] } };
    const { rows, upTo }: Awaited<ReturnType<typeof store.listEvents>> = await store.listEvents({
      afterSequence,
      limit: 1000,
      ranges,
    });
    versions.push(...rows.map((row) => row.version));
    afterSequence = upTo;
  }
  expect(versions).toEqual(Array.from({ length: moveCount + 2 }, (_, index) => index + 1));
  await store.close();
  folder.remove();
});
