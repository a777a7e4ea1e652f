import { type DeepPartial, WorkflowEvent as WireWorkflowEvent } from "../../gen/concord/workflow/v1/workflow.ts";
import { WatchWorkflowEventsResponse } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { unreachable } from "../../kernel/assert.ts";
import type { WorkflowEvent } from "../../workflow/core/types.ts";
import type { WatchMessage } from "../../workflow/watch.ts";
import { eventToWire } from "../convert-workflow.ts";
import { encoded, listAnswer } from "../encoded-answer.ts";
import { eventsPurged } from "../workflow-errors.ts";

type Told = DeepPartial<WatchWorkflowEventsResponse>;

/** As long as the event is in memory: all who watch are told the same, and it is encoded once. */
const toldEvents = new WeakMap<WorkflowEvent, Told>();

export function watchMessageToWire(message: WatchMessage): Told {
  switch (message.type) {
    case "event":
      return toldEvent(message.event);
    case "progress":
      return { body: { $case: "progress", value: { sequence: BigInt(message.sequence) } } };
    case "purged":
      throw eventsPurged(message.oldest);
    default:
      return unreachable(message);
  }
}

function toldEvent(event: WorkflowEvent): Told {
  const known = toldEvents.get(event);
  if (known !== undefined) return known;
  // `event` has the tag of a list's items.
  const told = listAnswer(WatchWorkflowEventsResponse, [encoded(WireWorkflowEvent, eventToWire(event))], {});
  toldEvents.set(event, told);
  return told;
}
