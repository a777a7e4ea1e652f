import type { Client } from "nice-grpc";
import type { WorkflowEvent } from "../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowServiceDefinition } from "../gen/concord/workflow/v1/workflow_service.ts";
import { ConcordError, mayRepeat } from "./failure.ts";
import { pause, pauseMsAfter } from "./pause.ts";

export type WatchOptions = {
  /** The `sequence` of the last event that was dealt with; 0n for all that are kept. */
  readonly afterSequence: bigint;
  /** Only events of this workflow. */
  readonly workflowId?: string;
  /** As in ListWorkflowEventsRequest. */
  readonly filter?: string;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
};

/** Goes on where it was, however often its stream ends; also with the end of what has proved who watches: there may be another proof already. */
export async function* watchEvents(
  workflows: Pick<Client<WorkflowServiceDefinition>, "watchWorkflowEvents">,
  { afterSequence, workflowId = "", filter = "", signal }: WatchOptions,
): AsyncGenerator<WorkflowEvent, void, undefined> {
  let seen = afterSequence;
  let attempt = 0;
  while (!signal?.aborted) {
    let retryAfterMs: number | undefined;
    let isOpen = false;
    try {
      const request = { start: { $case: "afterSequence", value: seen }, workflowId, filter } as const;
      for await (const { body } of workflows.watchWorkflowEvents(request, signal && { signal })) {
        attempt = 0;
        isOpen = true;
        if (body === undefined) continue;
        // Before the caller has the event: who comes back for the next one has dealt with this one.
        if (body.value.sequence > seen) seen = body.value.sequence;
        if (body.$case === "event") yield body.value;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!(error instanceof ConcordError) || !(mayRepeat(error) || (isOpen && error.reason === "UNAUTHENTICATED"))) throw error;
      ({ retryAfterMs } = error);
    }
    attempt += 1;
    await pause(pauseMsAfter(attempt, retryAfterMs), signal).catch(() => undefined);
  }
}
