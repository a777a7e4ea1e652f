import { existsSync } from "node:fs";
import { request } from "node:http";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { participate, serve } from "../support/process.ts";
import { typed } from "../support/typed.ts";

const data = temporaryFolder();
afterAll(() => data.remove());

/** The body of GET at a unix socket. */
function get(socketPath: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request({ socketPath, path, agent: false }, async (response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    resolve(Buffer.concat(chunks).toString());
  })
    .once("error", reject)
    .end();
  return promise;
}

test("everything is served at unix sockets, also after a kill that has left them behind", async () => {
  const [listen, http, metrics] = ["grpc", "http", "metrics"].map((name) => join(data.path, name)) as [string, string, string];
  const address = `unix:${listen}`;
  const flags = ["--http-listen", `unix:${http}`, "--metrics-listen", `unix:${metrics}`];
  const start = () => serve(join(data.path, "unix"), { listen: address, flags });
  const first = await start();
  expect(first.address).toBe(address);
  await first.kill();
  expect(existsSync(listen)).toBe(true);

  const server = await start();
  const participant = await participate("p", { address, dataDir: join(data.path, "unix") });
  const work = (...args: readonly string[]) => typed(["workflow", ...args, "--by", "ada"], { address });
  expect(await work("create", "wf")).toMatchObject({ code: 0 });
  expect(await work("transition", "wf", "ACTIVE", "--enlist", "p=work", "--wait", "10s")).toMatchObject({ code: 0, err: "" });
  expect((await typed(["participants"], { address })).out).toMatch(/^p +yes .* unix /m);
  expect(JSON.parse(await get(http, "/v1/workflows/wf"))).toMatchObject({ workflow: { state: "WORKFLOW_STATE_ACTIVE" } });
  expect(await get(metrics, "/metrics")).toContain("concord_commit_participants_connected 2");
  expect(await participant.terminate()).toBe(0);
  expect(await server.terminate()).toBe(0);
  expect(server.log.find(({ msg, rpc }) => msg === "call" && String(rpc).endsWith("CreateWorkflow"))).toMatchObject({
    peer: "unix",
  });
  expect([listen, http, metrics].filter(existsSync), "left behind").toEqual([]);
  expect(await typed(["workflow", "get", "wf"], { address })).toMatchObject({
    code: 1,
    err: expect.stringContaining(`no Concord answers at ${address}`),
  });
});

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1"));

test.skipIf(!hasIpv6)("IPv6 addresses are told in brackets, of peers too [needs ::1]", async () => {
  const server = await serve(join(data.path, "v6"), { listen: "[::1]:0" });
  expect(server.address).toMatch(/^\[::1\]:\d+$/);
  const participant = await participate("p", { address: server.address, dataDir: join(data.path, "v6") });
  expect((await typed(["participants"], { address: server.address })).out).toMatch(/^p +yes .* \[::1\]:\d+ /m);
  expect(await participant.terminate()).toBe(0);
  expect(await server.terminate()).toBe(0);
});
