import type { DeadLetter, SinkRecord, SourceEvent } from "../../src/events/ports.ts";

export const sourceEvent: SourceEvent = {
  id: "e-1",
  sequence: 1,
  workflowId: "wf-1",
  workflowType: "sample",
  type: "TRANSITION",
  occurredAtMs: 1_000,
  data: '{"eventId":"e-1","sequence":"1","reason":"läuft ab 🧊"}',
};

export const sinkRecord = (name: string, fields: Partial<SinkRecord> = {}): SinkRecord => ({
  name,
  kind: "nats",
  cursor: 0,
  isPaused: false,
  last: undefined,
  ...fields,
});

export const deadLetter = (fields: Partial<DeadLetter> = {}): DeadLetter => ({
  sink: "bus",
  event: sourceEvent,
  cause: "HTTP 422",
  tries: 3,
  refusedAtMs: 2_000,
  ...fields,
});
