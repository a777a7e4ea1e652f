import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { isMissing } from "../support/toolchain.ts";

// Each section of docs/clients.md is run as it is pasted, in an empty folder, against a server. That of TypeScript needs the package, and is in
// scripts/first-hour.ts.

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/clients.md"), "utf8");
const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

/** The lines that begin every section, then those of this one. */
function commandsOf(title: string): string {
  const blocks = (text: string, language: string) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, lines]) => lines);
  const [introduction = "", ...sections] = page.split(/^## /m);
  const section = sections.find((each) => each.startsWith(`${title}\n`)) ?? "";
  return [...blocks(introduction, ""), ...blocks(section, "sh")].join("");
}

function run(commands: string, cwd: string): Promise<{ readonly code: number | null; readonly text: string }> {
  const env = {
    ...process.env,
    CONCORD: root,
    PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`,
    // What is compiled is kept from run to run.
    CARGO_TARGET_DIR: join(root, ".cache/clients/cargo"),
  };
  const script = `exec 2>&1\n${commands.replaceAll("127.0.0.1:50051", server.address)}`;
  const child = spawn("bash", ["-euc", script], { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, text })));
}

// The first compilation fetches and builds what it needs: minutes, on a busy machine.
const languages = [
  ["Python", "python3"],
  ["Go", "go"],
  ["Java", "mvn"],
  ["Rust", "cargo"],
] as const;

for (const [title, tool] of languages) {
  test.skipIf(isMissing(tool, `${title} in docs/clients.md`))(
    `a client in ${title} creates a workflow, as docs/clients.md says`,
    { timeout: 1_800_000 },
    async () => {
      const commands = commandsOf(title);
      expect(commands).toContain("proto");
      const folder = temporaryFolder();
      const { code, text } = await run(commands, folder.path);
      expect(code, text).toBe(0);
      // Maven colours its silence.
      expect(stripVTControlCharacters(text).split("\n")).toContain("WORKFLOW_STATE_CREATED");
      folder.remove();
    },
  );
}
