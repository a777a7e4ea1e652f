import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Load = {
  readonly port: number;
  /** `package.Service/Method`. */
  readonly method: string;
  /** The encoded request; each call sends the same. */
  readonly body: Uint8Array;
  readonly concurrency: number;
  /** Before the measurement. */
  readonly warmUpMs: number;
  readonly durationMs: number;
};

export type Measured = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number; readonly failed: number };

/** A load generator in a process of its own, which keeps `concurrency` calls under way for the whole time. */
export type Generator = { readonly name: string; readonly run: (load: Load) => Promise<Measured> };

/** h2load if it is there (Debian: nghttp2-client), else Node. */
export async function findGenerator(): Promise<Generator> {
  const probe = await runProcess("h2load", ["--version"]).catch(() => undefined);
  return probe === undefined
    ? { name: "Node (install h2load from nghttp2-client for a faster one)", run: runNode }
    : { name: probe.trim(), run: runH2load };
}

/** How many connections carry the calls; a client in the field has few. */
const connectionCountMax = 8;

async function runH2load({ port, method, body, concurrency, warmUpMs, durationMs }: Load): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "concord-bench-"));
  try {
    const bodyFile = join(folder, "body");
    const logFile = join(folder, "log");
    writeFileSync(bodyFile, framed(body));
    const connections = Math.min(concurrency, connectionCountMax);
    await runProcess("h2load", [
      `--clients=${connections}`,
      `--max-concurrent-streams=${concurrency / connections}`,
      `--duration=${durationMs}ms`,
      `--warm-up-time=${warmUpMs}ms`,
      `--data=${bodyFile}`,
      "--header=content-type: application/grpc",
      "--header=te: trailers",
      `--log-file=${logFile}`,
      `http://127.0.0.1:${port}/${method}`,
    ]);
    // One line a call: start (µs), HTTP status, duration (µs).
    const calls = readFileSync(logFile, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t"))
      // What is under way when the time is over is cut off, and has no status.
      .filter(([, status]) => Number(status) > 0);
    return summarize(
      calls.map(([, , micros]) => Number(micros) / 1000),
      calls.filter(([, status]) => status !== "200").length,
      durationMs,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runNode(load: Load): Promise<Measured> {
  const { body, ...rest } = load;
  const argument = JSON.stringify({ ...rest, body: Buffer.from(body).toString("base64") });
  const output = await runProcess(process.execPath, [join(import.meta.dirname, "node-load.ts"), argument]);
  const { durationsMs, failed } = JSON.parse(output) as { durationsMs: number[]; failed: number };
  return summarize(durationsMs, failed, load.durationMs);
}

function summarize(durationsMs: readonly number[], failed: number, durationMs: number): Measured {
  const sorted = Float64Array.from(durationsMs).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { perSecond: (sorted.length * 1000) / durationMs, p50Ms: at(0.5), p99Ms: at(0.99), failed };
}

/** gRPC's length prefix: not compressed, four bytes of length. */
function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + body.length);
  new DataView(frame.buffer).setUint32(1, body.length);
  frame.set(body, 5);
  return frame;
}

function runProcess(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${command} exited with ${code}: ${output}`))));
  });
}
