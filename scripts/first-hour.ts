// A stranger's first hour with the published package: what its pages have to paste is pasted, in a folder of its own, with nothing of this clone and of
// this account but the settings and the caches of npm and pip. `node scripts/first-hour.ts PACKED FOLDER`
import { strict as assert } from "node:assert";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { pastesOf } from "../test/support/pastes-of.ts";

const [packed = "", folder = ""] = process.argv.slice(2);
const installed = join(folder, "node_modules/@concord-workflows/concord");
const page = (path: string): string => readFileSync(join(installed, path), "utf8");
const root = join(import.meta.dirname, "..");

const ask = (command: string, ...args: readonly string[]): string => execFileSync(command, args, { encoding: "utf8" }).trim();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : assert.fail("it has a port");
}

/** Of pip's settings that are no variables. */
const pipFile = [".config/pip/pip.conf", ".pip/pip.conf"].map((path) => join(homedir(), path)).find((path) => existsSync(path));
const [grpc, http] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
const env: NodeJS.ProcessEnv = {
  PATH: [
    dirname(process.execPath),
    dirname(ask("python3", "-c", "import sys; print(sys.executable)")),
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
  ].join(delimiter),
  HOME: join(folder, "home"),
  npm_config_userconfig: ask("npm", "config", "get", "userconfig"),
  npm_config_cache: ask("npm", "config", "get", "cache"),
  npm_config_prefer_offline: "true",
  PIP_CACHE_DIR: ask("python3", "-m", "pip", "cache", "dir"),
  ...(pipFile === undefined ? {} : { PIP_CONFIG_FILE: pipFile }),
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^PIP_|^CONCORD_TEST_RUN$/.test(name))),
  // As the pages have them, but for the ports, which may be another's here.
  CONCORD_LISTEN: grpc,
  CONCORD_ADDRESS: grpc,
  CONCORD_HTTP_LISTEN: http,
};

const ours = (text: string): string =>
  text
    .replaceAll("127.0.0.1:50051", grpc)
    .replaceAll("127.0.0.1:50080", http)
    .replaceAll("bin/concord", "node_modules/.bin/concord")
    .replace("npm install @concord-workflows/concord", `npm install --silent '${packed}'`);

type Background = { readonly command: string; readonly child: ChildProcess };
const background: Background[] = [];

/** Signals it, and what it has started. False: it has ended. */
function signal({ child }: Background, name: NodeJS.Signals): boolean {
  const runs = child.exitCode === null && child.signalCode === null && child.pid !== undefined;
  return runs && process.kill(-child.pid, name);
}

async function end(each: Background, name: NodeJS.Signals = "SIGTERM"): Promise<void> {
  const ended = once(each.child, "exit");
  if (signal(each, name)) await ended;
}

/** Pastes one command, and resolves to what it says. One that ends with `&` goes on. */
async function paste(command: string, more: NodeJS.ProcessEnv = {}): Promise<string> {
  console.log(`$ ${command}`);
  const goesOn = command.endsWith("&");
  const script = goesOn ? `exec ${command.slice(0, -1)}` : `(${command}\n) 2>&1`;
  const options = { cwd: folder, env: { ...env, ...more }, detached: true } as const;
  if (goesOn) {
    background.push({ command, child: spawn("bash", ["-c", script], { ...options, stdio: "ignore" }) });
    return "";
  }
  const child = spawn("bash", ["-c", script], { ...options, stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, "close");
  process.stdout.write(text);
  return text;
}

const blocksOf = (text: string, language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, lines = ""]) => lines);

const commandsOf = (block: string): readonly string[] =>
  block
    .split("\n")
    .filter((line) => line.startsWith("$ "))
    .map((line) => line.slice(2));

async function installAndTakePart(): Promise<void> {
  // The page is read on the web; it is the one that is packed.
  const text = readFileSync(join(root, "docs/participants.md"), "utf8");
  const [first = "", second = ""] = blocksOf(text, "console");
  writeFileSync(join(folder, "seats.ts"), ours(blocksOf(text, "ts")[0] ?? ""));
  for (const command of commandsOf(first)) await paste(ours(command));
  assert.equal(page("docs/participants.md"), text);
  const said: string[] = [];
  for (const command of commandsOf(second)) said.push(await paste(ours(command)));
  assert.match(said.join(""), /COMMITTED.*participant "seats" voted ABORT: seat 12A is taken/s);
}

async function tour(): Promise<void> {
  const before = background.length;
  for (const { command } of pastesOf(page("README.md"))) {
    // buf did not come with this package.
    if (command.startsWith("npx buf")) await paste(ours("bin/concord workflow create wf-1"));
    else if (command.startsWith("kill")) for (const each of background.splice(before)) await end(each);
    else if (!command.startsWith("bin/concord demo")) await paste(ours(command));
  }
}

async function client(): Promise<void> {
  const section =
    page("docs/clients.md")
      .split(/^## /m)
      .find((each) => each.startsWith("TypeScript\n")) ?? "";
  const [commands = ""] = blocksOf(section, "sh");
  assert.match(await paste(ours(commands.slice(commands.indexOf("cat >")))), /^3n WORKFLOW_STATE_ACTIVE one more$/m);
}

async function python(): Promise<void> {
  await paste("python3 -m venv .venv && .venv/bin/pip install --quiet node_modules/@concord-workflows/concord/clients/python");
  writeFileSync(join(folder, "notes.py"), ours(blocksOf(page("clients/python/README.md"), "python")[0] ?? ""));
  assert.match(await paste(".venv/bin/python notes.py"), /^2 begin$/m);
}

/** All die, and what Concord has stored is lost. */
async function loseAndRestore(): Promise<void> {
  await paste("npx concord backup --also seats-log.sqlite --to backup");
  const dead = background.splice(0);
  for (const each of dead) await end(each, "SIGKILL");
  await paste("rm -r data seats-log.sqlite*");
  await paste("npx concord restore --from backup");
  await paste("npx concord restore --from backup --only seats-log.sqlite --data-dir .");
  for (const { command } of dead) await paste(command);
  await paste("until npx concord info > /dev/null 2>&1; do sleep 0.5; done");
}

/** What was done is there, and what was promised is kept. */
async function lookBack(): Promise<void> {
  assert.match(await paste("npx concord workflow get wf-17"), /^state: +PAUSED$.*^version: +3$/ms);
  assert.match(await paste("npx concord workflow get wf-py"), /^state: +ACTIVE$/m);
  assert.match(await paste("npx concord tx run seats=12A till='20 EUR' --wait 60s"), /seat 12A is taken/);
  assert.match(await paste("npx concord tx run seats=12B till='20 EUR' --wait 60s"), /COMMITTED/);
}

process.once("exit", () => {
  for (const each of background) signal(each, "SIGKILL");
});
process.once("SIGTERM", () => process.exit(1));
mkdirSync(join(folder, "home"), { recursive: true });
await installAndTakePart();
await tour();
await client();
await python();
await loseAndRestore();
await lookBack();
console.log("The first hour is over; all is as it must be.");
process.exit(0);
