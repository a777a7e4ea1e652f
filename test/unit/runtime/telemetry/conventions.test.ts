import { expect, test } from "vitest";
import { failureForCaller, failureOfServer, serverAttributes } from "../../../../src/runtime/telemetry/conventions.ts";

test("a server is named by host and port, or by the path of its socket", () => {
  expect(["127.0.0.1:5", "[::1]:5", "engine.internal:5", "unix:/run/c.sock"].map(serverAttributes)).toEqual([
    { "server.address": "127.0.0.1", "server.port": 5 },
    { "server.address": "::1", "server.port": 5 },
    { "server.address": "engine.internal", "server.port": 5 },
    { "server.address": "/run/c.sock" },
  ]);
});

test("a refusal is a failure for its caller, and not of the server; what the server cannot do is both", () => {
  const codes = ["OK", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "CANCELLED", "INTERNAL", "UNAVAILABLE"];
  expect(codes.filter(failureOfServer)).toEqual(["INTERNAL", "UNAVAILABLE"]);
  expect(codes.filter(failureForCaller)).toEqual(codes.slice(1));
});
