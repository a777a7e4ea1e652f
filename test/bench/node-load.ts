// The load generator for machines without h2load: closed loops of grpc-js calls, all with the same body. Prints what it measured as JSON.
import { Client, credentials } from "@grpc/grpc-js";

const { port, method, body, concurrency, warmUpMs, durationMs } = JSON.parse(process.argv[2] ?? "{}") as {
  port: number;
  method: string;
  body: string;
  concurrency: number;
  warmUpMs: number;
  durationMs: number;
};

const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
const request = Buffer.from(body, "base64");
const durationsMs: number[] = [];
let failed = 0;

function call(): Promise<boolean> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      `/${method}`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      request,
      (error) => resolve(error === null),
    );
  });
}

const begin = performance.now() + warmUpMs;
async function loop(): Promise<void> {
  for (let started = performance.now(); started < begin + durationMs; started = performance.now()) {
    const succeeded = await call();
    if (started < begin) continue;
    durationsMs.push(performance.now() - started);
    if (!succeeded) failed += 1;
  }
}

await Promise.all(Array.from({ length: concurrency }, loop));
client.close();
console.log(JSON.stringify({ durationsMs, failed }));
