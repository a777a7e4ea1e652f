import type { TimeMs } from "../../kernel/time.ts";

/** Reverse DNS, and the version of the contract that `data` is of. */
const typePrefix = "dev.concord.workflow.v1.";

/** Enough for any sequence. */
const sequenceDigits = 16;

/** What an event is to those outside. */
export type Described = {
  readonly id: string;
  readonly sequence: number;
  readonly workflowId: string;
  /** TRANSITION, CREATED, … */
  readonly type: string;
  readonly occurredAtMs: TimeMs;
  /** `concord.workflow.v1.WorkflowEvent` in the standard JSON form. */
  readonly data: string;
};

/** Where the events of a store come from: the same for as long as the store lives, whoever serves it. */
export const sourceOf = (storeId: string): string => `urn:concord:store:${storeId}`;

export const cloudEventType = (type: string): string => `${typePrefix}${type.toLowerCase()}`;

/**
 * The CloudEvent 1.0 in its JSON format. `sequence` is that of the Sequence extension, a text in whose order events are as they happened;
 * so it has leading zeros, and `data.sequence` has none. `data` is taken as it is: it was made by who knows the contract.
 */
export function cloudEvent(storeId: string, event: Described): string {
  const attributes = JSON.stringify({
    specversion: "1.0",
    id: event.id,
    source: sourceOf(storeId),
    type: cloudEventType(event.type),
    subject: event.workflowId,
    time: new Date(event.occurredAtMs).toISOString(),
    sequence: String(event.sequence).padStart(sequenceDigits, "0"),
    datacontenttype: "application/json",
  });
  return `${attributes.slice(0, -1)},"data":${event.data}}`;
}
