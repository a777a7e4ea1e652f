import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { runConcord, type Server, serve } from "../support/process.ts";
import { type Answer, typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// The life of rules as an operator types it, against a real server: what it prints, and what a script can branch on.

const data = temporaryFolder();
const rules = join(data.path, "rules");
let server: Server;

beforeAll(async () => {
  mkdirSync(rules);
  server = await serve(join(data.path, "server"));
});

afterAll(async () => {
  await server.kill();
  data.remove();
});

const concord = (...args: readonly string[]): Promise<Answer> => typed(args, { address: server.address });

const rule = (...args: readonly string[]): Promise<Answer> => concord("rule", ...args);

/** Of a command that succeeds, its lines of JSON. */
async function json(...args: readonly string[]): Promise<readonly { readonly [field: string]: unknown }[]> {
  const { code, out, err } = await rule(...args, "-o", "json");
  expect({ code, err }, args.join(" ")).toEqual({ code: 0, err: "" });
  return out.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

async function refused(reason: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await rule(...args);
  expect({ code, out }, args.join(" ")).toEqual({ code: 1, out: "" });
  expect(err).toContain(` / ${reason}\n`);
  return err;
}

test("a rule is written, corrected, judges, is watched in shadow, replaced, deactivated, given up and taken back", async () => {
  const wrong = await refused("RULE_INVALID", "create", "cold", "workflow.metadata.temperature < 3 &&\n too == 'COMPLETED'");
  expect(wrong).toContain("expression:2:2: error: ");
  expect(wrong).toContain("\n   2 |  too == 'COMPLETED'\n     |  ^\n");

  await concord("workflow", "create", "w-1", "--metadata", '{"temperature":4}');
  await concord("workflow", "transition", "w-1", "ACTIVE", "--by", "ada");
  const allowed = await rule("check", "w-1", "COMPLETED");
  expect(allowed).toMatchObject({ code: 0, out: expect.stringMatching(/^ALLOWED /) });

  const create = ["create", "cold", "workflow.metadata.temperature < 3", "--move", "ACTIVE:COMPLETED", "--message", "'too warm'"];
  const tried = await rule(...create, "--dry-run");
  expect(tried).toMatchObject({ code: 0, out: expect.stringContaining("0 errors, 0 warnings\nan evaluation costs at least ") });
  expect(await json(...create)).toMatchObject([{ state: "RULE_STATE_DRAFT", version: 1 }]);
  await refused("RULE_ALREADY_EXISTS", ...create);
  expect((await rule("check", "w-1", "COMPLETED")).code).toBe(0);

  const impact = await rule("impact", "cold");
  expect(impact.out).toMatch(/^1 +newly denied +ACTIVE:COMPLETED +-$/m);
  expect(impact.out).toContain("w-1 to COMPLETED: newly denied\n");
  expect(impact.out).toContain("denied by cold (version 1): too warm\n");

  expect(await json("activate", "cold", "--reason", "agreed", "--by", "bob")).toMatchObject([
    { activeVersion: 1, reason: "agreed" },
  ]);
  const denied = await rule("check", "w-1", "COMPLETED");
  expect(denied.code).toBe(1);
  expect(denied.out).toContain("\n  denied by cold (version 1): too warm\n");
  const explained = await rule("explain", "w-1", "COMPLETED", "--rule", "cold");
  expect(explained.code).toBe(1);
  expect(explained.out).toContain("\nrule cold (version 1)\n    workflow.metadata.temperature < 3\n");
  expect(explained.out).toContain("    read:\n      workflow.metadata.temperature: 4");

  expect(await json("update", "cold", "workflow.metadata.temperature < 5")).toMatchObject([
    { version: 2, message: "'too warm'", activeVersion: 1 },
  ]);
  await refused("RULE_VERSION_MISMATCH", "update", "cold", "true", "--expected-version", "1");
  expect(await json("shadow", "cold", "--version", "2")).toMatchObject([{ shadowVersion: 2, activeVersion: 1 }]);
  expect((await rule("check", "w-1", "COMPLETED")).out).toContain("  in shadow cold (version 2, beside version 1): holds\n");
  expect((await rule("list", "--filter", "rule.shadow_version == 2")).out).toMatch(/^cold +ACTIVE +1, shadow 2 +DENY /m);
  await json("activate", "cold", "--version", "2");
  expect((await rule("check", "w-1", "COMPLETED")).code).toBe(0);
  expect((await rule("get", "cold", "--version", "1")).out).toMatch(/^version: +1 \(the newest is 2\)$/m);
  expect(await json("get", "cold", "--versions")).toHaveLength(2);

  expect(await refused("RULE_STATE", "deprecate", "cold")).toContain("concord rule deactivate cold");
  await json("deactivate", "cold");
  expect(await refused("RULE_STATE", "delete", "cold")).toContain("concord rule deprecate cold");
  expect(await json("deprecate", "cold")).toMatchObject([{ state: "RULE_STATE_DEPRECATED" }]);
  expect(await json("update", "cold")).toMatchObject([{ state: "RULE_STATE_INACTIVE", version: 2 }]);
  expect(await json("create", "short-lived", "true")).toHaveLength(1);
  expect(await rule("delete", "short-lived")).toMatchObject({ code: 0, out: "deleted: short-lived\n" });
  await refused("RULE_NOT_FOUND", "get", "short-lived");

  const history = await rule("history", "cold");
  expect(history.out).toMatch(/RULE_ACTIVATED +cold 1 +bob +agreed$/m);
  expect((await rule("history", "short-lived", "--diff")).out).toContain("\n-id: short-lived\n");
});

test("files become the rule set, if their tests pass; it is exported as it was, and rolled back", async () => {
  const file = join(rules, "all.yaml");
  const written = (limit: number) => `types:
  - name: sample
    schema: { type: object, properties: { temperature: { type: number } } }
facts:
  - { name: warm, expression: 'workflow.metadata.temperature >= ${limit}.0' }
rules:
  - { id: not-warm, expression: '!facts.warm', types: [sample], moves: ['ACTIVE:COMPLETED'] }
tests:
  - name: four degrees are too warm
    workflow: { type: sample, state: ACTIVE, metadata: { temperature: 4 } }
    to: COMPLETED
    expect: { denied_by: [not-warm] }
`;
  writeFileSync(file, written(9));
  const blocked = await refused("RULE_TESTS_FAILED", "apply", rules);
  expect(blocked).toContain("error: 1 of 1 test would fail; what judges is as it was\n");
  expect(blocked).toContain("\n  four degrees are too warm: ");

  writeFileSync(file, written(3));
  expect(await rule("diff", rules, "--exit-code")).toMatchObject({ code: 1, err: "" });
  const [applied] = await json("apply", rules, "--reason", "release 1");
  expect(applied).toMatchObject({ kind: "RULE_SET_CHANGE_KIND_APPLIED", reason: "release 1" });
  expect(applied?.["differences"]).toHaveLength(4);
  const revision = Number(applied?.["ruleSetRevision"]);
  expect(await rule("diff", rules, "--exit-code")).toMatchObject({
    code: 0,
    out: `nothing is different (rule set revision ${revision})\n`,
  });
  await refused("RULE_VERSION_MISMATCH", "apply", rules, "--expected-revision", "0");

  const exported = join(data.path, "exported.yaml");
  writeFileSync(exported, (await rule("export")).out);
  expect((await rule("diff", exported, "--exit-code")).code).toBe(0);

  writeFileSync(file, written(3).replace("facts.warm", "facts.wram"));
  expect(await refused("RULE_INVALID", "apply", rules)).toMatch(/all\.yaml:7:\d+: error: .*warm/);

  expect(await json("fact", "list")).toMatchObject([{ fact: { name: "warm" } }]);
  await refused("RULE_INVALID", "fact", "delete", "warm");
  await json("fact", "set", "late", "now > workflow.created_at");
  expect((await rule("type", "list")).out).toMatch(/^sample +1 .* yes$/m);

  const back = await rule("rollback", "--to", String(revision), "--diff");
  expect(back.out).toMatch(/^removed +fact +late +1$/m);
  expect((await rule("diff", exported, "--exit-code")).code).toBe(0);
  expect(await rule("rollback", "--to", "999")).toMatchObject({ code: 1 });
  expect(await rule("rollback")).toMatchObject({ code: 2 });
});

test("a rule that may not be activated is stored, and is said to be", async () => {
  const refusal = await refused("RULE_TESTS_FAILED", "create", "denies-all", "false", "--activate");
  expect(refusal).toMatch(
    /^error: rule "denies-all" is stored as a draft, version 1; it was not activated:\n {2}1 of 1 test would/,
  );
  expect(await json("get", "denies-all")).toMatchObject([{ state: "RULE_STATE_DRAFT", version: 1 }]);
  const again = await refused("RULE_ALREADY_EXISTS", "create", "denies-all", "false", "--activate");
  expect(again).toContain("  concord rule activate denies-all: it judges as it is stored\n");
  expect(await rule("delete", "denies-all")).toMatchObject({ code: 0 });
});

test("files without a rule end no rule, unless it is said", async () => {
  const empty = join(data.path, "empty.yaml");
  writeFileSync(empty, "");
  const before = (await rule("export")).out;
  expect(await rule("apply", empty)).toMatchObject({ code: 1, err: expect.stringContaining("--empty says that it is meant\n") });
  writeFileSync(empty, "facts: [{ name: is_late, expression: 'true' }]\n");
  expect(await rule("apply", empty)).toMatchObject({ code: 1, err: expect.stringContaining("--empty says that it is meant\n") });
  expect((await rule("export")).out).toBe(before);
  const [applied] = await json("apply", empty, "--empty");
  expect(applied?.["differences"]).toContainEqual(expect.objectContaining({ name: "not-warm" }));
});

test("a watch goes on where it ended when the server is back", async () => {
  const watch = runConcord(["rule", "watch", "--address", server.address, "--after", "0", "-o", "json"]);
  await until(() => watch.text().includes("short-lived"), "the watch shows what was");
  const before = watch.text().trimEnd().split("\n").length;
  await server.kill();
  server = await serve(join(data.path, "server"), { listen: server.address });
  await json("create", "after-the-restart", "true");
  await until(() => watch.text().includes("after-the-restart"), "the watch shows what is new");
  const sequences = watch
    .text()
    .trimEnd()
    .split("\n")
    .map((line) => Number((JSON.parse(line) as { sequence: string }).sequence));
  expect(sequences.length).toBeGreaterThan(before);
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  expect(await watch.terminate()).toBe(0);
});
