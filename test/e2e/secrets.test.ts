import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, connect } from "../../src/cli/client.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { accessFile, clientsWith, sha256Of } from "../support/access.ts";
import { failureOf, temporaryFolder } from "../support/concord.ts";
import { type Program, participate, runConcord, type Server, serve } from "../support/process.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// Whatever is nobody else's business is planted where it is given, and then looked for in all that a server tells: its log at level debug, the audit
// log, traces, metrics, what it answers to strangers, and what the command line prints.

const secrets = {
  token: "planted-token-of-ada",
  wrongToken: "planted-token-of-nobody",
  basic: Buffer.from("planted-user:planted-password").toString("base64"),
  peerToken: "planted-token-of-the-manager",
  header: "planted-header",
  cookie: "planted-cookie",
  query: "planted-query",
  webhook: "planted-webhook-secret",
  collector: "planted-collector-key",
  metadata: "planted-metadata",
  patch: "planted-patch",
  eventMetadata: "planted-event-metadata",
  context: "planted-context",
  payload: "planted-payload",
  password: "planted-password",
} as const;

/** As they are, and in the forms in which they may be handed on. */
const forms = Object.entries(secrets).flatMap(([name, secret]) =>
  [secret, Buffer.from(secret).toString("base64").replace(/=+$/, ""), Buffer.from(secret).toString("hex")].map(
    (form) => [name, form] as const,
  ),
);

const leaksIn = (text: string): readonly string[] => [
  ...new Set(forms.flatMap(([name, form]) => (text.includes(form) ? [name] : []))),
];

const folder = temporaryFolder();
const path = (name: string): string => join(folder.path, name);
const collected: string[] = [];
const hooked: IncomingMessage[] = [];
const before = { ...process.env };
const receiver = createServer(async (request, response) => {
  const body = await buffer(request);
  if (request.url?.startsWith("/v1/"))
    collected.push((request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("latin1"));
  else hooked.push(request);
  response.writeHead(request.url?.startsWith("/v1/") ? 200 : 503).end();
});
let server: Server;
let participant: Program;
let http: string;
let metrics: string;
const by = { reason: "because", requestedBy: "ada" };

beforeAll(async () => {
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const { port } = receiver.address() as AddressInfo;
  Object.assign(process.env, {
    PLANTED_WEBHOOK: secrets.webhook,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${secrets.collector}`,
    OTEL_BSP_SCHEDULE_DELAY: "50",
    OTEL_TRACES_SAMPLER: "always_on",
    CONCORD_TOKEN: secrets.token,
  });
  const { path: access } = accessFile(folder.path, {
    authentication: { tokens: [{ principal: "ada", sha256: sha256Of(secrets.token) }] },
    grants: [{ principals: ["ada"], roles: ["admin"] }],
  });
  writeFileSync(
    path("sinks.yaml"),
    JSON.stringify({
      sinks: [{ name: "hook", type: "webhook", url: `http://127.0.0.1:${port}/hook`, secret_env: "PLANTED_WEBHOOK" }],
    }),
  );
  writeFileSync(path("peer-token"), secrets.peerToken);
  const flags = [
    "--access",
    access,
    "--audit-log",
    path("audit.jsonl"),
    "--sinks",
    path("sinks.yaml"),
    "--trace",
    path("trace.jsonl"),
  ];
  const listens = [
    "--http-listen",
    "127.0.0.1:0",
    "--metrics-listen",
    "127.0.0.1:0",
    "--verdict-log",
    "all",
    "--peer-token-file",
    path("peer-token"),
  ];
  server = await serve(path("server"), { flags: [...flags, ...listens] });
  const serving = await server.logged("serving");
  http = `http://${serving["http"]}`;
  metrics = `http://${serving["metrics"]}/metrics`;
  participant = await participate("stock", { address: server.address, dataDir: path("stock") });
});

afterAll(async () => {
  await participant.kill();
  await server.kill();
  receiver.close();
  process.env = before;
  folder.remove();
});

async function use({ workflows, predicates, commits }: Clients): Promise<void> {
  const id = { workflowId: "one", ...by };
  const given = { context: { key: secrets.context }, eventMetadata: { key: secrets.eventMetadata } };
  await workflows.createWorkflow({ ...id, metadata: { key: secrets.metadata } });
  const rule = { ruleId: "no-cancel", expression: 'to != "CANCELLED" || workflow.metadata.key == "other"', ...by };
  await predicates.createRule(rule);
  await predicates.activateRule({ ruleId: rule.ruleId, ...by });
  await workflows.transitionWorkflow({ ...id, ...given, targetState: WorkflowState.ACTIVE });
  expect(await failureOf(workflows.transitionWorkflow({ ...id, ...given, targetState: WorkflowState.CANCELLED }))).toMatchObject({
    reason: "RULE_DENIED",
  });
  await workflows.updateWorkflowMetadata({ ...id, ...given, metadataPatch: { other: secrets.patch } });
  await failureOf(workflows.createWorkflow({ ...id, metadata: { key: secrets.metadata } }));
  await failureOf(workflows.createWorkflow({ workflowId: "two", ifExists: 7 as never, metadata: { key: secrets.metadata } }));
  const enlist = [{ participantId: "stock", payload: Buffer.from(secrets.payload) }];
  await workflows.transitionWorkflow({ ...id, ...given, targetState: WorkflowState.PAUSED, enlist });
  const participants = [...enlist, { participantId: "nobody", payload: Buffer.from(secrets.payload) }];
  await commits.executeTransaction({ participants, ...by });
}

