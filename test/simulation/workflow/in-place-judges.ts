import { err, ok } from "../../../src/kernel/result.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import type { Judges } from "../../../src/predicate/judges.ts";

/** What threads would judge, on the loop: a world has one thread, and its rules cost little. */
export const inPlaceJudges: Judges = {
  prepare() {},
  judge: async (ruleSet, checks) => ok(checks.map((check) => judge(ruleSet, check))),
  explain: async () => err({ type: "overloaded", what: "checks", limit: 0 }),
  close: async () => {},
};
