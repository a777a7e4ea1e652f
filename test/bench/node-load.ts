// The load generator for machines without h2load: loops of grpc-js calls, all with the same body. Prints each call that was answered, as JSON.
import { setTimeout as pause } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import type { Load } from "./load.ts";

const { port, method, body, concurrency, span } = JSON.parse(process.argv[2] ?? "{}") as Omit<Load, "body"> & {
  readonly body: string;
};

const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
const request = Buffer.from(body, "base64");
const answered: { startedMs: number; tookMs: number }[] = [];

function call(): Promise<void> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      `/${method}`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      request,
      () => resolve(),
    );
  });
}

const beginMs = performance.now() + (span.type === "time" ? span.warmUpMs : 0);
let begun = 0;

function goesOn(nowMs: number): boolean {
  begun += 1;
  return span.type === "time" ? nowMs < beginMs + span.durationMs : begun <= span.count;
}

/** With a rate, each loop has its share of it, and its own turn. */
async function loop(_: unknown, turn: number): Promise<void> {
  const intervalMs = span.type === "time" && span.perSecond ? (concurrency * 1000) / span.perSecond : 0;
  let nextMs = performance.now() + (turn * intervalMs) / concurrency;
  for (;;) {
    if (intervalMs > 0) await pause(Math.max(0, nextMs - performance.now()));
    nextMs += intervalMs;
    const startedMs = performance.now();
    if (!goesOn(startedMs)) return;
    await call();
    if (startedMs >= beginMs) answered.push({ startedMs, tookMs: performance.now() - startedMs });
  }
}

await Promise.all(Array.from({ length: concurrency }, loop));
client.close();
console.log(JSON.stringify(answered));
