import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answered, type Measured, spanOf, summarize } from "./measured.ts";
import { endedChildrenMicros } from "./proc.ts";
import { runProcess } from "./run-process.ts";

export type Load = {
  readonly port: number;
  /** `package.Service/Method`. */
  readonly method: string;
  /** The encoded request; each call sends the same. */
  readonly body: Uint8Array;
  /** Calls under way, all the time. */
  readonly concurrency: number;
  readonly span: Span;
  /** Over TLS, and as who has this token. h2load believes each certificate; Node does neither. */
  readonly secured?: { readonly tls: boolean; readonly token: string | undefined } | undefined;
};

export type Span =
  /** `perSecond`: calls begin at this rate, and those under way are only bounded by `concurrency`; else as soon as one has ended. */
  | { readonly type: "time"; readonly warmUpMs: number; readonly durationMs: number; readonly perSecond?: number | undefined }
  /** So many calls. */
  | { readonly type: "count"; readonly count: number };

/** `generatorShare`: of one core. A generator above 0.9 may be what bounds the rate. */
export type Weighed = Measured & { readonly generatorShare: number };

/** A load generator in a process of its own. */
export type Generator = { readonly name: string; readonly run: (load: Load) => Promise<Weighed> };

/** h2load if it is there (Debian: nghttp2-client), else Node. */
export async function findGenerator(): Promise<Generator> {
  const probe = await runProcess("h2load", ["--version"]).catch(() => undefined);
  return probe === undefined
    ? { name: "Node, which is slower than the server (install h2load from nghttp2-client)", run: weighed(runNode) }
    : { name: probe.trim(), run: weighed(runH2load) };
}

/** How many connections carry the calls; a client in the field has few. */
const connectionCountMax = 8;

/** One process at a time ends here, so what those that have ended took is what this one took. */
function weighed(run: (load: Load) => Promise<readonly Answered[]>): Generator["run"] {
  return async (load) => {
    const [micros, startedMs] = [endedChildrenMicros(), performance.now()];
    const answered = await run(load);
    const elapsedMs = performance.now() - startedMs;
    const generatorShare = (endedChildrenMicros() - micros) / 1000 / elapsedMs;
    const spanMs = load.span.type === "time" ? load.span.durationMs : spanOf(answered);
    return { ...summarize(answered, spanMs), generatorShare };
  };
}

async function runH2load({ port, method, body, concurrency, span, secured }: Load): Promise<readonly Answered[]> {
  const folder = mkdtempSync(join(tmpdir(), "concord-bench-"));
  try {
    const bodyFile = join(folder, "body");
    const logFile = join(folder, "log");
    writeFileSync(bodyFile, framed(body));
    const connections = Math.min(concurrency, connectionCountMax);
    await runProcess("h2load", [
      `--clients=${connections}`,
      `--max-concurrent-streams=${Math.ceil(concurrency / connections)}`,
      ...spanOptions(span, connections),
      `--data=${bodyFile}`,
      "--header=content-type: application/grpc",
      "--header=te: trailers",
      `--log-file=${logFile}`,
      ...(secured?.token ? [`--header=authorization: Bearer ${secured.token}`] : []),
      `${secured?.tls ? "https" : "http"}://127.0.0.1:${port}/${method}`,
    ]);
    return answeredIn(readFileSync(logFile, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function spanOptions(span: Span, connections: number): string[] {
  if (span.type === "count") return [`--requests=${span.count}`];
  const { durationMs, warmUpMs, perSecond } = span;
  const rate = perSecond === undefined ? [] : [`--rps=${Math.max(1, Math.round(perSecond / connections))}`];
  return [`--duration=${durationMs}ms`, `--warm-up-time=${warmUpMs}ms`, ...rate];
}

/** One line a call: start (µs), HTTP status, duration (µs). What is under way when the time is over is cut off, and has no status. */
export function answeredIn(log: string): readonly Answered[] {
  const lines = log.trimEnd().split("\n");
  return lines.flatMap((line) => {
    const [start, status, took] = line.split("\t").map(Number);
    return status === 200 ? [{ startedMs: (start ?? 0) / 1000, tookMs: (took ?? 0) / 1000 }] : [];
  });
}

async function runNode(load: Load): Promise<readonly Answered[]> {
  const { body, ...rest } = load;
  const argument = JSON.stringify({ ...rest, body: Buffer.from(body).toString("base64") });
  return JSON.parse(await runProcess(process.execPath, [join(import.meta.dirname, "node-load.ts"), argument]));
}

/** gRPC's length prefix: not compressed, four bytes of length. */
function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + body.length);
  new DataView(frame.buffer).setUint32(1, body.length);
  frame.set(body, 5);
  return frame;
}
