import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { type Answer, typed } from "../support/typed.ts";

// What a command says that Concord has not answered: who hangs is told from who is absent, a bad name from a refused connection.

const data = temporaryFolder();
let rules: TestServer;
const sockets = new Set<Socket>();
/** Takes connections, and says nothing. */
const hanging = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
const web = createHttpServer((_, answer) => answer.end("hello"));
const addressOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
const listens = (server: Server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

beforeAll(async () => {
  await Promise.all([listens(hanging), listens(web)]);
  rules = await startServer({ dataDir: data.path, services: "predicate" });
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  hanging.close();
  web.close();
  await rules.stop();
  data.remove();
});

const get = (address: string, ...flags: readonly string[]): Promise<Answer> =>
  typed(["workflow", "get", "wf-1", "--timeout", "200ms", ...flags], { address });

test.each([
  ["nobody listens", () => "127.0.0.1:1", /^error: no Concord answers at 127\.0\.0\.1:1; start it /],
  ["the name is bad", () => "nowhere.invalid:50051", /^error: no host is called nowhere\.invalid, /],
  ["it hangs", () => addressOf(hanging), /^error: 127\.0\.0\.1:\d+ takes connections, but has not answered within 200ms: /],
  ["it is something else", () => addressOf(web), /^error: what answers at 127\.0\.0\.1:\d+ does not speak gRPC /],
  ["it serves something else", () => rules.address, /does not serve concord\.workflow\.v1\.WorkflowService; name the process/],
])("%s", async (_, address, words) => {
  const { code, out, err } = await get(address());
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(words);
});

describe("a watch of a server that hangs ends, too", () => {
  test.each([
    ["workflow", "watch"],
    ["tx", "watch"],
    ["tx", "watch", "t-1"],
    ["rule", "watch"],
    ["workflow", "export", "-"],
    ["rule", "replay"],
  ])("%s %s %s", async (...args) => {
    const words = args.filter((word) => word !== undefined);
    const { code, err } = await typed([...words, "--timeout", "200ms"], { address: addressOf(hanging) });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("has not answered within 200ms") });
  });
});

test("how long to wait is said for what waits for others, too", async () => {
  const { code, err } = await typed(["tx", "run", "a=1", "--wait", "1h", "--timeout", "200ms"], { address: addressOf(hanging) });
  expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining("has not answered within 200ms") });
});

describe("for programs, a failure is a line of JSON", () => {
  const failureOf = ({ err }: Answer): unknown => (JSON.parse(err) as { error: unknown }).error;

  test("that has what a person reads, and code and reason", async () => {
    const { code, out, err } = await typed(["rule", "get", "none", "-o", "json"], { address: rules.address });
    expect({ code, out, lines: err.split("\n").length }).toEqual({ code: 1, out: "", lines: 2 });
    expect(JSON.parse(err)).toMatchObject({
      error: { exitCode: 1, code: "NOT_FOUND", reason: "RULE_NOT_FOUND", message: expect.stringContaining("none"), metadata: {} },
    });
  });

  test("also if nobody has answered, or the command line is wrong", async () => {
    const absent = await get("127.0.0.1:1", "-o", "json");
    expect(failureOf(absent)).toMatchObject({ code: "UNAVAILABLE", message: expect.stringMatching(/^no Concord answers at /) });
    const wrong = await get("127.0.0.1:1", "--output=json", "--limit", "0");
    expect([wrong.code, failureOf(wrong)]).toEqual([2, { exitCode: 2, message: "unknown option '--limit'" }]);
  });

  test("of a change of which nobody knows: with the commands that tell", async () => {
    const args = ["workflow", "create", "wf-1", "--request-id", "r-1", "--timeout", "200ms", "-o", "json"];
    const asked = await typed(args, { address: addressOf(hanging) });
    const look = [`concord workflow get wf-1 --address ${addressOf(hanging)}`];
    expect(failureOf(asked)).toMatchObject({
      ...{ exitCode: 3, code: "DEADLINE_EXCEEDED", outcome: "unknown", look, retryWith: "--request-id r-1" },
    });
  });
});
