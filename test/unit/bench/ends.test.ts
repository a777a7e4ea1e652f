import { expect, test } from "vitest";
import { endsOf } from "../../bench/ends.ts";

const nothing = { statuses: {}, reasons: {}, refused: 0, concurrency: 16 };

test("a failure has its reason as its name where that is known, and its status where it is not", () => {
  const statuses = { OK: 90, RESOURCE_EXHAUSTED: 7, UNAVAILABLE: 3 };
  const reasons = { "RESOURCE_EXHAUSTED OVERLOADED": 5, "FAILED_PRECONDITION RULE_DENIED": 0 };
  expect(endsOf({ ...nothing, statuses, reasons })).toEqual({
    succeeded: 90,
    failures: { OVERLOADED: 5, RESOURCE_EXHAUSTED: 2, UNAVAILABLE: 3 },
    cutOff: 0,
  });
});

test("calls that were refused before they began are OVERLOADED with those that were refused later", () => {
  const statuses = { RESOURCE_EXHAUSTED: 1 };
  const reasons = { "RESOURCE_EXHAUSTED OVERLOADED": 1 };
  expect(endsOf({ ...nothing, statuses, reasons, refused: 4 }).failures).toEqual({ OVERLOADED: 5 });
});

test("as many calls as were under way may be cut off by the end of the load; more are failures", () => {
  expect(endsOf({ ...nothing, statuses: { OK: 1, CANCELLED: 16 } })).toEqual({ succeeded: 1, failures: {}, cutOff: 16 });
  expect(endsOf({ ...nothing, statuses: { CANCELLED: 20 } }).failures).toEqual({ CANCELLED: 4 });
});
