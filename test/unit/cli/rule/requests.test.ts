import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ServerError, Status } from "nice-grpc-common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ruleCommand } from "../../../../src/cli/rule.ts";
import type {
  ActivateRuleRequest,
  CreateRuleRequest,
  GetRuleRequest,
  UpdateRuleRequest,
} from "../../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import type { Rule } from "../../../../src/gen/concord/predicate/v1/rule_set.ts";
import { rpcError } from "../../../../src/rpc/errors.ts";
import { runCommand } from "../../../support/command.ts";
import { temporaryFolder } from "../../../support/concord.ts";
import { type Fakes, startRecordingServer } from "../../../support/recording-server.ts";

// What the commands ask for, of a server that keeps one rule.

let folder: ReturnType<typeof temporaryFolder>;
let server: Awaited<ReturnType<typeof startRecordingServer>>;

const newest: Partial<Rule> = {
  ruleId: "cold",
  version: 3,
  latestVersion: 3,
  activeVersion: 2,
  description: "keeps it cold",
  moves: [{ fromState: "WORKFLOW_STATE_ACTIVE", toState: "WORKFLOW_STATE_COMPLETED" }],
  workflowTypes: ["sample"],
  condition: "true",
  expression: "1 < 2",
  message: "'no'",
  priority: 9,
  action: "RULE_ACTION_WARN",
};

const written = {
  description: newest.description,
  moves: newest.moves,
  workflowTypes: newest.workflowTypes,
  condition: newest.condition,
  expression: newest.expression,
  message: newest.message,
  priority: newest.priority,
  action: newest.action,
};

const fakes: Fakes = {
  getRule: (_, { version }: GetRuleRequest) => ({ rule: { ...newest, version: version || 3 } }),
  createRule: (_, { ruleId, expression }: CreateRuleRequest) => ({ rule: { ruleId, expression, version: 1, latestVersion: 1 } }),
  updateRule: (_, request: UpdateRuleRequest) => ({ rule: { ...newest, ...request, version: 4, latestVersion: 4 } }),
  activateRule: (_, { version }: ActivateRuleRequest) => ({ rule: { ...newest, version, activeVersion: version } }),
  shadowRule: () => ({ rule: newest }),
};

beforeEach(() => {
  folder = temporaryFolder();
});

afterEach(async () => {
  await server.server.shutdown(0);
  folder.remove();
});

async function run(args: readonly string[], instead: Fakes = {}) {
  server = await startRecordingServer({ ...fakes, ...instead });
  const ran = await runCommand(ruleCommand(), ...args, "--address", server.address);
  return { ...ran, calls: server.calls.map(({ method, request }) => ({ method, request })) };
}

