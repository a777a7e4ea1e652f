import { expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { structBytesMax } from "../../../src/kernel/limits.ts";
import { noTerms } from "../../../src/workflow/core/policy.ts";
import { create } from "../../../src/workflow/core/step.ts";
import { applyUpdate, consentToUpdate, proposedMetadata } from "../../../src/workflow/core/update.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";

const { workflow } = create(
  {
    ...{ id: "sample-17" as WorkflowId, type: "sample", metadata: { tray: 4, site: { room: "B" } } },
    ...{ reason: "", requestedBy: "ada", ruleSetRevision: 3 },
  },
  { nowMs: 1_000, eventId: "event-1", terms: noTerms },
);
const patched = (patch: Parameters<typeof proposedMetadata>[1]["patch"]) =>
  proposedMetadata(workflow, { patch, reason: "moved", requestedBy: "ada", eventMetadata: {} });

test("metadata are patched as they will be, and must fit", () => {
  expect(patched({ tray: null, site: { shelf: 2 } })).toEqual({ ok: true, value: { site: { room: "B", shelf: 2 } } });
  expect(patched({ note: "x".repeat(structBytesMax) })).toMatchObject({
    ok: false,
    error: { type: "metadata-too-large", excess: expect.stringContaining("bytes as JSON") },
  });
});

test("the verdict of the engine is the answer, and one that knows of no updates is too old", () => {
  const asked = { ruleSetRevision: 4 };
  const violations = [{ path: "tray", message: "must be a number" }] as never;
  expect(consentToUpdate(workflow, { type: "invalid-transition", allowedStates: ["PAUSED"], ...asked } as never)).toEqual({
    ok: false,
    error: { type: "predicate-logic-outdated", workflowId: workflow.id },
  });
  expect(consentToUpdate(workflow, { type: "metadata-invalid", violations, ...asked })).toEqual({
    ok: false,
    error: { type: "metadata-invalid", workflowType: workflow.type, violations, ...asked },
  });
});

test("an update is told with who was proved to ask, and its time is never before what it follows", () => {
  const consent = { ruleSetRevision: 4, warnings: noWarnings };
  const update = {
    patch: { tray: 5 },
    reason: "moved",
    requestedBy: "ada",
    eventMetadata: {},
    authenticatedAs: "ada@example.org",
  };
  const apply = (nowMs: number) =>
    applyUpdate(workflow, update, { tray: 5 }, consent, { nowMs, eventId: "event-2", terms: noTerms });
  expect(apply(2_000)).toMatchObject({
    workflow: { version: 2, updatedAtMs: 2_000, updatedBy: "ada", metadata: { tray: 5 } },
    event: { type: "UPDATED", version: 2, occurredAtMs: 2_000, authenticatedAs: "ada@example.org", metadataPatch: { tray: 5 } },
  });
  // Somebody has set the wall clock back.
  expect(apply(500)).toMatchObject({ workflow: { updatedAtMs: 1_000 }, event: { occurredAtMs: 1_000 } });
});
