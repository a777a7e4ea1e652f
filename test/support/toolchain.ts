import { execFileSync } from "node:child_process";

/** Says loudly what is not tested without it. In CI it must be there, and this throws. */
export function isMissing(tool: string, what: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
    return false;
  } catch {
    if (process.env["CI"] !== undefined) throw new Error(`${tool} is missing, so ${what} cannot be tested`);
    console.error(`${what} is not tested: ${tool} is missing`);
    return true;
  }
}
