import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Missing } from "./peer.ts";

const moduleFolder = join(import.meta.dirname, "go");
export const programs = join(import.meta.dirname, "../../../.cache/peers");

/** Builds what go.mod beside this names, by its exact version: the first time for some minutes, later at once. */
export function goBuild(packagePath: string, name: string): string | Missing {
  const program = join(programs, name);
  try {
    execFileSync("go", ["build", "-trimpath", "-o", program, packagePath], {
      cwd: moduleFolder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    return program;
  } catch (error) {
    return {
      missing: `Go, or the modules that it fetches, to build ${packagePath} (${error instanceof Error ? error.message : error})`,
    };
  }
}
