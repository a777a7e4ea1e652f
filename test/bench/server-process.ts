import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Reasons } from "./bench-service.ts";
import { parseSeries, type Series } from "./series.ts";

export type LogLevel = "info" | "warn" | "error";

export type BenchServer = {
  readonly pid: number;
  readonly port: number;
  /** Of bare-echo. */
  readonly barePort: number;
  readonly metricsPort: number;
  readonly series: () => Promise<Series>;
  readonly report: () => Promise<ServerReport>;
  /** From now on. One server, for another one would have other code compiled, and another store. */
  readonly logAt: (logLevel: LogLevel) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type ServerReport = {
  readonly bareCalls: number;
  readonly reasons: Reasons;
  /** Of the benchmark's own calls. */
  readonly underWay: number;
};

/** What is asked over the channel; each is answered by a report. */
export type Question = { readonly type: "report" } | { readonly type: "log-level"; readonly logLevel: LogLevel };

type Ports = Pick<BenchServer, "port" | "barePort" | "metricsPort">;

/** How much of its log is shown of a server that has not started. */
const shownLogLength = 2_000;

/** With the settings of `bin/concord`, but for its ports; its data and its log are in the folder. */
export async function startServer(
  folder: string,
  logLevel: LogLevel,
  settings: Readonly<Record<string, string>> = {},
): Promise<BenchServer> {
  const logFile = join(folder, "log");
  const log = openSync(logFile, "w");
  const args = ["--max-semi-space-size=32", join(import.meta.dirname, "server.ts"), folder, logLevel, JSON.stringify(settings)];
  const env = { MALLOC_ARENA_MAX: "2", NODE_COMPILE_CACHE: join(import.meta.dirname, "../../.cache/node"), ...process.env };
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", log, "ipc"], env });
  closeSync(log);
  const { stdout, pid } = child;
  if (stdout === null || pid === undefined) throw new Error("the server could not be started");
  const { value: ports } = await createInterface(stdout)[Symbol.asyncIterator]().next();
  if (ports === undefined) throw new Error(`the server did not start:\n${readFileSync(logFile, "utf8").slice(-shownLogLength)}`);
  const { port, barePort, metricsPort } = JSON.parse(ports) as Ports;
  const ask = async (question: Question): Promise<ServerReport> => {
    child.send(question);
    const [report] = await once(child, "message");
    return report as ServerReport;
  };
  return {
    pid,
    port,
    barePort,
    metricsPort,
    series: async () => parseSeries(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()),
    report: () => ask({ type: "report" }),
    logAt: async (level) => {
      await ask({ type: "log-level", logLevel: level });
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      // Not "close", which a child with a channel need not emit.
      await once(child, "exit");
    },
  };
}
