import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ServerError, Status } from "nice-grpc-common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { applyCommand, diffCommand, exportCommand, rollbackCommand } from "../../../../src/cli/rule/rule-set.ts";
import type { ApplyRuleSetRequest, GetRuleSetRequest } from "../../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { RuleAction, RuleSetItemKind, RuleState } from "../../../../src/gen/concord/predicate/v1/rule_set.ts";
import { rpcError } from "../../../../src/rpc/errors.ts";
import { runCommand } from "../../../support/command.ts";
import { temporaryFolder } from "../../../support/concord.ts";
import { type Fakes, startRecordingServer } from "../../../support/recording-server.ts";

let folder: ReturnType<typeof temporaryFolder>;
let server: Awaited<ReturnType<typeof startRecordingServer>>;

const rulesFile = (): string => join(folder.path, "rules.yaml");

beforeEach(() => {
  folder = temporaryFolder();
  writeFileSync(
    rulesFile(),
    "rules:\n  - id: cold\n    expression: |\n      true &&\n        warm\nfacts:\n  - { name: f, expression: '1' }\n",
  );
});

afterEach(async () => {
  await server.server.shutdown(0);
  folder.remove();
});

const rule = (version: number) => ({
  item: {
    $case: "rule",
    value: { ruleId: "cold", version, expression: `${version} > 0`, state: RuleState.ACTIVE, action: RuleAction.DENY },
  },
});
const differences = [{ kind: RuleSetItemKind.RULE, name: "cold", before: rule(1), after: rule(2) }];

/** A rule set at revision 6, of which `cold` is different. */
const fakes: Fakes = {
  getRuleSet: () => ({ ruleSetRevision: 6n, items: [] }),
  applyRuleSet: () => ({ change: { ruleSetRevision: 7n, differences } }),
};

async function run(command: ReturnType<typeof applyCommand>, args: readonly string[], instead: Fakes = {}) {
  server = await startRecordingServer({ ...fakes, ...instead });
  const ran = await runCommand(command, ...args, "--address", server.address);
  const calls = server.calls.map(({ method, request }) => ({ method, request: request as Partial<ApplyRuleSetRequest> }));
  return { ...ran, calls };
}

const table = ["CHANGE   WHAT  NAME  VERSION", "changed  rule  cold  1 -> 2"];

