// Narayana's coordinator of REST-AT, a two-phase commit over HTTP, with a log of a synced file for each transaction, as it is by default. Two
// participants vote yes and write nothing; they share a process with the load.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../../examples/bank-transfer/postgres.ts";
import { type Answered, summarize } from "../measured.ts";
import { runProcess } from "../run-process.ts";
import { type WithoutCpu, withCpu } from "./cpu.ts";
import { goBuild, programs } from "./go-build.ts";
import type { Missing, Peer, Pressure } from "./peer.ts";
import { startProcess } from "./process.ts";

const javaFolder = join(import.meta.dirname, "java");

export async function openNarayana(folder: string, participantCount: number): Promise<Peer | Missing> {
  const load = goBuild(".", "rest-at-load");
  if (typeof load !== "string") return load;
  const classPath = findClassPath();
  if (typeof classPath !== "string") return classPath;
  const port = await freePort();
  const coordinator = `http://127.0.0.1:${port}/tx/transaction-manager`;
  const server = await startProcess(
    "java",
    ["-cp", classPath, join(javaFolder, "Coordinator.java"), String(port), join(folder, "narayana")],
    async () => (await fetch(coordinator)).ok,
  );
  return {
    version: `Narayana ${versionOf(classPath, "restat-api")}, RESTEasy ${versionOf(classPath, "resteasy-undertow")}, ${javaVersion()}`,
    run: (pressure) => withCpu(server.pid, () => runLoad(load, coordinator, participantCount, pressure)),
    stop: server.stop,
  };
}

function findClassPath(): string | Missing {
  mkdirSync(programs, { recursive: true });
  const file = join(programs, "narayana-classpath");
  try {
    const args = ["--quiet", "--batch-mode", "--file", join(javaFolder, "pom.xml"), "dependency:build-classpath"];
    execFileSync("mvn", [...args, `-Dmdep.outputFile=${file}`], { stdio: ["ignore", "pipe", "pipe"] });
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    return { missing: `Java and Maven, or what Maven fetches, for Narayana (${error instanceof Error ? error.message : error})` };
  }
}

function versionOf(classPath: string, artifact: string): string {
  return new RegExp(`/${artifact}-([^/:]+)\\.jar`).exec(classPath)?.[1] ?? "?";
}

/** Java says its version on standard error. */
function javaVersion(): string {
  return execFileSync("sh", ["-c", "java -version 2>&1"], { encoding: "utf8" }).split("\n")[1]?.trim() ?? "?";
}

async function runLoad(program: string, coordinator: string, participantCount: number, pressure: Pressure): Promise<WithoutCpu> {
  const { concurrency, warmUpMs, durationMs } = pressure;
  const output = await runProcess(program, [
    `--coordinator=${coordinator}`,
    `--participants=${participantCount}`,
    `--concurrency=${concurrency}`,
    `--warm-up=${warmUpMs}ms`,
    `--duration=${durationMs}ms`,
  ]);
  const { answered, ...counts } = JSON.parse(output) as { answered: Answered[]; failed: number; carriedOut: number };
  return { ...summarize(answered, durationMs), ...counts };
}
