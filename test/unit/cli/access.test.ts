import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { accessCommand } from "../../../src/cli/access.ts";
import { accessFile, sha256Of, withTokens } from "../../support/access.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryFolder } from "../../support/concord.ts";
import { storageDir } from "../../support/storage-dir.ts";

const grants = [
  { principals: ["ada"], roles: ["client"], types: ["sample"], id_prefix: "lab-" },
  { principals: ["ada"], roles: ["reader"], types: ["order"] },
  { principals: ["inventory"], roles: ["participant"], participants: ["inventory"] },
];
const folder = temporaryFolder();
afterAll(folder.remove);
const { path } = accessFile(folder.path, { ...withTokens("ada", "bob"), grants });
const explain = (...args: readonly string[]) => runCommand(accessCommand(), "explain", path, ...args);

describe("concord access check", () => {
  test("tells what is hardly meant, and ends with 0", async () => {
    const ran = await runCommand(accessCommand(), "check", path);
    expect(ran).toEqual({ code: 0, out: "warning: bob has a token and no grant\n3 grants, 1 warning\n", err: "" });
  });

  test("tells what is wrong at which place, and ends with 1", async () => {
    const wrong = accessFile(storageDir(), {
      authentication: { tokens: [{ principal: "ada", sha256: sha256Of("x") }] },
      grants: [{ principals: ["ada"], roles: ["king"] }],
    });
    const words =
      "grants[0].roles[0] must be one of reader, operator, rule-author, rule-activator, client, participant, manager, admin";
    expect(await runCommand(accessCommand(), "check", wrong.path)).toMatchObject({
      code: 1,
      out: `error: ${wrong.path}: ${words}\n`,
    });
    const json = await runCommand(accessCommand(), "check", wrong.path, "-o", "json");
    expect([json.code, JSON.parse(json.out)]).toEqual([1, { severity: "error", message: `${wrong.path}: ${words}` }]);
    expect(await runCommand(accessCommand(), "check", "/no/such")).toMatchObject({
      code: 1,
      out: expect.stringContaining("ENOENT"),
    });
  });
});

test("docs/access.md shows what is printed for its file", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/access.md"), "utf8");
  const [, content = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const shown = accessFile(storageDir(), content);
  const pastes = [...page.matchAll(/^ {4}\$ concord access (.*)\n((?: {4}(?!\$).*\n)+)/gm)];
  expect(pastes).toHaveLength(3);
  for (const [, line = "", out = ""] of pastes) {
    const args = line.split(" ").map((word) => (word === "access.yaml" ? shown.path : word));
    expect((await runCommand(accessCommand(), ...args)).out, line).toBe(out.replace(/^ {4}/gm, ""));
  }
});

describe("concord access explain", () => {
  const move = ["--principal", "ada", "--method", "TransitionWorkflow"];

  test("says by which grants a method is allowed", async () => {
    expect(await explain(...move)).toEqual({
      code: 0,
      out: "ada WorkflowService/TransitionWorkflow: allowed\n  grants[0] gives ada client, for types sample, id_prefix lab-\n",
      err: "",
    });
    expect((await explain(...move, "--workflow-id", "lab-1", "--type", "sample")).code).toBe(0);
  });

  test("says what a server would answer of a workflow that is not granted", async () => {
    const [order, other] = [
      await explain(...move, "--workflow-id", "lab-1", "--type", "order", "-o", "json"),
      await explain(...move, "--workflow-id", "lab-1", "-o", "json"),
    ];
    expect([order.code, JSON.parse(order.out)]).toMatchObject([1, { allowed: false, reason: "PERMISSION_DENIED" }]);
    expect([other.code, JSON.parse(other.out)]).toEqual([
      1,
      {
        principal: "ada",
        method: "concord.workflow.v1.WorkflowService/TransitionWorkflow",
        allowed: false,
        reason: "WORKFLOW_NOT_FOUND",
        because: [
          "grants[0] gives ada client, for types sample, id_prefix lab-",
          "and none of that is workflow lab-1 of no type",
        ],
      },
    ]);
  });

  test("says what is missing, and of participants under which ids", async () => {
    expect(await explain("--principal", "ada", "--method", "ResetSink")).toMatchObject({
      code: 1,
      out: expect.stringContaining(
        "denied: PERMISSION_DENIED\n  WorkflowService/ResetSink takes operator, and grants[0] gives ada client",
      ),
    });
    const hello = (id: string) => explain("--principal", "inventory", "--method", "Participate", "--participant", id);
    expect((await hello("inventory")).code).toBe(0);
    expect(await hello("billing")).toMatchObject({
      code: 1,
      out: expect.stringContaining("none of that is participant billing"),
    });
  });

  test("lists what a principal may call, if no method is named", async () => {
    const ran = await explain("--principal", "inventory");
    expect(ran.out).toContain("TwoPhaseCommit/Participate");
    expect(ran.out).not.toContain("GetWorkflow ");
    expect(await explain("--principal", "eve")).toEqual({ code: 1, out: "eve may call nothing\n", err: "" });
  });

  test.each([
    ["TransitionWorkflows", "is it TransitionWorkflow?"],
    ["ListAllowedTransitions", "concord.predicate.v1.PredicateLogic/ListAllowedTransitions"],
  ])("a method that is none, or one of several, is refused: %s", async (method, words) => {
    const command = accessCommand();
    for (const each of command.commands) each.exitOverride().configureOutput({ writeErr: () => undefined });
    const parsed = command.parseAsync(["explain", path, "--principal", "ada", "--method", method], { from: "user" });
    await expect(parsed).rejects.toThrow(words);
  });
});