describe("apply", () => {
  test("asks nobody where nobody is, and shows what is different", async () => {
    const { calls, out, code } = await run(applyCommand(), [rulesFile(), "--reason", "release 1", "--by", "ada"]);
    const request = { dryRun: false, expectedRevision: undefined, reason: "release 1", requestedBy: "ada" };
    expect(calls).toMatchObject([{ method: "applyRuleSet", request }]);
    expect(calls[0]?.request.requestId).not.toBe("");
    expect(calls[0]?.request.rules).toMatchObject([{ ruleId: "cold", expression: "true &&\n  warm\n" }]);
    expect({ code, lines: out.split("\n") }).toEqual({ code: 0, lines: [...table, "rule set revision 7", ""] });
  });

  test("a dry run has no request id, so that the same id can be used for what is done", async () => {
    const args = [rulesFile(), "--dry-run", "--request-id", "q", "--expected-revision", "6"];
    const { calls, out } = await run(applyCommand(), args);
    expect(calls).toMatchObject([{ request: { dryRun: true, requestId: "", expectedRevision: 6n } }]);
    expect(out).toContain("rule set revision 7, if it is done");
  });

  const attended = (agrees: boolean) => applyCommand({ isThere: () => true, agrees: () => Promise.resolve(agrees) });

  test("on a terminal does what was shown, if it is agreed to, and nothing if the rule set has changed meanwhile", async () => {
    const { calls, out, code } = await run(attended(true), [rulesFile()]);
    expect(calls.map(({ method, request }) => [method, request.dryRun, request.expectedRevision])).toEqual([
      ["getRuleSet", undefined, undefined],
      ["applyRuleSet", true, 6n],
      ["applyRuleSet", false, 6n],
    ]);
    const lines = [...table, "rule set revision 7, if it is done", "done: rule set revision 7", ""];
    expect({ code, lines: out.split("\n") }).toEqual({ code: 0, lines });
  });

  test("on a terminal does nothing if it is not agreed to", async () => {
    const { calls, err, code } = await run(attended(false), [rulesFile()]);
    expect(calls.map(({ request }) => request.dryRun)).toEqual([undefined, true]);
    expect({ code, err }).toEqual({ code: 1, err: "error: nothing was changed\n" });
  });

  test.each([{ flags: ["--yes"] }, { flags: ["-o", "json"] }])("on a terminal asks nothing with $flags", async ({ flags }) => {
    const { calls } = await run(attended(false), [rulesFile(), ...flags]);
    expect(calls).toMatchObject([{ request: { dryRun: false } }]);
  });

  test("on a terminal asks nothing if nothing is different", async () => {
    const { out } = await run(attended(false), [rulesFile()], { applyRuleSet: () => ({ change: { ruleSetRevision: 6n } }) });
    expect(out).toBe("nothing is different (rule set revision 6)\n");
  });

  test("an agreed change without an answer: a retry does that change, and asks nobody", async () => {
    const applyRuleSet: Fakes[string] = (_, { dryRun }: ApplyRuleSetRequest) =>
      dryRun ? fakes["applyRuleSet"]?.(_, {} as never) : Promise.reject(new ServerError(Status.DEADLINE_EXCEEDED, "too late"));
    const { code, err } = await run(attended(true), [rulesFile()], { applyRuleSet });
    expect(code).toBe(3);
    expect(err).toMatch(/retry with --request-id \S+ --expected-revision 6 --yes\n/);
  });

  test("what the server refuses is shown at its place in the file", async () => {
    const error = rpcError({
      code: Status.INVALID_ARGUMENT,
      reason: "RULE_INVALID",
      message: "two are wrong",
      metadata: { rule_id: "cold" },
      fields: [
        { field: 'rule "cold" expression', description: 'line 2, column 3: unknown name "warm"' },
        { field: 'fact "f" expression', description: "line 1, column 1: is no fact" },
        { field: "rules[0].moves[0]", description: "the lifecycle has no such move" },
      ],
    });
    const { code, err } = await run(applyCommand(), [rulesFile()], { applyRuleSet: () => Promise.reject(error) });
    expect({ code, lines: err.replaceAll(`${folder.path}/`, "").split("\n") }).toEqual({
      code: 1,
      lines: [
        "error: 3 problems",
        "  INVALID_ARGUMENT / RULE_INVALID",
        'rules.yaml:5:9: error: unknown name "warm"',
        "   5 |         warm",
        "     |         ^",
        "rules.yaml:7:29: error: is no fact",
        "   7 |   - { name: f, expression: '1' }",
        "     |                             ^",
        "rules.yaml:2:5: error: the lifecycle has no such move",
        "   2 |   - id: cold",
        "     |     ^",
        "",
      ],
    });
  });

  test("files that are wrong are told before a server is asked", async () => {
    writeFileSync(rulesFile(), "rules:\n  - { id: cold, expresion: 'true' }\n");
    const { code, err, calls } = await run(applyCommand(), [rulesFile()]);
    expect({ code, calls }).toEqual({ code: 1, calls: [] });
    expect(err).toContain('did you mean "expression"?');
  });
});

