import { fromBinary, toJson } from "@bufbuild/protobuf";
import { sinkProgressMs } from "../../events/limits.ts";
import type { EventSource, SourceEvent } from "../../events/ports.ts";
import { WorkflowEvent as WireWorkflowEvent } from "../../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowEvent } from "../../workflow/core/types.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import type { Watch } from "../../workflow/watch.ts";
import { eventToWire } from "../convert-workflow.ts";
import { messageType, registry } from "../descriptors.ts";
import { encoded } from "../encoded-answer.ts";
import { eventFilter } from "../filter.ts";

const eventType = messageType("concord.workflow.v1.WorkflowEvent");

/** What sinks publish: the events of the store, as a watch tells them, in the contract's JSON form. */
export function createEventSource({ store, watch }: { readonly store: WorkflowStore; readonly watch: Watch }): EventSource {
  return {
    storeId: store.id,
    async *read({ filter: text, afterSequence, passesPurgedUpTo, signal }) {
      const filter = eventFilter(text, ({ workflowId }) => store.get(workflowId));
      const messages = watch({
        afterSequence,
        passesPurgedUpTo,
        workflowId: undefined,
        filter: filter && { text, ...filter },
        progressIntervalMs: sinkProgressMs,
        signal,
      });
      for await (const message of messages) {
        if (message.type !== "events") yield message;
        else for (const event of message.events) yield { type: "event", event: toSource(event) };
      }
    },
    sequences: () => store.sequences(),
    keptBeforeLoss: (sequence) => store.keptBeforeLoss(sequence),
    first: async (afterSequence) => (await store.listEvents({ afterSequence, limit: 1 })).rows[0],
  };
}

function toSource(event: WorkflowEvent): SourceEvent {
  const { id, sequence, workflowId, workflowType, type, occurredAtMs } = event;
  const data = JSON.stringify(
    toJson(eventType, fromBinary(eventType, encoded(WireWorkflowEvent, eventToWire(event))), { registry }),
  );
  return { id, sequence, workflowId, workflowType, type, occurredAtMs, data };
}

/** What is wrong with the filter of a sink, for whoever has written it. */
export function filterProblem(text: string): readonly string[] {
  try {
    eventFilter(text, async () => undefined);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
