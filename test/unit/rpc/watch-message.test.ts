import { expect, test } from "vitest";
import { WatchWorkflowEventsResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { eventToWire } from "../../../src/rpc/convert-workflow.ts";
import { encoded, orEncoded } from "../../../src/rpc/encoded-answer.ts";
import { toldTogether, watchMessageToWire } from "../../../src/rpc/workflow/watch-message.ts";
import { event, workflow } from "../../support/storage-values.ts";

const told = { ...event(workflow("wf-1")), sequence: 7 };

test("an event is encoded once for all who watch, as the contract has it", () => {
  const [first] = watchMessageToWire({ type: "events", events: [told] });
  const type = orEncoded(WatchWorkflowEventsResponse);
  const bytes = type.encode(type.fromPartial(first as never)).finish();
  expect(bytes).toEqual(encoded(WatchWorkflowEventsResponse, { body: { $case: "event", value: eventToWire(told) } }));
  expect(watchMessageToWire({ type: "events", events: [told] })[0]).toBe(first);
  expect(watchMessageToWire({ type: "events", events: [{ ...told }] })[0]).not.toBe(first);
  expect(toldTogether.bytesOf(told)).toBe(bytes.length);
});
