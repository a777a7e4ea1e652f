import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { type Answer, typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// `concord rule verdicts` and `concord rule replay` as an operator types them.

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, verdictLogInput: "whole" });
  await concord("workflow", "create", "wf-1", "--metadata", '{"celsius": 9.5}');
  await concord("workflow", "transition", "wf-1", "ACTIVE");
  const cold = ["cold", "workflow.metadata.celsius < 8.0", "--move", "ACTIVE:COMPLETED", "--message", "'too warm'"];
  await concord("rule", "create", ...cold, "--activate");
  await concord("workflow", "transition", "wf-1", "COMPLETED", "--by", "ada");
  await until(async () => (await concord("rule", "verdicts")).out.includes("wf-1"), "the denial is written down");
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const concord = (...args: readonly string[]): Promise<Answer> => typed(args, { address: server.address });

test("verdicts says what was decided, and about what; as JSON, all of it", async () => {
  const { code, out } = await concord("rule", "verdicts", "--rule", "cold", "--workflow", "wf-1");
  expect(code).toBe(0);
  expect(out).toMatch(/^SEQUENCE +JUDGED +WORKFLOW +MOVE +JUDGEMENT +BY +RULES$/m);
  expect(out).toMatch(/^1 +\S+Z +wf-1 +ACTIVE:COMPLETED +RULE_DENIED +ada +cold$/m);
  const json = JSON.parse((await concord("rule", "verdicts", "-o", "json")).out) as Record<string, unknown>;
  expect(json).toMatchObject({
    sequence: "1",
    verdict: { judgement: "JUDGEMENT_RULE_DENIED", violations: [{ ruleId: "cold", message: "too warm" }] },
    input: { workflow: { metadata: { celsius: 9.5 } } },
  });
  expect((await concord("rule", "verdicts", "--filter", 'verdict.judgement == "ALLOWED"')).out).not.toContain("wf-1");
});

test("impact says what a change would have made of what was judged", async () => {
  const { out } = await concord("rule", "impact", "cold", "--deactivate", "--recorded", "10");
  expect(out).toContain("looked at 1 moves that were judged before, beside rule set revision 1\n");
  expect(out).toMatch(/^1 +newly allowed +ACTIVE:COMPLETED +-$/m);
});

test("replay says what would be otherwise, before and after, and exits with 1 then", async () => {
  const same = await concord("rule", "replay");
  expect(same).toMatchObject({ code: 0, out: "1 judged by rule set revision 1, 0 would be otherwise\n" });
  const { code, out } = await concord("rule", "replay", "--revision", "0", "--limit", "10");
  expect(code).toBe(1);
  expect(out).toMatch(/^1 \S+Z wf-1 ACTIVE:COMPLETED$/m);
  expect(out).toMatch(/^- RULE_DENIED \(rule set revision 1, cost \d+\)$/m);
  expect(out).toContain("- denied by cold (version 1): too warm".replace("- ", "-   "));
  expect(out).toMatch(/^\+ ALLOWED \(rule set revision 0, cost 0\)$/m);
  expect(out).toMatch(/^1 judged by rule set revision 0, 1 would be otherwise$/m);
  const json = await concord("rule", "replay", "--revision", "0", "-o", "json");
  const lines = json.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toMatchObject([
    { difference: { record: { workflowId: "wf-1" } } },
    { progress: { judged: "1", complete: true } },
  ]);
});
