import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WorkflowEventType, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import type { Json, JsonObject } from "../../src/kernel/json.ts";
import { mergePatch } from "../../src/kernel/merge-patch.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

// Replay with SEED=n npx vitest run --project property.

const data = temporaryFolder();
let server: TestServer;
let counter = 0;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const by = { reason: "a property", requestedBy: "fast-check" };

const keys = fc.constantFrom("a", "b", "c", "constructor");
const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, 1, 0.5, "x", ""),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 3 }),
  ),
})).value;
const object = fc.dictionary(keys, value, { maxKeys: 3 }) as fc.Arbitrary<JsonObject>;
const patch = object.filter((each) => Object.keys(each).length > 0);

/** Of moves those that the lifecycle has not are refused, and leave no trace. */
const step = fc.oneof(
  { weight: 3, arbitrary: patch.map((metadataPatch) => ({ type: "update", metadataPatch }) as const) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(WorkflowState.ACTIVE, WorkflowState.PAUSED, WorkflowState.FAILED)
      .map((targetState) => ({ type: "move", targetState }) as const),
  },
);

test("the metadata of a workflow is that of its creation with the patches of its events, in order, also of those that raced", async () => {
  await fc.assert(
    fc.asyncProperty(
      object,
      fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
      async (metadata, rounds) => {
        counter += 1;
        const workflowId = `wf-${counter}`;
        const { workflows } = server.clients;
        await workflows.createWorkflow({ workflowId, metadata, ...by });
        for (const together of rounds) {
          await Promise.all(
            together.map((each) =>
              each.type === "update"
                ? workflows.updateWorkflowMetadata({ workflowId, metadataPatch: each.metadataPatch, ...by })
                : workflows.transitionWorkflow({ workflowId, targetState: each.targetState, ...by }).catch(() => undefined),
            ),
          );
        }
        const { workflow } = await workflows.getWorkflow({ workflowId });
        const { events } = await workflows.listWorkflowEvents({ workflowId, pageSize: 1000 });
        const updates = events.filter(({ type }) => type === WorkflowEventType.UPDATED);
        expect(updates).toHaveLength(rounds.flat().filter(({ type }) => type === "update").length);
        expect(events.map(({ version }) => Number(version))).toEqual(events.map((_, index) => index + 1));
        expect(Number(workflow?.version)).toBe(events.length);
        const folded = updates.reduce(
          (known, { metadataPatch }) => mergePatch(known, metadataPatch as JsonObject),
          events[0]?.metadata as JsonObject,
        );
        expect(workflow?.metadata).toEqual(folded);
        // It is no move: the state is what the moves alone have made of it, and has lasted since the last of them.
        const lastMove = events.findLast(({ type }) => type !== WorkflowEventType.UPDATED);
        expect(workflow?.state).toBe(lastMove?.toState);
        expect(workflow?.stateEnteredAt).toEqual(lastMove?.occurredAt);
      },
    ),
    { numRuns: 30 },
  );
});
