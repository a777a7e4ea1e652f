import { readFileSync } from "node:fs";
import { createServer as createPlainServer, createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createClient } from "../../src/client.ts";
import { createKeyValueResource, createParticipant, encodeOperations } from "../../src/participant.ts";
import type { ClientTls } from "../../src/rpc/clients/security.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { testCertificates } from "../support/certificates.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// How those who call say that they speak TLS, and what they hear when it fails.

const environment = { ...process.env };
const data = temporaryFolder();
const certificates = testCertificates(join(data.path, "ours"));
const others = testCertificates(join(data.path, "others"));
const ada = certificates.client("ada");
const plain = createPlainServer();
const { cert: lateCert, key: lateKey } = others.writeServer(-1);
/** Concord would not start with it. */
const late = createSecureServer({ cert: readFileSync(lateCert), key: readFileSync(lateKey) });
const addressOf = (listener: typeof plain | typeof late): string => `127.0.0.1:${(listener.address() as AddressInfo).port}`;
let server: TestServer;

beforeAll(async () => {
  for (const each of [plain, late]) await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
  server = await startServer({ dataDir: join(data.path, "data"), ...certificates.settings }, undefined, { tls: ada });
});

afterAll(async () => {
  plain.close();
  late.close();
  await server.stop();
  data.remove();
});

beforeEach(() => {
  process.env["CONCORD_CONTEXTS"] = join(data.path, "contexts.yaml");
});

afterEach(() => {
  process.env = { ...environment };
});

const flagsOf = ({ ca, cert, key, serverName }: ClientTls): readonly string[] =>
  Object.entries({ "--tls-ca": ca, "--tls-cert": cert, "--tls-key": key, "--tls-server-name": serverName }).flatMap(
    ([flag, value]) => (value === undefined ? [] : [flag, value]),
  );
const list = (flags: readonly string[], address = server.address) => typed(["workflow", "list", ...flags], { address });

describe("a command speaks TLS", () => {
  test("by flags, by the environment and by a context", async () => {
    expect(await list(flagsOf(ada))).toMatchObject({ code: 0, err: "" });
    const named = { CA: ada.ca, CERT: ada.cert, KEY: ada.key };
    for (const [name, value] of Object.entries(named)) process.env[`CONCORD_CLIENT_TLS_${name}`] = value;
    expect(await list([])).toMatchObject({ code: 0, err: "" });
    for (const name of Object.keys(named)) delete process.env[`CONCORD_CLIENT_TLS_${name}`];
    const add = ["context", "add", "lab", "--address", server.address, ...flagsOf(ada)];
    expect(await typed(add, { address: "" })).toMatchObject({ out: "lab is in use\n" });
    expect(await typed(["workflow", "list"], { address: "" })).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse((await typed(["context", "show", "-o", "json"], { address: "" })).out)).toMatchObject({
      tls: true,
      tls_ca: ada.ca,
      tls_key: ada.key,
    });
  });

  test("and asks every process of its Concord so: status, diagnose", async () => {
    const { out } = await typed(["status", "-o", "json", ...flagsOf(ada)], { address: server.address });
    // A machine that is busy has troubles, too.
    expect((JSON.parse(out) as { readonly processes: unknown }).processes).toMatchObject([
      { status: { services: expect.anything() } },
    ]);
    const { err } = await typed(["diagnose", "none", ...flagsOf(ada)], { address: server.address });
    expect(err).toMatch(/none/);
  });
});

