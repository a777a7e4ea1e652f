import { execFileSync, spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

// Schemathesis reads an OpenAPI description and asks whatever it allows, and what it does not. A program in Python, in a place of its own.

const root = join(import.meta.dirname, "../..");
const requirements = join(import.meta.dirname, "schemathesis-requirements.txt");
const config = join(import.meta.dirname, "schemathesis.toml");
const place = join(root, ".cache/schemathesis");

/** Installs it where it is missing. Returns why it is not to be had; in CI it must be, and this throws. */
export function setUpSchemathesis(): string | undefined {
  if (existsSync(join(place, "installed"))) return undefined;
  const run = (file: string, args: readonly string[]) => execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  try {
    run("python3", ["-m", "venv", place]);
    run(join(place, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", "-r", requirements]);
    run("touch", [join(place, "installed")]);
    return undefined;
  } catch (error) {
    rmSync(place, { recursive: true, force: true });
    if (process.env["CI"] !== undefined) throw error;
    return `schemathesis cannot be installed (python3 with venv, PyPI): ${String(error).split("\n")[0]}`;
  }
}

/** Resolves to its exit code and what it has printed. */
export function schemathesis(
  args: readonly string[],
  cwd: string,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(join(place, "bin/st"), ["--config-file", config, "--no-color", "run", ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, text })));
}
