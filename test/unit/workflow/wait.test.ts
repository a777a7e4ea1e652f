import { expect, test } from "vitest";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { waitForWorkflow } from "../../../src/workflow/wait.ts";
import { createWatch, type Watch } from "../../../src/workflow/watch.ts";
import { pausing } from "../../support/pausing.ts";
import { creation, managerOver, moveTo, workflowId } from "../../support/workflow-manager.ts";

// Who has missed it would wait for another event, to the end of its time.
test("what happens between the look at a workflow and the wait for its events is not missed", async () => {
  const store = createMemoryWorkflowStore();
  const { manager } = managerOver(store);
  await manager.create(creation());
  const { get } = store;
  store.get = async (id) => {
    store.get = get;
    const found = await get(id);
    await manager.move(moveTo("ACTIVE"));
    return found;
  };
  const watch = createWatch({ clock: systemClock, store, turns: pausing() });
  const leaving = new AbortController();
  const waited = waitForWorkflow({ store, watch }, { workflowId, states: ["ACTIVE"], minVersion: undefined }, leaving.signal);
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  leaving.abort(new Error("it was missed"));
  expect(await waited).toMatchObject({
    ok: true,
    value: { isReached: true, workflow: { state: "ACTIVE" }, event: { toState: "ACTIVE", version: 2 } },
  });
});

test("what was purged before it was read is looked at anew", async () => {
  const store = createMemoryWorkflowStore();
  const { manager } = managerOver(store);
  await manager.create(creation());
  const watch: Watch = async function* () {
    await manager.move(moveTo("ACTIVE"));
    yield { type: "purged", oldest: 3 };
  };
  const wanted = { workflowId, states: ["ACTIVE"], minVersion: undefined } as const;
  expect(await waitForWorkflow({ store, watch }, wanted, new AbortController().signal)).toMatchObject({
    ok: true,
    value: { isReached: true, workflow: { state: "ACTIVE" }, event: undefined },
  });
});
