import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// What the shells propose. Each is run with its script, if the machine has it.

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  for (const workflowId of ["a-1", "a:2", "b-1"]) await server.clients.workflows.createWorkflow({ workflowId, type: "sample" });
  await server.clients.predicates.createRule({ ruleId: "cold", expression: "true", reason: "a test", requestedBy: "ada" });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

async function proposed(...words: readonly string[]): Promise<readonly string[]> {
  const { code, out, err } = await typed(["__complete", ...words], { address: server.address });
  expect({ code, err }, words.join(" ")).toEqual({ code: 0, err: "" });
  return out.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0] ?? ""]));
}

test("commands, options, and values that are known", async () => {
  expect(await proposed("")).toEqual(expect.arrayContaining(["serve", "workflow", "rule", "tx", "context", "completion"]));
  expect(await proposed("wo")).toEqual(["workflow"]);
  expect(await proposed("rule", "fact", "")).toEqual(expect.arrayContaining(["list"]));
  expect(await proposed("workflow", "list", "--so")).toEqual(["--sort"]);
  expect(await proposed("tx", "list", "-o", "")).toEqual(["table", "json", "yaml"]);
  expect(await proposed("workflow", "transition", "a-1", "C")).toEqual(["CREATED", "COMPLETED", "CANCELLED"]);
  expect(await proposed("tx", "resolve", "t-1", "c")).toEqual(["committed"]);
  expect(await proposed("access", "explain", "access.yaml", "--method", "Trans")).toEqual(["TransitionWorkflow"]);
});

test("names that the server knows", async () => {
  expect(await proposed("workflow", "get", "")).toEqual(["a-1", "a:2", "b-1"]);
  expect(await proposed("workflow", "transition", "--by", "ada", "a")).toEqual(["a-1", "a:2"]);
  expect(await proposed("rule", "get", "c")).toEqual(["cold"]);
  expect(await proposed("workflow", "create", "x", "--type", "")).toEqual(["sample"]);
  expect(await proposed("tx", "run", "")).toEqual(["concord.workflow"]);
  const { transaction } = await server.clients.commits.beginTransaction({});
  expect(await proposed("tx", "get", "")).toEqual([transaction?.transactionId]);
});

test("nothing, of what nobody can know, and of a server that is not there; and no complaint", async () => {
  expect(await proposed("workflow", "get", "a-1", "")).toEqual([]);
  expect(await proposed("workflow", "get", "--address", "127.0.0.1:1", "")).toEqual([]);
  expect(await proposed("workflow", "get", "--address", "nonsense", "")).toEqual([]);
  expect(await proposed("nonsense", "")).toEqual([]);
});

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

describe.each([
  [
    "bash",
    `compgen_at() { COMP_LINE="$1"; COMP_POINT=\${#1}; COMP_WORDS=("\${@:2}"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _concord; printf '%s\\n' "\${COMPREPLY[@]}"; }
    compgen_at "concord workflow get a" concord workflow get a; echo; compgen_at "concord workflow get a:" concord workflow get a :
    echo; compgen_at "concord workflow ge" concord workflow ge`,
    "a-1\na:2\n\n2\n\nget\n",
  ],
  [
    "zsh",
    `_describe() { print -rl -- $found; }; _files() { print files; }
    words=(concord workflow get a); CURRENT=4; _concord; print; words=(concord workflow get x ""); CURRENT=5; _concord`,
    "a-1\na\\:2\n\nfiles\n",
  ],
  ["fish", "complete -C 'concord workflow get a'; echo; complete -C 'concord workflow ge'", "a:2\na-1\n\nget\tshow a workflow\n"],
])("%s", (shell, ask, answer) => {
  const isThere = spawnSync(shell, ["--version"]).status === 0;
  if (!isThere) console.warn(`${shell} is not on this machine: its completion is not tried`);

  test.skipIf(!isThere)("proposes what fits", async () => {
    const env = { ...process.env, CONCORD_ADDRESS: server.address, PATH: `${root}/bin:${process.env["PATH"]}` };
    const { stdout: script } = await run(join(root, "bin/concord"), ["completion", shell], { env });
    // As it is sourced; zsh's own set-up of completions wants a terminal.
    const source = shell === "zsh" ? `compdef() { :; }\n${script}` : script;
    const told = async () => (await run(shell, ["-c", `${source}\n${ask}`], { env })).stdout;
    // A proposal that would come late does not come; a busy machine may need another try.
    await until(async () => (await told()) === answer, `${shell} proposes ${JSON.stringify(answer)}`);
  });
});
