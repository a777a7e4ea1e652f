import { Status } from "nice-grpc-common";
import { expect, test } from "vitest";
import { overloaded, rpcError } from "../../../src/rpc/errors.ts";
import { createMoving } from "../../bench/moving.ts";
import { reasonOf } from "../../bench/reason.ts";

const create = () => createMoving(2, async () => false);

test("a workflow that was moved goes to where it was not, and one that was refused for want of room is as it was", async () => {
  const moving = create();
  expect(await moving.move(1, undefined, async ([index]) => index)).toBe(0);
  const refusal = overloaded(1, "calls at once");
  await expect(moving.move(1, undefined, () => Promise.reject(refusal))).rejects.toBe(refusal);
  expect([moving.isActive(0), moving.isActive(1)]).toEqual([false, true]);
  expect(await moving.move(2, undefined, async (taken) => taken)).toEqual([0, 1]);
});

test("what may have been moved is nobody's until it was looked at", async () => {
  const moving = create();
  const failure = new Error("its caller has left");
  await expect(moving.move(1, undefined, () => Promise.reject(failure))).rejects.toBe(failure);
  await expect(moving.move(2, undefined, async () => undefined)).rejects.toThrow("no workflow is left");
  expect(await moving.move(1, undefined, async ([index]) => index)).toBe(1);
});

test("a failure's reason is Concord's own, with its status", () => {
  const denied = rpcError({ code: Status.FAILED_PRECONDITION, reason: "RULE_DENIED", message: "no" });
  expect(reasonOf(denied)).toBe("FAILED_PRECONDITION RULE_DENIED");
  expect(reasonOf(new Error("no"))).toBeUndefined();
});
