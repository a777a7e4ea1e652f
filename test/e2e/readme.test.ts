import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

// The README's lines, pasted. `UPDATE_README=1 npx vitest run test/e2e/readme.test.ts` writes the outputs of today into it.

const root = join(import.meta.dirname, "..", "..");
const readmeFile = join(root, "README.md");
const data = temporaryFolder();
const background: ChildProcess[] = [];
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
});

afterAll(async () => {
  for (const child of background) child.kill("SIGKILL");
  await server.stop();
  data.remove();
});

type Paste = { readonly command: string; readonly shown: string };

/** A command begins with `    $ `, goes on after a backslash, and is followed by what it prints. */
function pastesOf(readme: string): readonly Paste[] {
  const pastes: { command: string; shown: string }[] = [];
  let inside = false;
  for (const line of readme.split("\n")) {
    const last = pastes.at(-1);
    if (line.startsWith("    $ ")) {
      pastes.push({ command: line.slice(6), shown: "" });
      inside = true;
    } else if (!line.startsWith("    ")) {
      inside = false;
    } else if (inside && last?.command.endsWith("\\")) {
      last.command += `\n${line.slice(4)}`;
    } else if (inside && last !== undefined) {
      last.shown += `${line.slice(4)}\n`;
    }
  }
  return pastes;
}

/** What differs from run to run. */
function normalized(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
    .replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS")
    .replaceAll(/ +$/gm, "");
}

function run(command: string): Promise<string> {
  const shell = command.replaceAll("127.0.0.1:50051", server.address);
  const environment = { ...process.env, CONCORD_ADDRESS: server.address, CONCORD_DATA_DIR: data.path };
  return new Promise((resolve) => {
    if (shell.endsWith("&")) {
      const started = spawn("sh", ["-c", `exec ${shell.slice(0, -1)}`], { cwd: root, env: environment, stdio: "ignore" });
      background.push(started);
      resolve("");
      return;
    }
    // One pipe, so that what a person sees keeps its order.
    const child = spawn("sh", ["-c", `(${shell}\n) 2>&1`], { cwd: root, env: environment, stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("close", () => resolve(output));
  });
}

test("each line of the README prints what the README shows", async () => {
  let readme = readFileSync(readmeFile, "utf8");
  for (const { command, shown } of pastesOf(readme)) {
    if (command.startsWith("kill ")) continue;
    const printed = await run(command);
    if (process.env["UPDATE_README"] === undefined) {
      expect(normalized(printed), command).toBe(normalized(shown));
    } else {
      const asShown = (text: string) => text.replaceAll(/^(?=.)/gm, "    ");
      const before = `${asShown(`$ ${command}`).replace("    $", "    $")}\n${asShown(shown)}`;
      readme = readme.replace(
        before,
        `${asShown(`$ ${command}`)}\n${asShown(printed.replaceAll(server.address, "127.0.0.1:50051"))}`,
      );
    }
  }
  if (process.env["UPDATE_README"] !== undefined) writeFileSync(readmeFile, readme);
});
