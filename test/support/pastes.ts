import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "vitest";
import { pastesOf } from "./pastes-of.ts";
import { until } from "./until.ts";

// Lines of a document that a reader pastes, and what they print. With UPDATE_PASTES=1, the outputs of today are written into the document.

const root = join(import.meta.dirname, "..", "..");

/** What differs from run to run. */
function normalized(text: string): string {
  return (
    text
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
      .replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS")
      // Of events, whose sequences depend on what was pasted before.
      .replaceAll(/^\d+ +TIME/gm, "SEQUENCE TIME")
      .replaceAll(/ +$/gm, "")
      .trimEnd()
  );
}

/** What follows in the document has its own blank line. */
const withoutBlankEnd = (text: string) => text.replace(/\n+$/, "\n");

const asShown = (text: string) => text.replaceAll(/^(?=.)/gm, "    ");

/** Commands that end with `&` are in `background` afterwards. */
export async function expectPastes(options: {
  /** From the root. */
  readonly file: string;
  readonly address: string;
  /** Of the HTTP interface. */
  readonly url: string;
  /** In the place of https://id.example.org. */
  readonly issuer?: string;
  readonly dataDir: string;
  readonly background: ChildProcess[];
  /** Where the lines are pasted; else at the root. */
  readonly cwd?: string;
}): Promise<void> {
  const { file, address, url } = options;
  const path = join(root, file);
  let text = readFileSync(path, "utf8");
  let place = 0;
  for (const { command, shown } of pastesOf(text)) {
    if (command.startsWith("kill ")) {
      await endAll(options.background);
      continue;
    }
    const printed = await run(command, options);
    if (process.env["UPDATE_PASTES"] === undefined) {
      expect(normalized(printed), command).toBe(normalized(shown));
    } else {
      const told = `${asShown(`$ ${command}`)}\n`;
      const start = text.indexOf(`${told}${asShown(shown)}`, place) + told.length;
      const now = asShown(
        withoutBlankEnd(printed).replaceAll(address, "127.0.0.1:50051").replaceAll(url, "http://127.0.0.1:50080"),
      );
      text = text.slice(0, start) + now + text.slice(start + asShown(shown).length);
      place = start + now.length;
    }
  }
  if (process.env["UPDATE_PASTES"] !== undefined) writeFileSync(path, text);
}

async function endAll(children: ChildProcess[]): Promise<void> {
  const ended = children.splice(0).map(async (child) => {
    const exit = once(child, "exit");
    child.kill();
    await exit;
  });
  await Promise.all(ended);
}

function run(command: string, options: Parameters<typeof expectPastes>[0]): Promise<string> {
  const { cwd = root, issuer = "https://id.example.org" } = options;
  const shell = command
    .replaceAll("127.0.0.1:50051", options.address)
    .replaceAll("http://127.0.0.1:50080", options.url)
    .replaceAll("https://id.example.org", issuer);
  const PATH = `${join(root, "bin")}:${process.env["PATH"]}`;
  const env = { ...process.env, PATH, CONCORD_ADDRESS: options.address, CONCORD_DATA_DIR: options.dataDir };
  return new Promise((resolve) => {
    if (shell.endsWith("&")) {
      options.background.push(spawn("sh", ["-c", `exec ${shell.slice(0, -1)}`], { cwd, env, stdio: "ignore" }));
      // What comes next asks it.
      if (shell.startsWith("concord serve")) void listens(options.address).then(() => resolve(""));
      else resolve("");
      return;
    }
    // One pipe, so that what a person sees keeps its order.
    const child = spawn("sh", ["-c", `(${shell}\n) 2>&1`], { cwd, env, stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("close", () => resolve(output));
  });
}

async function listens(address: string): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  await until(async () => {
    const socket = connect({ host, port: Number(port) });
    const isThere = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return isThere;
  }, `somebody listens at ${address}`);
}
