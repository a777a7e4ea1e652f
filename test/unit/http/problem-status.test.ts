import { Status } from "nice-grpc-common";
import { expect, test } from "vitest";
import { statusOf, statusOfReason } from "../../../src/http/problem-status.ts";
import { registry } from "../../../src/rpc/descriptors.ts";

const reasons = (registry.getEnum("concord.error.v1.ErrorReason")?.values ?? [])
  .filter(({ number }) => number !== 0)
  .map(({ name }) => name.replace("ERROR_REASON_", ""));

test("every reason has a status, and nothing else has", () => {
  expect(Object.keys(statusOfReason).toSorted()).toEqual(reasons.toSorted());
});

test("what has no reason has the status of its code, and what is not known is a defect", () => {
  expect(statusOf({ reason: undefined, code: Status.UNIMPLEMENTED })).toBe(501);
  expect(statusOf({ reason: "NOT_HEARD_OF", code: Status.UNAVAILABLE })).toBe(503);
  expect(statusOf({ reason: undefined, code: Status.DATA_LOSS })).toBe(500);
});