describe("apply of files without a rule", () => {
  const only = (text: string): void => writeFileSync(rulesFile(), text);
  const refusal = (): string =>
    `error: ${rulesFile()}: there is no rule in it, so all rules would judge no more; --empty says that it is meant\n`;

  test("that describe nothing: is refused, and nobody is asked", async () => {
    only("# nothing yet\n");
    const { calls, err, code } = await run(applyCommand(), [rulesFile(), "--yes"]);
    expect({ calls, err, code }).toEqual({ calls: [], err: refusal(), code: 1 });
  });

  test("is refused if a rule would be gone", async () => {
    only("facts: [{ name: f, expression: '1' }]\n");
    const { calls, err, code } = await run(applyCommand(), [rulesFile()]);
    expect(calls).toMatchObject([{ request: { dryRun: true } }]);
    expect({ err, code }).toEqual({ err: refusal(), code: 1 });
  });

  test("is done if there is no rule to be gone", async () => {
    only("facts: [{ name: f, expression: '1' }]\n");
    const added = [{ kind: RuleSetItemKind.FACT, name: "f" }];
    const instead = { applyRuleSet: () => ({ change: { ruleSetRevision: 7n, differences: added } }) };
    const { calls, code } = await run(applyCommand(), [rulesFile()], instead);
    expect(calls.map(({ request }) => request.dryRun)).toEqual([true, false]);
    expect(code).toBe(0);
  });

  test.each([
    { flag: "--empty", dryRun: false },
    { flag: "--dry-run", dryRun: true },
  ])("is done, or shown, with $flag", async ({ flag, dryRun }) => {
    only("");
    const { calls, code } = await run(applyCommand(), [rulesFile(), flag]);
    expect(calls).toMatchObject([{ method: "applyRuleSet", request: { dryRun, rules: [] } }]);
    expect(code).toBe(0);
  });
});

describe("diff", () => {
  test("shows what is different, changes nothing, and exits with 1 only if that is asked for", async () => {
    const { calls, out, code } = await run(diffCommand(), [rulesFile()]);
    expect(calls).toMatchObject([{ method: "applyRuleSet", request: { dryRun: true, requestId: "" } }]);
    expect({ code, lines: out.split("\n") }).toEqual({
      code: 0,
      lines: [
        ...table,
        "",
        "rule cold",
        "--- version 1",
        "+++ version 2",
        "@@ -1,2 +1,2 @@",
        " id: cold",
        "-expression: 1 > 0",
        "+expression: 2 > 0",
        "rule set revision 7, if it is done",
        "",
      ],
    });
    await server.server.shutdown(0);
    expect(await run(diffCommand(), [rulesFile(), "--exit-code"])).toMatchObject({ code: 1, err: "" });
    await server.server.shutdown(0);
    const same = { applyRuleSet: () => ({ change: { ruleSetRevision: 6n } }) };
    expect(await run(diffCommand(), [rulesFile(), "--exit-code"], same)).toMatchObject({ code: 0 });
  });
});

test("rollback shows what it has made different, and -o json the entry of the history", async () => {
  const instead = { rollbackRuleSet: () => ({ change: { ruleSetRevision: 7n, differences } }) };
  const { out, calls } = await run(rollbackCommand(), ["--to", "3"], instead);
  expect(calls).toMatchObject([{ request: { revision: 3n, dryRun: false } }]);
  expect(out.split("\n")).toEqual([...table, "rule set revision 7", ""]);
  await server.server.shutdown(0);
  const { out: json } = await run(rollbackCommand(), ["--to", "3", "-o", "json"], instead);
  expect(JSON.parse(json)).toMatchObject({ ruleSetRevision: "7", differences: [{ name: "cold" }] });
});

test("export reads all pages, and prints a rule file", async () => {
  const getRuleSet: Fakes[string] = (_, { pageToken, revision }: GetRuleSetRequest) =>
    pageToken === ""
      ? { items: [rule(1)], nextPageToken: "next", ruleSetRevision: revision }
      : { items: [{ item: { $case: "fact", value: { name: "f", expression: "a &&\nb" } } }], ruleSetRevision: revision };
  const { out, calls } = await run(exportCommand(), ["--revision", "4"], { getRuleSet });
  expect(calls.map(({ request }) => request)).toMatchObject([{ revision: 4n }, { revision: 4n, pageToken: "next" }]);
  expect(out).toBe("facts:\n  - name: f\n    expression: |-\n      a &&\n      b\nrules:\n  - id: cold\n    expression: 1 > 0\n");
});
