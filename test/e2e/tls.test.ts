import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { basename, join } from "node:path";
import { connect as connectTls } from "node:tls";
import { Status } from "nice-grpc";
import { pino } from "pino";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import type { ClientTls } from "../../src/rpc/clients/security.ts";
import { accessFile } from "../support/access.ts";
import { testCertificates } from "../support/certificates.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

// TLS as a whole server speaks it: what is shown and asked for changes while it serves, and nobody's call notices.

const data = temporaryFolder();
const cleanups: (() => Promise<void> | void)[] = [];
let folderCount = 0;

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});
afterAll(data.remove);

function freshCertificates() {
  folderCount += 1;
  return testCertificates(join(data.path, `certificates-${folderCount}`));
}

type Line = { readonly msg: string; readonly cause?: string; readonly coordinator?: string; readonly metrics?: string };

/** With what it has logged. */
async function serve(settings: Parameters<typeof startServer>[0], tls: ClientTls) {
  const lines: Line[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  folderCount += 1;
  const dataDir = join(data.path, `data-${folderCount}`);
  const server: TestServer = await startServer({ dataDir, ...settings }, logger as Parameters<typeof startServer>[1], { tls });
  cleanups.push(server.stop);
  const logged = (msg: string, cause = ""): Promise<Line> =>
    until(() => lines.find((line) => line.msg === msg && (line.cause ?? "").includes(cause)), `it is logged: ${msg}`, {
      describe: () => JSON.stringify(lines),
    });
  return { ...server, lines, logged };
}

/** Which certificate a connection gets that comes now. */
function shownBy(address: string, { ca = "", cert = "", key = "" }: ClientTls): Promise<string> {
  const [host = "", port = ""] = address.split(":");
  const [caPem, certPem, keyPem] = [ca, cert, key].map((file) => readFileSync(file, "utf8"));
  const socket = connectTls({ host, port: Number(port), ca: caPem, cert: certPem, key: keyPem, ALPNProtocols: ["h2"] });
  return new Promise((resolve, reject) => {
    socket.once("error", reject).once("secureConnect", () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? "");
      socket.destroy();
    });
  });
}

/** Calls without end, each tenth over a new connection, and a watch that sees all of what they make. */
function load(address: string, tls: ClientTls) {
  const leaving = new AbortController();
  const failures: unknown[] = [];
  let [made, seen, connections] = [0, 0, 0];

  async function call(worker: number): Promise<void> {
    while (!leaving.signal.aborted) {
      const channel = openChannel(address, { tls });
      connections += 1;
      const { workflows } = connect(channel);
      for (let count = 0; count < 10; count += 1) {
        await workflows
          .createWorkflow({ workflowId: `w-${worker}-${connections}-${count}` }, { deadline: 30_000 })
          .then(() => (made += 1))
          .catch((error: unknown) => failures.push(error));
      }
      channel.close();
    }
  }

  async function watch(): Promise<void> {
    const channel = openChannel(address, { tls });
    try {
      const start = { $case: "afterSequence", value: 0n } as const;
      for await (const { body } of connect(channel).workflows.watchWorkflowEvents({ start }, { signal: leaving.signal }))
        if (body?.$case === "event") seen += 1;
    } catch (error) {
      if (!leaving.signal.aborted) failures.push(error);
    }
    channel.close();
  }

  const working = [watch(), ...[1, 2, 3, 4].map(call)];
  return {
    connections: () => connections,
    end: async () => {
      await until(() => seen === made, "the watch has seen what was made");
      leaving.abort();
      await Promise.all(working);
      return { failures, made };
    },
  };
}

test("certificates are changed under load, of both sides, and no call fails", async () => {
  const certificates = freshCertificates();
  const ada = certificates.client("ada");
  const { address, logged } = await serve(certificates.settings, ada);
  const loaded = load(address, ada);
  for (let round = 0; round < 3; round += 1) {
    const before = await shownBy(address, ada);
    certificates.writeServer();
    certificates.client("ada");
    await until(async () => (await shownBy(address, ada)) !== before, "another certificate is shown");
    const connections = loaded.connections();
    await until(() => loaded.connections() > connections + 4, "connections were made with it");
  }
  await logged("the files for TLS have changed; new connections get what they hold now");
  const { failures, made } = await loaded.end();
  expect(failures).toEqual([]);
  expect(made).toBeGreaterThan(100);
});

test("files that are symbolic links are followed where they lead now, as Kubernetes swaps them", async () => {
  const certificates = freshCertificates();
  const ada = certificates.client("ada");
  const mount = join(data.path, `mount-${folderCount}`);
  const { tlsCert, tlsKey } = certificates.settings;
  const publish = (version: string): void => {
    mkdirSync(join(mount, version), { recursive: true });
    for (const file of [tlsCert, tlsKey]) copyFileSync(file, join(mount, version, basename(file)));
    symlinkSync(version, join(mount, "..data.new"));
    renameSync(join(mount, "..data.new"), join(mount, "..data"));
  };
  publish("v1");
  const linked = Object.fromEntries(
    Object.entries({ tlsCert, tlsKey }).map(([name, file]) => {
      const link = join(mount, basename(file));
      symlinkSync(join("..data", basename(file)), link);
      return [name, link];
    }),
  );
  const { address } = await serve({ ...certificates.settings, ...linked }, ada);
  const before = await shownBy(address, ada);
  certificates.writeServer();
  publish("v2");
  await until(async () => (await shownBy(address, ada)) !== before, "another certificate is shown");
});

