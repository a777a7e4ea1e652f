import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { ask, askJson, openEvents } from "../support/http-client.ts";
import { createProtoClient } from "../support/proto-client.ts";

// What comes over HTTP has the bounds, the shares and the end that gRPC has: it is counted as its caller's there.

const data = temporaryFolder();
let server: TestServer | undefined;

async function start(settings: Parameters<typeof startServer>[0]): Promise<TestServer> {
  server = await startServer({ dataDir: data.path, httpListen: "127.0.0.1:0", ...settings });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
  data.remove();
});

test("streams count against what one address may have, and others have theirs", async () => {
  const { url, address } = await start({ maxStreams: 2, addressShare: 50 });
  const first = await openEvents(`${url}/v1/events?position=WATCH_POSITION_NOW`);
  expect((await first.next())?.comment).toContain("progress");
  const refused = await ask(`${url}/v1/events`, { headers: { accept: "text/event-stream" } });
  expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "1"]);
  expect(JSON.parse(refused.text)).toMatchObject({ reason: "OVERLOADED", retryAfterSeconds: 0.5 });
  // The same address, over gRPC.
  const client = createProtoClient(address);
  const watch = client.stream("WorkflowService/WatchWorkflowEvents", {});
  expect(await watch.end()).toMatchObject({ reason: "OVERLOADED" });
  client.close();
  const other = await ask(`${url}/v1/events`, { headers: { accept: "application/json" }, localAddress: "127.0.0.9" });
  expect(other.status).toBe(200);
  first.close();
});

test("connections count too", async () => {
  // The workflow manager has some of its own, from another address than the one that asks here.
  const { url } = await start({ maxConnections: 20, addressShare: 10 });
  const { port } = new URL(url);
  const open = () => connect({ port: Number(port), host: "127.0.0.1", localAddress: "127.0.0.7" });
  const [one, two] = [open(), open()];
  const ask7 = () => ask(`${url}/health`, { localAddress: "127.0.0.7" });
  await Promise.all([one, two].map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  await expect(ask7()).rejects.toThrow();
  one.destroy();
  await expect
    .poll(() =>
      ask7().then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200);
  two.destroy();
});

test("who stops reading holds up nobody, and who leaves is gone", async () => {
  const { url } = await start({ maxStreams: 2, addressShare: 50 });
  const events = await openEvents(`${url}/v1/events`);
  await events.next();
  events.close();
  await expect.poll(async () => (await openEvents(`${url}/v1/events`)).status).toBe(200);
});

test("a stop ends streams with a reason, and answers what comes late", async () => {
  const running = await start({});
  const events = await openEvents(`${running.url}/v1/events`);
  await events.next();
  await running.stop();
  server = undefined;
  const last = await events.next();
  expect(last).toMatchObject({ event: "error", data: { reason: "SHUTTING_DOWN", status: 503 } });
  expect(await events.next()).toBeUndefined();
});

test("two proofs of who asks are refused: who is in the way may have looked at the other one", async () => {
  const { url } = await start({});
  const { port } = new URL(url);
  const socket = connect({ port: Number(port), host: "127.0.0.1" });
  socket.end(
    "GET /v1/workflows HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n",
  );
  let answer = "";
  for await (const chunk of socket) answer += chunk;
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({
    reason: "INVALID_REQUEST",
    code: "INVALID_ARGUMENT",
    detail: expect.stringContaining("two `authorization` headers"),
    fieldViolations: [{ field: "" }],
  });
});

test("pages of other origins change nothing, also by what a browser sends without asking", async () => {
  const { url } = await start({ httpAllowOrigin: "https://console.example" });
  const create = (headers: Readonly<Record<string, string>>) => ask(`${url}/v1/workflows`, { method: "POST", headers });
  for (const origin of ["https://evil.example", "null"]) {
    const refused = await create({ origin });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("--http-allow-origin")]);
  }
  // From here, from one that was named, and from no page at all.
  for (const headers of [{ origin: url }, { origin: "https://console.example" }, {}])
    expect((await create(headers)).status).toBe(200);
  expect(JSON.parse((await ask(`${url}/v1/workflows`)).text).workflows).toHaveLength(3);
});

test("pages of origins that were named may read, after asking", async () => {
  const { url } = await start({ httpAllowOrigin: "https://console.example" });
  const origin = "https://console.example";
  const asked = await ask(`${url}/v1/workflows`, { method: "OPTIONS", headers: { origin } });
  expect(asked.headers).toMatchObject({
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "POST, GET, HEAD, OPTIONS",
    "access-control-allow-headers":
      "authorization, content-type, grpc-timeout, last-event-id, traceparent, tracestate, x-request-id",
  });
  const read = await ask(`${url}/v1/workflows`, { headers: { origin } });
  expect([read.headers["access-control-allow-origin"], read.headers["vary"]]).toEqual([origin, "origin"]);
  const other = await ask(`${url}/v1/workflows`, { headers: { origin: "https://evil.example" } });
  expect(other.headers["access-control-allow-origin"]).toBeUndefined();
});

test("what a process does not serve is not implemented there", async () => {
  const { url } = await start({ services: "predicate" });
  expect((await askJson(`${url}/v1/workflows`)).status).toBe(501);
  expect((await askJson(`${url}/health`)).json.services).toEqual({
    "concord.predicate.v1.PredicateLogic": "SERVING",
    "concord.server.v1.ServerStatus": "SERVING",
  });
});

test("what is not HTTP is told so", async () => {
  const { url } = await start({});
  const answers = [
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    [`GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431],
  ] as const;
  for (const [sent, status] of answers) {
    const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1" });
    socket.end(sent);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toContain(`HTTP/1.1 ${status} `);
    const problem = JSON.parse(text.slice(text.indexOf("\r\n\r\n")));
    expect(problem).toMatchObject({ type: "about:blank", status });
    expect(text).toContain(`\r\nx-request-id: ${problem.requestId}\r\n`);
  }
});

test("requests that are sent without waiting for answers have them in their order, as far as they are few", async () => {
  const { url } = await start({});
  const { port } = new URL(url);
  const socket = connect({ port: Number(port), host: "127.0.0.1" });
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  socket.write(get("/v1/system/stats") + get("/v1/nothing") + get("/health"));
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.includes('"services"')) break;
  }
  expect(text.match(/HTTP\/1.1 (\d+)/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 200"]);
  const many = connect({ port: Number(port), host: "127.0.0.1" });
  many.write(get("/health").repeat(1_000));
  await new Promise((resolve) => many.once("close", resolve));
});