describe("what has gone wrong is said with what to do about it:", () => {
  test.each([
    ["no CA", () => list(["--tls"]), /signed by nobody who is trusted here; name its CA with --tls-ca/],
    ["another CA", () => list(flagsOf({ ...ada, ca: others.ca })), /signed by nobody who is trusted here/],
    [
      "another name",
      () => list(flagsOf({ ...ada, serverName: "lab.example" })),
      /certificate for other names \(Host: lab\.example\. is not in the cert's altnames: DNS:localhost.*\); use one of those .*--tls-server-name/,
    ],
    [
      "no certificate of its own",
      () => list(["--tls-ca", certificates.ca]),
      /asks for a client's certificate; name one, .* --tls-cert and --tls-key/,
    ],
    [
      "a certificate of somebody else's CA",
      () => list(flagsOf({ ...others.client("ada"), ca: certificates.ca })),
      /has hung up after the handshake of TLS; it may not accept the certificate of --tls-cert: its log says why/,
    ],
    ["plain text", () => list([]), /speaks TLS: say --tls, and --tls-ca /],
    [
      "a server that speaks plain text",
      () => list(flagsOf(ada), addressOf(plain)),
      /speaks plain text, and TLS was asked for; leave the --tls options out/,
    ],
    [
      "a server whose certificate has expired",
      () => list(["--tls-ca", others.ca], addressOf(late)),
      /certificate that is not valid at this time \(certificate has expired\); it must be renewed there/,
    ],
    ["a file that is not there", () => list(["--tls-ca", "/none.pem"]), /the CA cannot be read: ENOENT.*\/none\.pem/],
    ["a certificate without its key", () => list(["--tls-cert", String(ada.cert)]), /its key belong together: name both/],
    [
      "the key of another",
      () => list(flagsOf({ ...ada, key: others.client("eve").key })),
      /what is named for TLS cannot be used: .*key values mismatch/,
    ],
  ])("%s", async (_, call, words) => {
    const { code, out, err } = await call();
    expect({ out, err }).toEqual({ out: "", err: expect.stringMatching(words) });
    expect([1, 2]).toContain(code);
    expect(err).not.toMatch(/\d:error:|alert number/);
  });
});

test("clients and participants speak it: a transaction commits at a participant over mutual TLS", async () => {
  const client = createClient({ address: server.address, requestedBy: "ada", tls: ada });
  const resource = await createKeyValueResource({ path: join(data.path, "shelf.sqlite") });
  const participant = await createParticipant({
    coordinators: [server.address],
    participantId: "shelf",
    log: join(data.path, "shelf-log.sqlite"),
    resource,
    logger: createLogger({ level: "silent", format: "json" }),
    tls: certificates.client("shelf"),
  });
  await until(() => participant.connected, "the participant is connected");
  const payload = Buffer.from(encodeOperations([{ type: "put", key: "a", value: 1 }]));
  const { transaction } = await client.transactions.executeTransaction({
    participants: [{ participantId: "shelf", payload }],
    reason: "a test",
  });
  expect(transaction?.outcome).toBe("OUTCOME_COMMITTED");
  await participant.close();
  await resource.close();
  client.close();
  expect(() => createClient({ address: server.address, requestedBy: "ada", tls: { ca: "/none.pem" } })).toThrow(/cannot be read/);
});

test("a manager speaks it with the rules and the coordinator of other processes, and tells what keeps it from that", async () => {
  const dataDir = join(data.path, "split");
  const [rules, coordinator] = [
    await startServer({ dataDir, services: "predicate", ...certificates.settings }, undefined, { tls: ada }),
    await startServer({ dataDir, services: "commit", ...certificates.settings }, undefined, { tls: ada }),
  ];
  const elsewhere = { services: "workflow", predicateAddress: rules.address, commitAddress: coordinator.address };
  const { tlsCert: peerTlsCert, tlsKey: peerTlsKey } = certificates.settings;
  const manager = await startServer({
    dataDir,
    ...elsewhere,
    peerTls: "on",
    peerTlsCa: certificates.ca,
    peerTlsCert,
    peerTlsKey,
    httpListen: "127.0.0.1:0",
  });
  const by = { reason: "a test", requestedBy: "ada" };
  await manager.clients.workflows.createWorkflow({ workflowId: "wf-1", ...by });
  const { workflow } = await manager.clients.workflows.transitionWorkflow({
    workflowId: "wf-1",
    targetState: "WORKFLOW_STATE_ACTIVE",
    ...by,
  });
  expect(workflow?.state).toBe("WORKFLOW_STATE_ACTIVE");
  await manager.stop();

  const foreign = await startServer({
    dataDir,
    ...elsewhere,
    peerTls: "on",
    peerTlsCa: others.ca,
    httpListen: "127.0.0.1:0",
  });
  const causes = await until(async () => {
    const { peers } = (await (await fetch(`${foreign.url}/health`)).json()) as {
      readonly peers: Readonly<Record<string, { readonly cause?: string }>>;
    };
    const told = Object.values(peers).map(({ cause }) => cause);
    return told.every(Boolean) ? told : undefined;
  }, "health tells why the others are away");
  for (const cause of causes) expect(cause).toMatch(/signed by nobody who is trusted here/);
  for (const each of [foreign, rules, coordinator]) await each.stop();
});
