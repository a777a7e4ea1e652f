import { expect, it } from "vitest";
import { assert, onViolation, unreachable } from "../../../src/kernel/assert.ts";

it("assert names the invariant that does not hold", () => {
  expect(() => assert(false, "StateConsistency")).toThrow("StateConsistency");
  assert(true, "holds");
});

it("unreachable shows what was not expected", () => {
  expect(() => unreachable({ type: "odd" } as never)).toThrow('unreachable: {"type":"odd"}');
});

it("a violation is told also if somebody catches it, until it is not listened for any more", () => {
  const told: string[] = [];
  const stop = onViolation(({ message }) => told.push(message));
  expect(() => assert(false, "StateConsistency")).toThrow();
  stop();
  expect(() => assert(false, "VersionMonotonicity")).toThrow();
  expect(told).toEqual(["StateConsistency"]);
});
