import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { isMissing } from "../support/toolchain.ts";
import { until } from "../support/until.ts";

// What is published, packed and installed as a stranger would, away from the clone and in a path with a space. The registry is asked for what
// `npm ci` has not left in npm's cache.

const root = join(import.meta.dirname, "../..");
const data = temporaryFolder();
const prefix = join(data.path, "a prefix");
const installed = join(prefix, "lib/node_modules/@concord-workflows/concord");
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  data.remove();
});

const run = promisify(execFile);
const node = process.execPath;
/** This Node first, and nothing of the clone. */
const path = [dirname(node), "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter);
const env = { ...process.env, PATH: path, npm_config_cache: process.env["npm_config_cache"], NODE_PATH: "" };

let packed: string;
beforeAll(async () => {
  // As in a fresh clone: it is packing that builds.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", data.path], { cwd: root });
  packed = join(data.path, stdout.trim());
  await run("npm", ["install", "--global", "--silent", "--prefer-offline", "--prefix", prefix, packed], { env });
}, 600_000);

test("the command, an example and a demo of the installed package work outside of the clone", async () => {
  const command = join(prefix, "bin/concord");
  const options = { cwd: data.path, env };
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  expect((await run(command, ["--version"], options)).stdout).toBe(`${version}\n`);
  // As its README there has it.
  const readme = readFileSync(join(installed, "dist/examples/two-phase-commit/README.md"), "utf8");
  const [, main = ""] = /^ {4}node node_modules\/@concord-workflows\/concord\/(\S+)$/m.exec(readme) ?? [];
  const example = await run(node, [join(installed, main)], options);
  expect(example.stdout).toContain("take 3 apples and 2 pears: COMMITTED");
  const replay = join(installed, "dist/examples/replay/main.js");
  expect((await run(node, [replay, "--help"], options)).stdout).toContain("Usage: replay");
  const scene = ["demo", "commit", "--participants", "2", "--scene", "participant-dies-after-vote"];
  expect((await run(command, scene, options)).stdout).toContain("All is as it must be.");
});

test("a server of the installed package has the young generation and the arenas of one from a clone, in the process that was started", async () => {
  const folder = join(data.path, "semi-space");
  const server = spawn(
    join(prefix, "bin/concord"),
    ["serve", "--listen", `unix:${folder}.sock`, "--data-dir", folder, "--log-format", "json"],
    { env },
  );
  started.push(server);
  let log = "";
  server.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const ended = once(server, "exit");
  await until(() => log.includes('"msg":"serving"'), "it serves", { describe: () => log });
  expect((await run("ps", ["-o", "args=", "-p", String(server.pid)])).stdout).toContain(" --max-semi-space-size=32 ");
  expect((await run("ps", ["eww", "-o", "args=", "-p", String(server.pid)])).stdout).toContain(" MALLOC_ARENA_MAX=2 ");
  server.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

test("a Node that is too old is told in one line, whatever is asked", async () => {
  const old = join(data.path, "old.cjs");
  writeFileSync(old, 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });');
  const asked = run(node, ["--require", old, join(installed, "bin/concord.cjs"), "--version"]);
  await expect(asked).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr: "concord: needs Node 24.2 or newer, and this is 20.20.2\n",
  });
});

test("a package that was packed without being built says so in one line", async () => {
  const folder = join(data.path, "unbuilt/bin");
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, "bin/concord.cjs"), join(folder, "concord.cjs"));
  await expect(run(node, [join(folder, "concord.cjs"), "--version"])).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^concord: was packed without being built, [^\n]*\n$/),
  });
});

const tools = ["python3", "curl"].filter((tool) => isMissing(tool, "the first hour with the package"));
test.skipIf(tools.length > 0)("a stranger's first hour goes as the pages of the package say", { timeout: 600_000 }, async () => {
  const folder = join(data.path, "an hour");
  const hour = await run(node, [join(root, "scripts/first-hour.ts"), packed, folder], { timeout: 540_000 }).catch(
    ({ stdout, stderr }) => expect.unreachable(`${stdout}${stderr}`),
  );
  expect(hour.stdout).toMatch(/all is as it must be\.\n$/);
  // Of docs/clients.md.
  const checks = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2024", "--skipLibCheck", "hello.ts"];
  await run(join(root, "node_modules/.bin/tsc"), checks, { cwd: folder });
});

test("bin/concord works through a symbolic link, in a path with spaces, and with CDPATH", async () => {
  const folder = join(data.path, "links and spaces");
  mkdirSync(folder);
  symlinkSync(root, join(folder, "a clone"));
  symlinkSync("a clone/bin/concord", join(folder, "concord"));
  const options = { cwd: folder, env: { ...process.env, CDPATH: `/:${folder}` } };
  for (const command of [join(folder, "concord"), "./concord", "a clone/bin/concord"]) {
    expect((await run(command, ["--version"], options)).stdout, command).toMatch(/^\d+\.\d+\.\d+\n$/);
  }
});
