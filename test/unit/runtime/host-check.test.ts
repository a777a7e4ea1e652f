import { expect, test } from "vitest";
import { createHostCheck } from "../../../src/runtime/host-check.ts";

test("who listens at a unix socket takes names of this machine only", () => {
  const isMeantForUs = createHostCheck("unix:/run/concord.sock", []);
  expect([isMeantForUs("localhost"), isMeantForUs("rebound.example")]).toEqual([true, false]);
});

test.each([
  ["127.0.0.1", [], "localhost:50080", true],
  ["127.0.0.1", [], "127.9.9.9", true],
  ["[::1]", [], "[::1]:50080", true],
  ["localhost", [], "a.localhost", true],
  ["127.0.0.1", [], "rebound.example", false],
  ["127.0.0.1", [], "127.0.0.1.example", false],
  ["127.0.0.1", [], undefined, false],
  ["127.0.0.1", ["Concord.example"], "concord.EXAMPLE:443", true],
  ["127.0.0.1", ["concord.example"], "other.example", false],
  ["127.0.0.1", ["*"], "other.example", true],
  ["0.0.0.0", [], "other.example", true],
  ["10.0.0.7", [], "other.example", true],
])("who listens on %s, with %j, takes %s: %s", (listen, allowed, header, expected) => {
  expect(createHostCheck(`${listen}:50080`, allowed)(header)).toBe(expected);
});
