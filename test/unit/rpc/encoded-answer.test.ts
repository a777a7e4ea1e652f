import { expect, test } from "vitest";
import { Rule } from "../../../src/gen/concord/predicate/v1/rule_set.ts";
import { encoded } from "../../../src/rpc/encoded-answer.ts";

test("what could not be encoded leaves nothing behind for the next message", () => {
  const wrong = { ruleId: "half", description: "written", version: "no number" as unknown as number };
  expect(() => encoded(Rule, wrong)).toThrow();
  expect(Rule.decode(encoded(Rule, { ruleId: "cold" }))).toEqual(Rule.fromPartial({ ruleId: "cold" }));
});
