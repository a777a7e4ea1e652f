import { expect, test } from "vitest";
import { createRecentEvents } from "../../../src/workflow/recent-events.ts";
import { event, workflow } from "../../support/storage-values.ts";

test("the bytes of events that are kept are those of their metadata, reasons and warnings", () => {
  const text = "m".repeat(5_000);
  const warnings = { first: [{ ruleId: "cold", ruleVersion: 1, message: text }], omitted: 0 };
  for (const large of [{ metadata: { text } }, { reason: text }, { warnings }]) {
    const recent = createRecentEvents({ countMax: 10, bytesMax: 5_000 });
    recent.add({ ...event(workflow("a")), sequence: 1 });
    expect(recent.at(1)).toBeDefined();
    recent.add({ ...event(workflow("a"), large), sequence: 2 });
    expect([recent.at(1), recent.at(2), recent.newest]).toEqual([undefined, undefined, 2]);
  }
});
