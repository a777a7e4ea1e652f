import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileFiles } from "../../src/cli/rule-files/compile.ts";
import { coverageLines } from "../../src/cli/rule-files/coverage-report.ts";
import { lintWarnings } from "../../src/cli/rule-files/lint.ts";
import { runTests } from "../../src/cli/rule-files/run.ts";
import { readRuleFiles } from "../../src/cli/rule-files.ts";
import { RuleTest } from "../../src/gen/concord/predicate/v1/rule_set.ts";
import { Judgement } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

// examples/laboratory: the rule set of a realistic case, without a server and with one.

const example = new URL("../../examples/laboratory/", import.meta.url);

function laboratory() {
  const files = readRuleFiles([fileURLToPath(new URL("rules", example))]);
  if (!files.ok) throw new Error(JSON.stringify(files.error));
  return { files: files.value, ...compileFiles(files.value) };
}

const by = { reason: "quality control", requestedBy: "head of laboratory", dryRun: false };

describe("without a server", () => {
  test("there is nothing to mend, and nothing to warn of", () => {
    const { files, ruleSet, problems } = laboratory();
    expect([...problems, ...lintWarnings(files, ruleSet)]).toEqual([]);
    expect(ruleSet.contents.active.length + ruleSet.contents.shadow.length).toBeGreaterThanOrEqual(12);
  });

  test("each test passes; each rule is seen holding and not holding, and every branch true and false", () => {
    const { files, ruleSet } = laboratory();
    const { results, coverage } = runTests(ruleSet, () => files.placeOf(""), { branches: true });
    expect(results.filter(({ why }) => why !== undefined)).toEqual([]);
    expect(results.length).toBeGreaterThanOrEqual(25);
    expect(coverage.filter(({ counts }) => counts.HOLDS === 0 || counts.DOES_NOT_HOLD === 0)).toEqual([]);
    expect(coverageLines(coverage, () => files.placeOf(""))).toHaveLength(1 + coverage.length);
  });

  test("its page has the table of its rules", () => {
    const page = readFileSync(new URL("README.md", example), "utf8");
    for (const { ruleId } of laboratory().files.rules) expect(page).toContain(`\`${ruleId}\``);
  });
});

describe("with a server", () => {
  const data = temporaryFolder();
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ dataDir: data.path });
  });
  afterAll(async () => {
    await server.stop();
    data.remove();
  });

  test("it is applied whole; again, it changes nothing; a test that fails keeps it as it is, with the words of `rule test`", async () => {
    const { files } = laboratory();
    const { placeOf, ...parts } = files;
    const apply = (tests: readonly RuleTest[]) =>
      server.clients.predicates.applyRuleSet({ ...parts, ...by, tests, requestId: "" });
    expect((await apply(files.tests)).change?.ruleSetRevision).toBe(1n);
    expect((await apply(files.tests)).change).toMatchObject({ ruleSetRevision: 1n, differences: [] });

    const wrong = files.tests.map((each) =>
      each.name === "a warm sample is refused"
        ? RuleTest.fromPartial({ ...each, expect: { judgement: Judgement.ALLOWED } })
        : each,
    );
    const { reason, preconditions } = await failureOf(apply(wrong));
    const offline = runTests(compileFiles({ ...files, tests: wrong }).ruleSet, () => placeOf("")).results.find(({ why }) => why);
    expect(reason).toBe("RULE_TESTS_FAILED");
    expect(preconditions).toMatchObject([{ subject: offline?.name, description: offline?.why }]);
    expect(offline?.why).toBe(
      'expected it to be allowed, but it was denied by "cold-chain" (arrived at 8.1 °C, must be 2 to 8 °C)',
    );
  });
});
