import { readFileSync } from "node:fs";
import { createServer } from "node:http2";
import { connect, type Server } from "node:net";
import { connect as connectTls } from "node:tls";
import { HealthDefinition } from "nice-grpc-server-health";
import { afterAll, afterEach, expect, test } from "vitest";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { duplexCall } from "../../../src/rpc/clients/duplex-call.ts";
import type { ClientTls } from "../../../src/rpc/clients/security.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { createLogger } from "../../../src/runtime/logger.ts";
import { openTls, type TlsSettings } from "../../../src/runtime/tls/tls.ts";
import { testCertificates } from "../../support/certificates.ts";
import { until } from "../../support/until.ts";

const logger = createLogger({ level: "silent", format: "json" });
const certificates = testCertificates();
const others = testCertificates();
const ada = certificates.client("ada");
/** Why handshakes have failed. */
const failed: string[] = [];
const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});
afterAll(() => {
  certificates.remove();
  others.remove();
});

async function serve(settings: Partial<TlsSettings> = {}, times = {}) {
  const { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = certificates.settings;
  const opened = openTls({ cert, key, clientCa, clientAuth: "require", minVersion: "1.3", ...settings }, logger, {
    handshakeFailed: (why) => void failed.push(why),
    certificateUntil: () => undefined,
  });
  if (!opened.ok) throw new Error(opened.error);
  const tls = opened.value;
  cleanups.push(tls.close);
  const server = createRpcServer({ services: [], logger, tls, times });
  cleanups.push(() => server.shutdown(0));
  return { server, address: `127.0.0.1:${await server.listen("127.0.0.1:0")}` };
}

/** What a call gets, and what a stream of a participant's kind gets, which is dialled otherwise. */
async function called(address: string, tls: ClientTls | undefined): Promise<readonly [string, string]> {
  const channel = openChannel(address, { tls });
  const call = clientFactory
    .create(HealthDefinition, channel)
    .check({ service: "" }, { deadline: 5_000 })
    .then(
      () => "answered",
      (error: Error) => error.message,
    );
  const stream = async (): Promise<string> => {
    const silent = (async function* () {})();
    try {
      const path = "/grpc.health.v1.Health/None";
      for await (const _ of duplexCall({ address, path, security: { tls } }, silent, new AbortController().signal));
      return "ended";
    } catch (error) {
      return (error as Error).message;
    }
  };
  const told = [await call, await stream()] as const;
  channel.close();
  return told;
}

/** Of a server that does not like a certificate nothing more can be seen. */
const refused = /Failed to connect|does not accept the certificate/;

const both = (pattern: RegExp) => [expect.stringMatching(pattern), expect.stringMatching(pattern)];
const reached = [expect.stringMatching(/^answered$/), expect.stringMatching(/does not implement/)];

test("who has a certificate of the CA that is asked for is served, by channels and by streams", async () => {
  const { address, server } = await serve();
  expect(await called(address, ada)).toEqual(reached);
  await until(() => server.load().connections === 0, "its connections count no longer");
});

test("whoever is not who it says, or does not prove who it is, gets no connection", async () => {
  const { address, server } = await serve();
  expect(await called(address, { ca: certificates.ca })).toEqual(both(/certificate required/));
  expect(await called(address, { ...ada, ca: others.ca })).toEqual(both(/certificate/));
  expect(await called(address, { ...ada, serverName: "other.example" })).toEqual(both(/other\.example/));
  expect(await called(address, { ...others.client("ada"), ca: certificates.ca })).toEqual(both(refused));
  expect(await called(address, { ...certificates.client("late", -1), ca: certificates.ca })).toEqual(both(refused));
  expect(await called(address, undefined)).toEqual(both(/Protocol error/));
  await until(() => server.load().connections === 0, "their connections count no longer");
});

test("where a certificate may be shown, none is as good as a good one, and a bad one is not", async () => {
  const { address } = await serve({ clientAuth: "request" });
  expect(await called(address, { ca: certificates.ca })).toEqual(reached);
  expect(await called(address, ada)).toEqual(reached);
  expect(await called(address, { ...others.client("ada"), ca: certificates.ca })).toEqual(both(refused));
});

test("who speaks plain text to it is told so in words, and counts no longer", async () => {
  const { address, server } = await serve();
  const socket = connect({ host: "127.0.0.1", port: Number(address.split(":")[1]) });
  socket.write("GET / HTTP/1.1\r\n\r\n");
  let told = "";
  for await (const chunk of socket) told += String(chunk);
  expect(failed).toContain("plain text");
  expect(told).toMatch(/^HTTP\/1.1 400 .*TLS only/s);
  await until(() => server.load().connections === 0, "its connection counts no longer");
});

test("who does not end a handshake, or does not begin one, is cut off in time", async () => {
  const { address, server } = await serve({}, { handshakeMs: 50 });
  const port = Number(address.split(":")[1]);
  const [silent, half] = [connect({ host: "127.0.0.1", port }), connect({ host: "127.0.0.1", port })];
  // The beginning of a handshake, which says that 512 bytes follow.
  half.write(Buffer.from([0x16, 3, 1, 2, 0, 1]));
  await Promise.all([silent, half].map((socket) => new Promise((closed) => socket.once("close", closed).resume())));
  await until(() => server.load().connections === 0, "its connection counts no longer");
});

test("TLS 1.2 is refused, unless it is asked for", async () => {
  const handshake = async (minVersion: "1.2" | "1.3"): Promise<string> => {
    const { address } = await serve({ minVersion, clientCa: undefined });
    const socket = connectTls({ host: "127.0.0.1", port: Number(address.split(":")[1]), ca: ca(), maxVersion: "TLSv1.2" });
    return new Promise((resolve) => {
      socket.once("secureConnect", () => {
        resolve(socket.getProtocol() ?? "");
        socket.destroy();
      });
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    });
  };
  const ca = () => readFileSync(certificates.ca, "utf8");
  expect(await handshake("1.3")).toMatch(/PROTOCOL_VERSION/);
  expect(await handshake("1.2")).toBe("TLSv1.2");
});

test("a client does not go on in plain text with a server that speaks nothing else", async () => {
  const plain: Server = createServer();
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => void plain.close());
  const { port } = plain.address() as { readonly port: number };
  expect(await called(`127.0.0.1:${port}`, ada)).toEqual(both(/wrong version number|packet length too long|record/i));
});