function file(name: string, text: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

describe("create", () => {
  test("gives every field; what is not given is empty, and the rule denies", async () => {
    const { calls } = await run(["create", "r", "true", "--by", "ada"]);
    const bare = { description: "", moves: [], workflowTypes: [], condition: "", message: "", priority: 0 };
    expect(calls).toMatchObject([
      {
        method: "createRule",
        request: { ...bare, ruleId: "r", expression: "true", action: "RULE_ACTION_DENY", requestedBy: "ada" },
      },
    ]);
    await server.server.shutdown(0);
    const all = [
      "--move",
      "active:completed",
      "--move",
      "*:CANCELLED",
      "--type",
      "sample",
      "--type",
      "plate",
      "--condition",
      "c",
    ];
    const more = ["--message", "m", "--priority", "-7", "--action", "audit", "--description", "d"];
    const { calls: full } = await run(["create", "r", "true", ...all, ...more]);
    expect(full[0]?.request).toMatchObject({
      description: "d",
      moves: [written.moves?.[0], { fromState: "WORKFLOW_STATE_UNSPECIFIED", toState: "WORKFLOW_STATE_CANCELLED" }],
      workflowTypes: ["sample", "plate"],
      condition: "c",
      message: "m",
      priority: -7,
      action: "RULE_ACTION_AUDIT",
    });
  });

  test("reads an expression from a file, with its lines as they are", async () => {
    const { calls } = await run(["create", "r", "--file", file("r.cel", "\n true &&\n false\n")]);
    expect(calls[0]?.request).toMatchObject({ expression: "\n true &&\n false" });
  });

  test("activates the version that it has made, with an id that a retry of both leads to", async () => {
    const { calls } = await run(["create", "r", "true", "--activate", "--request-id", "q"]);
    await server.server.shutdown(0);
    const { calls: again } = await run(["create", "r", "true", "--activate", "--request-id", "q"]);
    expect(calls).toEqual(again);
    const [created, activated] = calls.map(({ request }) => request as { requestId: string });
    expect(activated).toMatchObject({ ruleId: "r", version: 1 });
    expect(created?.requestId).toBe("q");
    expect(activated?.requestId).not.toBe("q");
  });

  const draft = { rule: { ruleId: "r", version: 1, latestVersion: 1, state: "RULE_STATE_DRAFT" } };
  const testsFailed = rpcError({
    code: Status.FAILED_PRECONDITION,
    reason: "RULE_TESTS_FAILED",
    message: "test a would fail",
    metadata: { failed: "1", total: "2" },
    preconditions: [{ type: "TEST", subject: "a", description: "expected it to be allowed" }],
  });

  test("says what is stored, and what can be done, if the activation is refused", async () => {
    const instead = { createRule: () => draft, activateRule: () => Promise.reject(testsFailed) };
    const { code, out, err } = await run(["create", "r", "false", "--activate"], instead);
    expect({ code, out, lines: err.split("\n") }).toEqual({
      code: 1,
      out: "",
      lines: [
        'error: rule "r" is stored as a draft, version 1; it was not activated:',
        "  1 of 2 tests would fail; what judges is as it was",
        "  FAILED_PRECONDITION / RULE_TESTS_FAILED",
        "  a: expected it to be allowed",
        "  concord rule activate r: it judges as it is stored",
        "  concord rule update r --activate: it is mended, and judges",
        "  concord rule delete r: it is removed",
        "",
      ],
    });
  });

  test("says so too of a refusal that has no words of its own here", async () => {
    const limit = rpcError({ code: Status.RESOURCE_EXHAUSTED, reason: "RULE_LIMIT_REACHED", message: "1,000 rules judge" });
    const instead = { createRule: () => draft, activateRule: () => Promise.reject(limit) };
    const { code, err } = await run(["create", "r", "false", "--activate"], instead);
    expect(code).toBe(1);
    expect(err).toMatch(/^error: rule "r" is stored as a draft, .*:\n {2}1,000 rules judge\n/);
  });

  test("an activation without an answer is asked again with the same id, and says nothing of what is stored", async () => {
    const unanswered = () => Promise.reject(new ServerError(Status.DEADLINE_EXCEEDED, "too late"));
    const { code, err } = await run(["create", "r", "true", "--activate", "--request-id", "q"], { activateRule: unanswered });
    expect(code).toBe(3);
    expect(err).toContain("retry with --request-id q\n");
    expect(err).not.toContain("is stored");
  });

  test("without --activate a refusal is told as ever", async () => {
    const { err } = await run(["create", "r", "true"], { createRule: () => Promise.reject(testsFailed) });
    expect(err).toMatch(/^error: 1 of 2 tests would fail/);
  });

  test.each([
    { args: ["r"], says: "give the expression as an argument, or a file with --file" },
    { args: ["r", "--file", "/no/such/file"], says: "cannot read /no/such/file: ENOENT" },
  ])("without an expression asks for nothing: $says", async ({ args, says }) => {
    expect(await run(["create", ...args])).toMatchObject({ code: 1, err: `error: ${says}\n`, calls: [] });
  });
});

describe("update", () => {
  test("keeps what is not given, and names the version that it changes", async () => {
    const { calls } = await run(["update", "cold", "2 < 3"]);
    expect(calls).toMatchObject([
      { method: "getRule", request: { ruleId: "cold", version: 0 } },
      { method: "updateRule", request: { ...written, ruleId: "cold", expression: "2 < 3", expectedVersion: 3 } },
    ]);
  });

  test.each([
    { args: ["--action", "deny"], changed: { action: "RULE_ACTION_DENY" } },
    { args: ["--message", "", "--condition", ""], changed: { message: "", condition: "" } },
    { args: ["--type", "*"], changed: { workflowTypes: [] } },
    { args: ["--type", "plate"], changed: { workflowTypes: ["plate"] } },
    {
      args: ["--move", "*:*"],
      changed: { moves: [{ fromState: "WORKFLOW_STATE_UNSPECIFIED", toState: "WORKFLOW_STATE_UNSPECIFIED" }] },
    },
    { args: ["--priority", "0", "--description", ""], changed: { priority: 0, description: "" } },
  ])("changes only what is given: $args", async ({ args, changed }) => {
    const { calls } = await run(["update", "cold", ...args]);
    expect(calls[1]?.request).toMatchObject({ ...written, ...changed });
  });

  test("activates the new version", async () => {
    const { calls, out } = await run(["update", "cold", "2 < 3", "--activate"]);
    expect(calls[2]).toMatchObject({ method: "activateRule", request: { ruleId: "cold", version: 4 } });
    expect(out).toMatch(/^version: +4/m);
  });

  test("says which version is stored, if its activation is refused; what judges is no draft to be deleted", async () => {
    const refusal = rpcError({ code: Status.FAILED_PRECONDITION, reason: "RULE_STATE", message: "no" });
    const stored = { rule: { ...newest, version: 4, latestVersion: 4, state: "RULE_STATE_ACTIVE" } };
    const instead = { updateRule: () => stored, activateRule: () => Promise.reject(refusal) };
    const { code, err } = await run(["update", "cold", "2 < 3", "--activate"], instead);
    expect(code).toBe(1);
    expect(err).toMatch(/^error: rule "cold" is stored as version 4; it was not activated:\n {2}no\n/);
    expect(err).not.toContain("concord rule delete");
  });

  test("without an answer says how a retry asks for the same, also when there is a newer version by then", async () => {
    const unanswered = () => Promise.reject(new ServerError(Status.DEADLINE_EXCEEDED, "too late"));
    const { code, err, calls } = await run(["update", "cold", "2 < 3"], { updateRule: unanswered });
    expect(code).toBe(3);
    const [, flags = ""] = /retry with (.*)\n/.exec(err) ?? [];
    expect(err).toContain("outcome unknown: concord rule get cold");
    expect(flags).toMatch(/^--request-id \S+ --expected-version 3$/);
    await server.server.shutdown(0);
    const newer = (_: unknown, { version }: GetRuleRequest) => ({ rule: { ...newest, version: version || 9 } });
    const { calls: again } = await run(["update", "cold", "2 < 3", ...flags.split(" ")], { getRule: newer });
    expect(again[1]).toEqual(calls[1]);
  });
});

describe("a dry run", () => {
  const diagnostics = [
    { severity: "DIAGNOSTIC_SEVERITY_ERROR", field: "expression", line: 2, column: 2, message: "unknown name" },
    { severity: "DIAGNOSTIC_SEVERITY_WARNING", field: "condition", line: 1, column: 1, message: "always true" },
    { severity: "DIAGNOSTIC_SEVERITY_WARNING", message: "says the same as another", relatedRuleIds: ["cold", "cool"] },
  ];

  test("asks what is to be said of the rule, stores nothing, and exits with 1 if it could not be stored", async () => {
    const args = ["update", "cold", "true &&\n tru", "--dry-run"];
    const { calls, out, code } = await run(args, { checkRule: () => ({ diagnostics }) });
    expect(calls.map(({ method }) => method)).toEqual(["getRule", "checkRule"]);
    expect(calls[1]?.request).toMatchObject({ rule: { ...written, ruleId: "cold", expression: "true &&\n tru" } });
    expect({ code, lines: out.split("\n") }).toEqual({
      code: 1,
      lines: [
        "expression:2:2: error: unknown name",
        "   2 |  tru",
        "     |  ^",
        "condition:1:1: warning: always true",
        "   1 | true",
        "     | ^",
        "cold: warning: says the same as another; see cool",
        "1 error, 2 warnings",
        "",
      ],
    });
  });

  test.each([
    { costMax: 9n, most: "9 units" },
    { costMax: 0n, most: "as much as the data makes it cost" },
  ])("says what an evaluation costs: $most", async ({ costMax, most }) => {
    const { calls, out, code } = await run(["create", "r", "true", "--dry-run"], { checkRule: () => ({ costMin: 2n, costMax }) });
    expect(calls).toMatchObject([{ method: "checkRule", request: { rule: { ruleId: "r", expression: "true" } } }]);
    expect({ code, out }).toEqual({
      code: 0,
      out: `0 errors, 0 warnings\nan evaluation costs at least 2 units, at most ${most}\n`,
    });
  });
});

describe("shadow", () => {
  test.each([
    { args: [], version: 3 },
    { args: ["--version", "1"], version: 1 },
    { args: ["--end"], version: 0 },
  ])("$args is version $version", async ({ args, version }) => {
    const { calls } = await run(["shadow", "cold", ...args]);
    expect(calls.at(-1)).toMatchObject({ method: "shadowRule", request: { ruleId: "cold", version } });
  });
});

test.each([
  { args: ["activate", "cold"], method: "activateRule", request: { ruleId: "cold", version: 0 } },
  { args: ["activate", "cold", "--version", "2"], method: "activateRule", request: { ruleId: "cold", version: 2 } },
  { args: ["deactivate", "cold"], method: "deactivateRule", request: { ruleId: "cold" } },
  { args: ["deprecate", "cold"], method: "deprecateRule", request: { ruleId: "cold" } },
  { args: ["delete", "cold"], method: "deleteRule", request: { ruleId: "cold" } },
  {
    args: ["rollback", "--to", "4", "--dry-run"],
    method: "rollbackRuleSet",
    request: { revision: 4n, dryRun: true, requestId: "" },
  },
  {
    args: ["fact", "set", "f", "1"],
    method: "setRuleSetItem",
    request: { item: { $case: "fact", value: { name: "f", expression: "1" } } },
  },
  { args: ["fact", "delete", "f"], method: "deleteRuleSetItem", request: { kind: "RULE_SET_ITEM_KIND_FACT", name: "f" } },
  {
    args: ["type", "delete", "t"],
    method: "deleteRuleSetItem",
    request: { kind: "RULE_SET_ITEM_KIND_WORKFLOW_TYPE", name: "t" },
  },
  { args: ["history", "cold"], method: "listRuleSetChanges", request: { name: "cold", pageSize: 100 } },
  { args: ["export", "--revision", "4"], method: "getRuleSet", request: { revision: 4n } },
  { args: ["get", "cold", "--version", "2"], method: "getRule", request: { ruleId: "cold", version: 2 } },
  { args: ["get", "cold", "--versions"], method: "listRuleVersions", request: { ruleId: "cold" } },
])("concord rule $args asks $method", async ({ args, method, request }) => {
  const { calls } = await run(args, { getRule: () => Promise.reject(new ServerError(Status.NOT_FOUND, "none")) });
  expect(calls).toMatchObject([{ method, request }]);
});

describe("type set", () => {
  test("reads the schema from a file", async () => {
    const { calls } = await run(["type", "set", "t", "--schema", file("s.json", '{"type":"object"}'), "--description", "d"]);
    const value = { name: "t", description: "d", metadataSchema: { type: "object" } };
    expect(calls[0]?.request).toMatchObject({ item: { $case: "workflowType", value } });
  });

  test.each([
    { text: "{", says: /s\.json: Expected property name/ },
    { text: "[]", says: /s\.json: must be a JSON object/ },
  ])("asks for nothing with a schema that is none: $text", async ({ text, says }) => {
    const { code, err, calls } = await run(["type", "set", "t", "--schema", file("s.json", text)]);
    expect({ code, calls }).toEqual({ code: 1, calls: [] });
    expect(err).toMatch(says);
  });
});

describe("check and explain", () => {
  const workflow = { workflowId: "w", state: "WORKFLOW_STATE_ACTIVE", version: 7n };
  const lastEvent = { sequence: 12n, workflowId: "w", version: 7n, requestedBy: "bob" };
  const verdict = { judgement: "JUDGEMENT_RULE_DENIED", ruleSetRevision: 3n };
  const about: Fakes = {
    getWorkflow: () => ({ workflow }),
    // A page may be empty while more follow.
    listWorkflowEvents: (_, { pageToken }: { readonly pageToken: string }) =>
      pageToken === "" ? { nextPageToken: "more" } : { events: [lastEvent] },
    validateTransition: () => ({ verdict }),
    explainTransition: () => ({ verdict }),
  };

  test.each(["check", "explain"])("%s asks as the workflow manager would: with the last event", async (verb) => {
    const args = ["--by", "ada", "--reason", "r", "--context", '{"a":1}', "--min-revision", "2", "--as", "spiffe://lab/ada"];
    const { calls, code } = await run([verb, "w", "completed", ...args], about);
    expect(calls.slice(1, 3)).toMatchObject(
      ["", "more"].map((pageToken) => ({ request: { workflowId: "w", filter: "event.version == 7", pageToken } })),
    );
    const targetState = "WORKFLOW_STATE_COMPLETED";
    const proved = { authenticatedAs: "spiffe://lab/ada" };
    const check = { workflow, lastEvent, targetState, requestedBy: "ada", ...proved, reason: "r", context: { a: 1 } };
    expect(calls.at(-1)?.request).toMatchObject({ check, minRevision: 2n });
    expect(code).toBe(1);
  });

  test("explain asks about the rules that are named", async () => {
    const { calls } = await run(["explain", "w", "COMPLETED", "--rule", "a", "--rule", "b"], about);
    expect(calls.at(-1)).toMatchObject({ method: "explainTransition", request: { ruleIds: ["a", "b"] } });
  });
});
