import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { createParticipant, voteCommit } from "../../src/participant.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { accessFile, clientsWith, withTokens } from "../support/access.ts";
import { testCertificates } from "../support/certificates.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createIssuer, serveIssuer, signedWithSecret, type TestIssuer, unsigned } from "../support/issuer.ts";
import { until } from "../support/until.ts";

// What proves who calls, end to end: JWTs of an issuer that is asked over HTTP, and certificates of clients.

const data = temporaryFolder();
const cleanups: (() => unknown)[] = [() => data.remove()];

afterAll(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

describe("by JWT", () => {
  let issuing: Awaited<ReturnType<typeof serveIssuer>>;
  let issuer: TestIssuer;
  let server: TestServer;
  let file: ReturnType<typeof accessFile>;
  const trusting = (): object => ({ issuer: issuing.url, audience: "concord", algorithms: ["ES256"], clock_skew: "0s" });

  beforeAll(async () => {
    issuing = await serveIssuer();
    cleanups.push(issuing.close);
    issuer = await createIssuer(issuing.url, "one");
    issuing.rotate(issuer);
    const { grants } = withTokens();
    file = accessFile(data.path, { authentication: { jwt: [trusting()], without: ["health", "metrics"] }, grants });
    server = await startServer({ dataDir: join(data.path, "jwt"), access: file.path, httpListen: "127.0.0.1:0" });
    cleanups.push(() => server.stop());
  });

  async function whyOf(token: string): Promise<string> {
    const { clients, close } = clientsWith(server.address, token);
    try {
      return await clients.workflows.listWorkflows({}).then(
        () => "in",
        async (error) => (await failureOf(Promise.reject(error))).metadata["why"] ?? String(error),
      );
    } finally {
      close();
    }
  }

  test("who shows one that counts comes in, over gRPC and HTTP; its issuer says in OpenID discovery where its keys are", async () => {
    const token = await issuer.sign();
    expect(await whyOf(token)).toBe("in");
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${server.url}/v1/workflows`, { headers })).status).toBe(200);
    expect(issuing.asked()).toBe(1);
  });

  const claims = (changes: object = {}) => ({
    iss: issuing.url,
    aud: "concord",
    sub: "ada",
    exp: Math.floor(Date.now() / 1_000) + 60,
    ...changes,
  });

  test.each<[string, string, () => string | Promise<string>]>([
    ["alg none", "WRONG_ALGORITHM", () => unsigned(claims())],
    ["key confusion", "WRONG_ALGORITHM", async () => signedWithSecret(await issuer.publicPem(), claims(), "one")],
    ["a wrong audience", "WRONG_AUDIENCE", () => issuer.sign({ aud: "elsewhere" })],
    ["a wrong issuer", "WRONG_ISSUER", () => issuer.sign({ iss: "https://evil.example" })],
    ["an expired one", "EXPIRED", () => issuer.sign(claims({ exp: 1 }))],
    ["one that is not valid yet", "NOT_YET_VALID", () => issuer.sign({ nbf: claims().exp })],
    ["a stranger's", "WRONG_SIGNATURE", async () => (await createIssuer(issuing.url, "one")).sign()],
  ])("%s is refused: %s", async (_, why, make) => {
    expect(await whyOf(await make())).toBe(why);
  });

  test("a key that is new at its issuer counts once it is known there, and one that is gone does not", async () => {
    const next = await createIssuer(issuing.url, "two");
    issuing.rotate(next);
    await until(async () => (await whyOf(await next.sign())) === "in", "the keys are read anew");
    expect(await whyOf(await issuer.sign({ jti: "fresh" }))).toBe("UNKNOWN_KEY");
    issuer = next;
  });

  test("a participant's stream ends when the token of its session does, and comes again with a fresh one", async () => {
    const short = await issuer.sign({ sub: "seats", exp: Math.floor(Date.now() / 1_000) + 3 });
    const fresh = await issuer.sign({ sub: "seats" });
    let shown = short;
    const warnings: string[] = [];
    const quiet = createLogger({ level: "silent", format: "json" });
    const warn = ({ reason = "" }: { readonly reason?: string }): void => void warnings.push(reason);
    const participant = await createParticipant({
      coordinators: [server.address],
      participantId: "seats",
      log: join(data.path, "seats.sqlite"),
      resource: { prepare: async () => voteCommit, commit: async () => undefined, abort: async () => undefined },
      logger: Object.assign(Object.create(quiet) as typeof quiet, { warn }),
      token: () => shown,
    });
    onTestFinished(() => participant.close());
    await until(() => participant.connected, "it has a session");
    shown = fresh;
    await until(() => warnings.length > 0, "its session has ended");
    expect(warnings).toEqual(["UNAUTHENTICATED: the token has expired"]);
    await until(() => participant.connected, "it has a session again");
  });

  test("while the issuer is away, what is not known is UNAVAILABLE, to be tried again; what was verified counts", async () => {
    const known = await issuer.sign();
    expect(await whyOf(known)).toBe("in");
    issuing.close();
    file.write({ authentication: { jwt: [{ ...trusting(), audience: ["concord", "also"] }] }, grants: withTokens().grants });
    const { clients, close } = clientsWith(server.address, known);
    onTestFinished(close);
    const failure = await until(
      async () =>
        clients.workflows.listWorkflows({}).then(
          () => undefined,
          (error) => failureOf(Promise.reject(error)),
        ),
      "the file is read",
    );
    expect(failure).toMatchObject({ reason: "ISSUER_UNAVAILABLE", retryAfterMs: 1_000 });
  });
});

describe("by certificate", () => {
  const certificates = testCertificates();
  cleanups.push(certificates.remove);

  test("the certificate that TLS has found good says who calls, and one that stands for nobody says nothing", async () => {
    const file = accessFile(certificates.ca.replace(/\/[^/]*$/, ""), {
      authentication: { certificates: [{ match: { uri: "spiffe://concord.example/a*" }, principal: "{uri}" }] },
      grants: [{ principals: ["spiffe://concord.example/ada"], roles: ["admin"] }],
    });
    const [ada, alf, bob] = ["ada", "alf", "bob"].map((name) => certificates.client(name));
    const quiet = createLogger({ level: "silent", format: "json" });
    const settings = {
      dataDir: join(data.path, "certificates"),
      access: file.path,
      ...certificates.settings,
      tlsClientAuth: "request",
    };
    const server = await startServer(settings, quiet, { tls: ada });
    onTestFinished(server.stop);
    const as = (tls: typeof ada) => {
      const channel = openChannel(server.address, { tls });
      onTestFinished(() => channel.close());
      return connect(channel).workflows.createWorkflow({ workflowId: "wf", reason: "test", requestedBy: "somebody" });
    };
    const { workflow } = await as(ada);
    expect(workflow?.workflowId).toBe("wf");
    const { events } = await server.clients.workflows.listWorkflowEvents({ workflowId: "wf" });
    expect(events).toMatchObject([{ authenticatedAs: "spiffe://concord.example/ada" }]);
    expect(await failureOf(as(alf))).toMatchObject({ reason: "PERMISSION_DENIED" });
    expect(await failureOf(as(bob))).toMatchObject({ reason: "UNAUTHENTICATED", metadata: { why: "NO_PROOF" } });
    expect(await failureOf(as({ ca: certificates.ca }))).toMatchObject({ reason: "UNAUTHENTICATED" });
  });

  test("a certificate that expires ends the stream that was opened with it, and then its connection: its client comes again with the next one", async () => {
    const lately = testCertificates();
    onTestFinished(lately.remove);
    const seconds = 8;
    const short = lately.client("ada", seconds / 86_400);
    const file = accessFile(lately.ca.replace(/\/[^/]*$/, ""), {
      authentication: { certificates: [{ match: { uri: "spiffe://concord.example/ada" }, principal: "ada" }] },
      grants: [{ principals: ["ada"], roles: ["admin"] }],
    });
    const quiet = createLogger({ level: "silent", format: "json" });
    const settings = { dataDir: join(data.path, "short"), access: file.path, ...lately.settings };
    const server = await startServer(settings, quiet, { tls: short });
    onTestFinished(server.stop);
    const { workflows } = server.clients;
    const start = { $case: "afterSequence", value: 0n } as const;
    const stream = workflows.watchWorkflowEvents({ start })[Symbol.asyncIterator]();
    await stream.next();
    // Under the same paths, which are read for each connection.
    lately.client("ada");
    const rest = (async () => {
      for (;;) await stream.next();
    })();
    expect(await failureOf(rest)).toMatchObject({ reason: "UNAUTHENTICATED", metadata: { why: "EXPIRED" } });
    await until(() => workflows.listWorkflows({}).catch(() => undefined), "there is another connection");
  });
});
