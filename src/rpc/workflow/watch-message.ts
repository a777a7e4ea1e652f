import type { DeepPartial } from "../../gen/concord/workflow/v1/workflow.ts";
import { WatchWorkflowEventsResponse } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { unreachable } from "../../kernel/assert.ts";
import type { WorkflowEvent } from "../../workflow/core/types.ts";
import type { Together, WatchMessage } from "../../workflow/watch.ts";
import { eventToWire } from "../convert-workflow.ts";
import { EncodedAnswer, encoded } from "../encoded-answer.ts";
import { toldBytesMax } from "../limits.ts";
import { eventsPurged } from "../workflow-errors.ts";

type Told = DeepPartial<WatchWorkflowEventsResponse>;

/** As long as the event is in memory: all who watch are told the same, and it is encoded once. */
const toldEvents = new WeakMap<WorkflowEvent, EncodedAnswer>();

/** What goes out together. */
export function watchMessageToWire(message: WatchMessage): readonly Told[] {
  switch (message.type) {
    case "events":
      return message.events.map(toldEvent) as readonly Told[];
    case "progress":
      return [{ body: { $case: "progress", value: { sequence: BigInt(message.sequence) } } }];
    case "purged":
      throw eventsPurged(message.oldest);
    default:
      return unreachable(message);
  }
}

/** Events that are there at the same time share what a message costs by itself. */
export const toldTogether: Together = { bytesMax: toldBytesMax, bytesOf: (event) => toldEvent(event).finish().length };

function toldEvent(event: WorkflowEvent): EncodedAnswer {
  const known = toldEvents.get(event);
  if (known !== undefined) return known;
  const body = { $case: "event", value: eventToWire(event) } as const;
  const told = new EncodedAnswer(encoded(WatchWorkflowEventsResponse, { body }));
  toldEvents.set(event, told);
  return told;
}
