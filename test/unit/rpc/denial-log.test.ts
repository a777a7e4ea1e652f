import { pino } from "pino";
import { expect, test } from "vitest";
import { createDenialLog, createFailureLog } from "../../../src/rpc/denial-log.ts";
import { allowed, denied, violationOf } from "../../support/verdict-values.ts";

const call = { origin: { requestId: "r-1" }, peer: "127.0.0.1:5" } as unknown as Parameters<
  ReturnType<typeof createFailureLog>
>[1];

function world() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  let nowMs = 0;
  return {
    lines,
    pass: (ms: number) => {
      nowMs += ms;
    },
    failures: createFailureLog(logger, () => nowMs),
    denials: createDenialLog(logger, () => nowMs),
  };
}

const failed = (ruleId: string) => ({ ...violationOf(ruleId, "no such field"), evaluationFailed: true });

test("a rule that cannot be evaluated is told with the id of the call that waits for the verdict; with this call's, where none is known", () => {
  const known = ["a", "b", "", "\u0007", undefined].map((callId) => {
    const { lines, failures } = world();
    failures([allowed(), denied(failed("broken"))], call, callId === undefined ? [] : ["other", callId]);
    return lines[0]?.["request"];
  });
  expect(known).toEqual(["a", "b", "r-1", "r-1", "r-1"]);
});

test("a rule that cannot be evaluated is one line in a minute, whatever calls come; others have their own", () => {
  const { lines, failures, pass } = world();
  const verdicts = [denied(failed("broken"), violationOf("cold")), denied(failed("broken")), allowed()];
  for (let count = 0; count < 50; count += 1) failures(verdicts, call);
  failures([denied(failed("other"))], call);
  const line = { rule: "broken", ruleSetRevision: 4, why: "no such field", msg: "rule failed, and denies", request: "r-1" };
  expect(lines).toEqual([
    expect.objectContaining({ ...line, peer: "127.0.0.1:5" }),
    expect.objectContaining({ ...line, rule: "other" }),
  ]);
  pass(60_000);
  failures(verdicts, call);
  expect(lines.at(-1)).toMatchObject({ rule: "broken", leftOut: 49 });
});

test("a denial names its rules, ten of them, and the rule set; the same first rule has 100 lines in a minute", () => {
  const { lines, denials } = world();
  const subject = { workflow: "w", target: "COMPLETED", refused: "RULE_DENIED" };
  denials(subject, denied(violationOf("cold"), violationOf("qc")), call);
  expect(lines).toEqual([
    expect.objectContaining({ ...subject, rules: ["cold", "qc"], ruleSetRevision: 4, request: "r-1", msg: "transition refused" }),
  ]);
  expect(lines[0]).not.toHaveProperty("moreRules");
  const many = denied(...Array.from({ length: 25 }, (_, index) => violationOf(`rule-${index}`)));
  for (let count = 0; count < 150; count += 1) denials(subject, many, call);
  expect(lines).toHaveLength(101);
  expect(lines.at(-1)).toMatchObject({ moreRules: 15 });
  expect(lines.at(-1)?.["rules"]).toHaveLength(10);
});
