import { execFile, execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

// The client in Python, in a place of its own.

const root = join(import.meta.dirname, "../..");
const client = join(root, "clients/python");
const place = join(root, ".cache/clients/python");
/** With the client in it. */
export const python = join(place, "bin/python");

/** Installs what it needs where that is missing. Returns why it is not to be had; in CI it must be, and this throws. */
export function setUpPythonClient(): string | undefined {
  const pip = (...args: readonly string[]) =>
    execFileSync(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...args], { stdio: "pipe" });
  try {
    if (!existsSync(join(place, "installed"))) {
      execFileSync("python3", ["-m", "venv", place], { stdio: "pipe" });
      pip("-r", join(client, "requirements-test.txt"));
      execFileSync("touch", [join(place, "installed")]);
    }
  } catch (error) {
    rmSync(place, { recursive: true, force: true });
    if (process.env["CI"] !== undefined) throw error;
    return `the client in Python cannot be installed (python3 with venv, PyPI): ${String(error).split("\n")[0]}`;
  }
  // As its README says, but with the setuptools that are there.
  pip("--no-build-isolation", "--no-deps", "--force-reinstall", client);
  return undefined;
}

/** Resolves to what it has printed, and rejects with it. */
export async function pytest(): Promise<string> {
  const { stdout } = await promisify(execFile)(python, ["-m", "pytest", "-p", "no:cacheprovider", "--durations=5"], {
    cwd: client,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  }).catch((error: { stdout?: string }) => {
    throw new Error(`pytest has failed:\n${error.stdout}`);
  });
  return stdout;
}
