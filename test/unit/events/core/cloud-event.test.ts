import { expect, test } from "vitest";
import { cloudEvent, cloudEventType, sourceOf } from "../../../../src/events/core/cloud-event.ts";

const event = {
  id: "0198c0de",
  sequence: 42,
  workflowId: 'wf-"1"',
  type: "TRANSITION",
  occurredAtMs: Date.UTC(2026, 10, 26, 9, 30, 0, 250),
  data: '{"sequence":"42","reason":"läuft ab 🧊"}',
};

test("an event is a CloudEvent 1.0 in structured JSON, with its contract form as data", () => {
  expect(JSON.parse(cloudEvent("s1", event))).toEqual({
    specversion: "1.0",
    id: "0198c0de",
    source: "urn:concord:store:s1",
    type: "dev.concord.workflow.v1.transition",
    subject: 'wf-"1"',
    time: "2026-11-26T09:30:00.250Z",
    sequence: "0000000000000042",
    datacontenttype: "application/json",
    data: { sequence: "42", reason: "läuft ab 🧊" },
  });
});

test("the order of sequences as texts is their order as numbers", () => {
  const texts = [9, 10, 2 ** 31, Number.MAX_SAFE_INTEGER].map(
    (sequence) => (JSON.parse(cloudEvent("s", { ...event, sequence })) as { readonly sequence: string }).sequence,
  );
  expect(texts).toEqual(texts.toSorted());
});

test("names are URIs and reverse DNS", () => {
  expect(URL.canParse(sourceOf("a1"))).toBe(true);
  expect(cloudEventType("FAILED")).toBe("dev.concord.workflow.v1.failed");
});