describe("files that cannot be used are refused loudly, and what was there stays:", () => {
  test.each([
    [
      "a key of another certificate",
      "tls-key: ",
      (_: string, key: string, other: ClientTls) => copyFileSync(other.key ?? "", key),
    ],
    ["half a file", "tls-cert: ", (cert: string) => writeFileSync(cert, readFileSync(cert, "utf8").slice(0, 200))],
    [
      "a certificate that has expired",
      "has expired",
      (_: string, __: string, ___: ClientTls, certificates: ReturnType<typeof testCertificates>) => certificates.writeServer(-1),
    ],
  ] as const)("%s", async (_, cause, spoil) => {
    const certificates = freshCertificates();
    const ada = certificates.client("ada");
    const { address, clients, logged } = await serve(certificates.settings, ada);
    const before = await shownBy(address, ada);
    spoil(certificates.settings.tlsCert, certificates.settings.tlsKey, ada, certificates);
    await logged("the files for TLS have changed and cannot be used; what was read before stays", cause);
    expect(await shownBy(address, ada)).toBe(before);
    await clients.workflows.listWorkflows({}, { deadline: 5_000 });
    certificates.writeServer();
    await until(async () => (await shownBy(address, ada)) !== before, "what is right is taken again");
  });
});

test("a certificate that is revoked loses its connections and gets no other, and others keep theirs", async () => {
  const certificates = freshCertificates();
  const [ada, eve] = [certificates.client("ada"), certificates.client("eve")];
  const { address, clients, logged } = await serve({ ...certificates.settings, tlsCrl: certificates.crl }, ada);
  const asEve = () => {
    const channel = openChannel(address, { tls: eve });
    return connect(channel)
      .workflows.listWorkflows({}, { deadline: 5_000 })
      .then(
        () => "answered",
        () => "refused",
      )
      .finally(() => channel.close());
  };
  expect(await asEve()).toBe("answered");
  const watching = openChannel(address, { tls: eve });
  const start = { $case: "afterSequence", value: 0n } as const;
  const watch = connect(watching).workflows.watchWorkflowEvents({ start })[Symbol.asyncIterator]();
  await watch.next();
  certificates.revoke("eve");
  await expect(watch.next()).rejects.toThrow(/UNAVAILABLE|INTERNAL|CANCELLED/);
  watching.close();
  await logged("a connection is ended: its client's certificate has been revoked");
  await until(async () => (await asEve()) === "refused", "its certificate counts no longer");
  await logged("a handshake of TLS has failed", "CERT_REVOKED");
  await clients.workflows.listWorkflows({}, { deadline: 5_000 });
});

/** The status of what HTTP answers, or why there is no answer. */
const getterOf =
  (url: string, ca: string) =>
  (path: string, { cert, key }: ClientTls = {}): Promise<number | string> =>
    new Promise((resolve) => {
      const [certPem, keyPem] = [cert, key].map((file) => file && readFileSync(file));
      request(`${url}${path}`, { ca: readFileSync(ca), agent: false, cert: certPem, key: keyPem }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        .end();
    });

type Getter = ReturnType<typeof getterOf>;

test("HTTP and metrics speak it, too, and ask for the same", async () => {
  const certificates = freshCertificates();
  const ada = certificates.client("ada");
  const listeners = { httpListen: "127.0.0.1:0", metricsListen: "127.0.0.1:0" };
  const { url, logged } = await serve({ ...certificates.settings, ...listeners }, ada);
  const { metrics = "" } = await logged("serving");
  const [get, getMetrics] = [url, `https://${metrics}`].map((each) => getterOf(each, certificates.ca)) as [Getter, Getter];
  expect(await getMetrics("/metrics", ada)).toBe(200);
  expect(await getMetrics("/metrics")).toMatch(/CERTIFICATE_REQUIRED|EPIPE|ECONNRESET/);
  expect(await get("/health", ada)).toBe(200);
  expect(await get("/health")).toMatch(/CERTIFICATE_REQUIRED|EPIPE|ECONNRESET/);
  const plain = await fetch(url.replace("https", "http"));
  expect([plain.status, await plain.text()]).toEqual([400, expect.stringContaining("TLS only")]);
});

test("who calls over HTTP is who the certificate says, as over gRPC", async () => {
  const certificates = freshCertificates();
  const [ada, bob] = [certificates.client("ada"), certificates.client("bob")];
  const access = accessFile(data.path, {
    authentication: { certificates: [{ match: { uri: "spiffe://concord.example/*" }, principal: "{uri}" }] },
    grants: [{ principals: ["spiffe://concord.example/ada"], roles: ["admin"] }],
  });
  const settings = { ...certificates.settings, tlsClientAuth: "request", access: access.path, httpListen: "127.0.0.1:0" };
  const { url, clients } = await serve(settings, ada);
  const get = getterOf(url, certificates.ca);
  expect(await Promise.all([get("/v1/workflows", ada), get("/v1/workflows", bob), get("/v1/workflows")])).toEqual([
    200, 403, 401,
  ]);
  await clients.workflows.listWorkflows({}, { deadline: 5_000 });
});

test("by the way on which a process calls itself nobody else comes in, though it asks for no certificate", async () => {
  const certificates = freshCertificates();
  const ada = certificates.client("ada");
  const { logged } = await serve(certificates.settings, ada);
  const { coordinator = "" } = await logged("connected");
  const channel = openChannel(coordinator);
  const failure = await failureOf(connect(channel).workflows.listWorkflows({}, { deadline: 5_000 }));
  channel.close();
  expect(failure).toMatchObject({ code: Status.UNAUTHENTICATED, reason: "UNAUTHENTICATED" });
});
