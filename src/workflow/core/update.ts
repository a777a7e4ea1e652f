import type { JsonObject } from "../../kernel/json.ts";
import { mergePatch } from "../../kernel/merge-patch.ts";
import { type Proved, provedOf } from "../../kernel/principal.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { structExcess } from "../../kernel/struct-bounds.ts";
import type { WorkflowError } from "./errors.ts";
import { changeInPlace } from "./in-place.ts";
import { type Change, consentIn, type Stamp, type Verdict } from "./step.ts";
import type { Consent, Workflow } from "./types.ts";

/** A wanted change of metadata, as the caller described it. */
export type Update = {
  readonly patch: JsonObject;
  readonly reason: string;
  readonly requestedBy: string;
  readonly eventMetadata: JsonObject;
} & Proved;

/** The metadata as it would be. */
export function proposedMetadata({ metadata }: Workflow, { patch }: Update): Result<JsonObject, WorkflowError> {
  const proposed = mergePatch(metadata, patch);
  const excess = structExcess(proposed);
  return excess === undefined ? ok(proposed) : err({ type: "metadata-too-large", excess });
}

/** The checks that come after the predicate engine has answered. specs/WorkflowManager.tla: Verdict, of an update. */
export function consentToUpdate(workflow: Workflow, verdict: Verdict): Result<Consent, WorkflowError> {
  // Asked about an update of what is not terminal, only an engine that knows of none says that there is no such move.
  if (verdict.type === "invalid-transition") return err({ type: "predicate-logic-outdated", workflowId: workflow.id });
  return consentIn(workflow, verdict);
}

/**
 * Makes an allowed change: a new version, with other metadata and everything else as it was; no move, so the time in its state goes on.
 * specs/WorkflowManager.tla: Write, of an update.
 */
export function applyUpdate(
  workflow: Workflow,
  update: Update,
  metadata: JsonObject,
  { ruleSetRevision, warnings }: Consent,
  stamp: Stamp,
): Change {
  const { patch: metadataPatch, reason, requestedBy, eventMetadata } = update;
  const said = { type: "UPDATED", reason, requestedBy, metadata: eventMetadata, metadataPatch, ...provedOf(update) } as const;
  return changeInPlace(workflow, { metadata }, { ...said, ruleSetRevision, warnings }, stamp);
}