async function strangers(): Promise<string> {
  const told: unknown[] = [];
  const stranger = clientsWith(server.address, secrets.wrongToken);
  told.push(await failureOf(stranger.clients.workflows.listWorkflows({})));
  stranger.close();
  const url = `${http}/v1/workflows/one?access_token=${secrets.query}`;
  for (const authorization of [`Basic ${secrets.basic}`, `Bearer ${secrets.wrongToken}`, `Bearer ${secrets.token}`]) {
    const headers = { authorization, cookie: `session=${secrets.cookie}`, "x-api-key": secrets.header };
    const answer = await fetch(url, { headers });
    told.push(answer.status, await answer.text());
  }
  const malformed = await fetch(`${http}/v1/workflows`, {
    method: "POST",
    headers: { authorization: `Bearer ${secrets.token}`, "content-type": "application/json" },
    body: `{"metadata": {"key": "${secrets.metadata}"`,
  });
  told.push(await malformed.text());
  return JSON.stringify(told);
}

test("nothing that is nobody else's business is in what a server tells", { timeout: 180_000 }, async () => {
  const channel = openChannel(server.address, { token: () => secrets.token });
  await use(connect(channel));
  channel.close();
  expect(leaksIn(await strangers())).toEqual([]);
  await until(() => hooked.length > 2, "the webhook is asked");
  expect(hooked[0]?.headers["webhook-signature"]).toBeDefined();
  await until(() => collected.some((body) => body.includes("TransitionWorkflow")), "spans are exported");

  const answer = async (...words: readonly string[]) => {
    const { out, err } = await typed(words, { address: server.address });
    return `${out}\n${err}`;
  };
  const printed = {
    config: await answer(
      "config",
      "--access",
      path("access.yaml"),
      "--sinks",
      path("sinks.yaml"),
      "--peer-token-file",
      path("peer-token"),
    ),
    configJson: await answer("config", "-o", "json", "--access", path("access.yaml")),
    status: await answer("status"),
    diagnose: await answer("diagnose", "one"),
    sinks: await answer("sink", "list", "-o", "json"),
    participants: await answer("participants", "list", "-o", "json"),
    denied: await answer("workflow", "get", "none"),
    metrics: await (await fetch(metrics, { headers: { authorization: `Bearer ${secrets.token}` } })).text(),
    collected: collected.join("\n"),
    audit: readFileSync(path("audit.jsonl"), "utf8"),
    trace: readFileSync(path("trace.jsonl"), "utf8"),
  };
  await server.terminate();
  // `concord participant` is there to show what it is asked to do; whatever a participant writes of its payloads is its own business.
  const shown = participant.text().replaceAll(`"payload":"${secrets.payload}"`, "");
  const told: Readonly<Record<string, string>> = { ...printed, log: server.text(), participant: shown };
  // All of it is there to be looked through.
  for (const [name, text] of Object.entries(told)) expect(text.length, name).toBeGreaterThan(20);
  expect(told["metrics"]).toContain("concord_");
  expect(Object.fromEntries(Object.entries(told).map(([name, text]) => [name, leaksIn(text)]))).toEqual(
    Object.fromEntries(Object.keys(told).map((name) => [name, []])),
  );
});

test.each([
  [
    "a token where its hash should be",
    "access.yaml",
    `authentication: { tokens: [{ principal: ada, sha256: ${secrets.token} }] }`,
  ],
  ["a file that is no YAML", "access.yaml", `authentication: { tokens: [{ principal: ada, sha256: ${secrets.token}`],
  ["a secret under a wrong name", "access.yaml", `authentication: { tokens: [{ principal: ada, token: ${secrets.token} }] }`],
  [
    "a password in a URL",
    "sinks.yaml",
    `sinks: [{ name: hook, type: webhook, url: "http://ada:${secrets.password}@127.0.0.1/", secret_env: PATH }]`,
  ],
  [
    "a key that is none",
    "key.pem",
    `-----BEGIN PRIVATE KEY-----\n${Buffer.from(secrets.password).toString("base64")}\n-----END PRIVATE KEY-----\n`,
  ],
])("what is wrong with a file is told without what is secret in it: %s", async (_, name, text) => {
  const file = path(`wrong-${name}`);
  writeFileSync(file, text);
  const flags: Readonly<Record<string, readonly string[]>> = {
    "access.yaml": ["--access", file],
    "sinks.yaml": ["--sinks", file],
    "key.pem": ["--tls-cert", file, "--tls-key", file],
  };
  const program = runConcord(["serve", "--listen", "127.0.0.1:0", "--data-dir", path("never"), ...(flags[name] ?? [])]);
  expect(await program.exited).toBe(1);
  expect(program.text()).toContain(file);
  expect(leaksIn(program.text())).toEqual([]);
});
