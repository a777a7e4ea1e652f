import { afterAll, beforeAll, expect, test } from "vitest";
import { translatedAtOnceBytesMax } from "../../src/http/limits.ts";
import { loopHoldWarnMs } from "../../src/kernel/limits.ts";
import { temporaryFolder } from "../support/concord.ts";
import { type ProbedServer, startProbedServer } from "../support/hostile/probed-server.ts";
import { ask } from "../support/http-client.ts";

// As contract/no-stall, of what comes as JSON: bodies that become, or would become, as much as they can of what is made of them.

const data = temporaryFolder();
let server: ProbedServer;

beforeAll(async () => {
  server = await startProbedServer(data.path);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
  data.remove();
});

/** As many of these as fit. */
const many = (text: string, bytes: number): string => text.repeat(bytes / text.length);

const checks = "/v1/transition-checks:batch-validate";
const hostile: readonly (readonly [string, string, (bytes: number) => string])[] = [
  ["empty messages", checks, (bytes) => `{"checks":[${many("{},", bytes)}{}]}`],
  ["one wrong message among many", checks, (bytes) => `{"checks":[${many("{},", bytes)}5]}`],
  ["one wrong field among many", checks, (bytes) => `{"checks":[${many('{"reason":""},', bytes)}{"reason":5}]}`],
  ["nothing but wrong messages", checks, (bytes) => `{"checks":[${many("1,", bytes)}5]}`],
  ["a wide Struct", "/v1/workflows", (bytes) => `{"metadata":{"a":[${many("{},", bytes)}5]}}`],
  ["a deep Struct", "/v1/workflows", (bytes) => `{"metadata":{"a":${many("[", bytes / 2)}${many("]", bytes / 2)}}}`],
  [
    "unknown fields",
    "/v1/workflows",
    (bytes) => `{${Array.from({ length: bytes / 10 }, (_, index) => `"${index}":1`).join(",")}}`,
  ],
  ["what ends too early", "/v1/workflows", (bytes) => `{"metadata":[${many("1,", bytes)}`],
  ["a name twice at the end", "/v1/workflows", (bytes) => `{"metadata":{"a":[${many("1,", bytes)}1]},"type":"","type":""}`],
];

const sizes = [translatedAtOnceBytesMax - 100, 3 * 2 ** 20];

test.each(sizes.flatMap((bytes) => hostile.map(([name, path, body]) => [name, bytes, path, body] as const)))(
  "%s, %i bytes: no stretch of the event loop is long",
  async (_, bytes, path, body) => {
    const longestMs: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { status } = await ask(`${server.url}${path}`, {
        method: "POST",
        body: body(bytes),
        headers: { "content-type": "application/json" },
      });
      expect([200, 400]).toContain(status);
      longestMs.push((await server.look()).longestMs);
    }
    expect(Math.min(...longestMs)).toBeLessThan(loopHoldWarnMs);
  },
);
