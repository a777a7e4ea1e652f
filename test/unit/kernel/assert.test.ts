import { expect, it } from "vitest";
import { assert, unreachable } from "../../../src/kernel/assert.ts";

it("assert names the invariant that does not hold", () => {
  expect(() => assert(false, "StateConsistency")).toThrow("StateConsistency");
  assert(true, "holds");
});

it("unreachable shows what was not expected", () => {
  expect(() => unreachable({ type: "odd" } as never)).toThrow('unreachable: {"type":"odd"}');
});
