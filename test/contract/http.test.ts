import { Status } from "nice-grpc-common";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statusOf } from "../../src/http/problem-status.ts";
import { httpRules } from "../../src/http/rules.ts";
import { notUnicodeWords } from "../../src/rpc/unicode.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { type Asked, ask, askJson, openEvents } from "../support/http-client.ts";
import { createProtoClient, type ProtoClient, type RpcName } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

// The HTTP interface as a stranger sees it.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
let url: string;

const by = { reason: "a test", requestedBy: "ada" };

const lines: { readonly level: number; readonly msg: string; readonly request?: string }[] = [];

beforeAll(async () => {
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  server = await startServer({ dataDir: data.path, httpListen: "127.0.0.1:0" }, logger);
  client = createProtoClient(server.address);
  url = server.url;
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const createWorkflow = (workflowId: string, more: object = {}) =>
  askJson(`${url}/v1/workflows`, { method: "POST", body: { workflowId, ...by, ...more } });

const move = (workflowId: string, targetState: string, more: object = {}) =>
  askJson(`${url}/v1/workflows/${workflowId}/transitions`, {
    method: "POST",
    body: { targetState: `WORKFLOW_STATE_${targetState}`, ...by, ...more },
  });

describe("the seed's interface", () => {
  test("creates, reads, moves, recovers, lists and counts", async () => {
    const created = await createWorkflow("seed-1", { metadata: { a: [1, null, "x"], ["__proto__"]: { b: true } } });
    expect(created.status).toBe(200);
    expect(created.json.workflow).toMatchObject({ workflowId: "seed-1", state: "WORKFLOW_STATE_CREATED", version: "1" });
    expect((await askJson(`${url}/v1/workflows/seed-1`)).json.workflow).toEqual(created.json.workflow);
    expect(Object.keys(created.json.workflow.metadata)).toEqual(["a", "__proto__"]);
    await move("seed-1", "ACTIVE");
    const failed = await move("seed-1", "FAILED", { expectedVersion: 2 });
    expect(failed.json.workflow).toMatchObject({ state: "WORKFLOW_STATE_FAILED", version: "3" });
    const recovered = await askJson(`${url}/v1/workflows/seed-1/recover`, { method: "POST", body: by });
    expect(recovered.json.workflow).toMatchObject({ state: "WORKFLOW_STATE_ACTIVE", retryCount: 1 });
    const listed = await askJson(`${url}/v1/workflows?filter=${encodeURIComponent('workflow.id == "seed-1"')}&page_size=5`);
    expect(listed.json).toMatchObject({ workflows: [recovered.json.workflow], nextPageToken: "" });
    const events = await askJson(`${url}/v1/workflows/seed-1/events`);
    expect(events.json.events.map(({ version }: { version: string }) => version)).toEqual(["1", "2", "3", "4"]);
    expect((await askJson(`${url}/v1/events?workflow_id=seed-1`)).json).toEqual(events.json);
    expect(Number((await askJson(`${url}/v1/system/stats`)).json.totalWorkflows)).toBeGreaterThan(0);
    const allowed = await askJson(`${url}/v1/workflows/seed-1/allowed-transitions`, {
      method: "POST",
      body: { context: { a: 1 } },
    });
    expect(allowed.json.transitions).toHaveLength(4);
  });

  test("says of its services whether they serve", async () => {
    expect(await askJson(`${url}/health`)).toEqual({
      status: 200,
      json: {
        status: "SERVING",
        services: {
          "concord.workflow.v1.WorkflowService": "SERVING",
          "concord.predicate.v1.PredicateLogic": "SERVING",
          "concord.commit.v1.TwoPhaseCommit": "SERVING",
          "concord.server.v1.ServerStatus": "SERVING",
        },
      },
    });
  });

  test("describes itself", async () => {
    const { status, json } = await askJson(`${url}/openapi.json`);
    expect([status, json.openapi]).toEqual([200, "3.1.0"]);
    const described = Object.entries(json.paths as object).flatMap(([path, verbs]) =>
      Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path}`),
    );
    expect(described).toEqual(expect.arrayContaining(httpRules.map(({ verb, template }) => `${verb} ${template}`)));
  });

  test.each([
    ["a move that the lifecycle does not have", 400, "INVALID_TRANSITION", () => move("errors", "PAUSED")],
    ["an unknown workflow", 404, "WORKFLOW_NOT_FOUND", () => move("nobody", "ACTIVE")],
    ["another version", 409, "VERSION_MISMATCH", () => move("errors", "ACTIVE", { expectedVersion: "7" })],
    ["one that exists", 409, "WORKFLOW_ALREADY_EXISTS", () => createWorkflow("errors")],
    ["a terminal state", 409, "TERMINAL_STATE", () => move("done", "ACTIVE")],
    ["a request id for another request", 400, "REQUEST_ID_REUSED", () => createWorkflow("errors-2", { requestId: "once" })],
    ["a rule", 409, "RULE_DENIED", () => move("ruled", "CANCELLED")],
  ])("refuses %s: %i", async (_, status, reason, call) => {
    await createWorkflow("errors");
    await createWorkflow("done");
    await move("done", "ACTIVE");
    await move("done", "COMPLETED");
    await createWorkflow("ruled");
    await move("ruled", "ACTIVE");
    await createWorkflow("errors-1", { requestId: "once" });
    const rule = { ruleId: "no-end", expression: "request.requested_by == 'root'", message: "'only root may'", ...by };
    await askJson(`${url}/v1/rules`, {
      method: "POST",
      body: { ...rule, moves: [{ fromState: "WORKFLOW_STATE_ACTIVE", toState: "WORKFLOW_STATE_CANCELLED" }] },
    });
    await askJson(`${url}/v1/rules/no-end/activate`, { method: "POST", body: by });
    const { status: got, json } = await call();
    expect(json).toMatchObject({ type: `urn:concord:error:${reason}`, reason, status });
    expect(got).toBe(status);
    if (reason === "RULE_DENIED") {
      expect(json.preconditionViolations).toEqual([{ type: "RULE", subject: "no-end", description: "only root may" }]);
    }
    await askJson(`${url}/v1/rules/no-end/deactivate`, { method: "POST", body: by });
  });
});

describe("what is a problem before it is a call", () => {
  const post = (body: string | Buffer | object, headers = {}, path = "/v1/workflows") =>
    ask(`${url}${path}`, { method: "POST", body, headers });

  test.each([
    ["not JSON", '{"workflowId": "a",\n "metadata" 1}', [["", "the body is not JSON: line 2, column 13: expected a colon"]]],
    ["no object", "[]", [["", "must be a JSON object"]]],
    [
      "an unknown field",
      '{"worfklowId":"a"}',
      [["worfklowId", expect.stringContaining("is not known; the fields here are workflow_id,")]],
    ],
    [
      "two wrong types",
      '{"workflow_id":1,"metadata":"x"}',
      [
        ["workflow_id", "must be a string"],
        ["metadata", expect.stringContaining("must be a JSON object")],
      ],
    ],
    ["a name twice", '{"workflowId":"a","workflowId":"b"}', [["", 'duplicate object key "workflowId"']]],
    [
      "both spellings",
      '{"workflowId":"a","workflow_id":"a"}',
      [["workflow_id", "is there twice, as workflowId and as workflow_id"]],
    ],
    ["half a character", '{"workflowId":"a","requestedBy":"\\ud800"}', [["requested_by", notUnicodeWords]]],
    [
      "half a character in a key, of two that would become one",
      '{"workflowId":"a","requestedBy":"a","metadata":{"\\ud800":1,"\\ud801":2}}',
      [['metadata["\\ud800"]', notUnicodeWords]],
    ],
    [
      "a word that is no choice",
      '{"workflowId":"a","requestedBy":"a","initialState":"SLEEPING"}',
      [["initial_state", expect.stringMatching(/^must be one of WORKFLOW_STATE_/)]],
    ],
    ["no UTF-8", Buffer.from([0x22, 0xff, 0x22]), [["", "the body must be JSON in UTF-8"]]],
    [
      "a field that breaks its rule",
      '{"workflowId":"-"}',
      [["workflow_id", expect.stringContaining("must be 1 to 128 characters")]],
    ],
  ])("names the place of %s", async (_, body, violations) => {
    const { status, text, headers } = await post(body);
    expect([status, headers["content-type"]]).toEqual([400, "application/problem+json"]);
    const { reason, fieldViolations } = JSON.parse(text);
    expect(reason).toBe("INVALID_REQUEST");
    expect(fieldViolations).toEqual((violations as [string, unknown][]).map(([field, description]) => ({ field, description })));
  });

  test("refuses a type that is not JSON, and a body that is compressed", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]) {
      const { status, headers } = await post("{}", { "content-type": type });
      expect([status, headers["accept"]]).toEqual([415, "application/json"]);
    }
    expect((await post("{}", { "content-encoding": "gzip" })).status).toBe(415);
  });

  test("takes a body of four megabytes and no more, said before or not", async () => {
    const large = JSON.stringify({ workflowId: "large", metadata: { text: "x".repeat(4 * 2 ** 20) } });
    for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
      const { status, text } = await post(large, headers);
      expect([status, JSON.parse(text).reason]).toEqual([413, "MESSAGE_TOO_LARGE"]);
    }
    const smaller = JSON.stringify({ workflowId: "large", metadata: { text: "x".repeat(3 * 2 ** 20) } });
    expect(JSON.parse((await post(smaller)).text).fieldViolations[0].field).toBe("metadata");
  });

  test("knows where nothing is, which methods are served, and which types", async () => {
    for (const path of ["/", "/v1", "/v1/workflow", "/v1/workflows/", "/v1/workflows/a/b/c", "/v1//workflows"]) {
      expect([path, (await ask(url + path)).status]).toEqual([path, 404]);
    }
    const patched = await ask(`${url}/v1/workflows`, { method: "PATCH" });
    expect([patched.status, patched.headers["allow"]]).toEqual([405, "POST, GET, HEAD, OPTIONS"]);
    expect((await ask(`${url}/v1/workflows`, { headers: { accept: "text/html" } })).status).toBe(406);
    expect((await ask(`${url}/v1/verdicts:replay`, { headers: { accept: "application/json" } })).status).toBe(406);
    expect((await ask(`${url}/v1/workflows/%ff`)).status).toBe(400);
    const withBody = await ask(`${url}/v1/workflows`, { headers: { "content-length": 2 }, body: {} });
    expect(withBody.status).toBe(400);
  });

  test("answers HEAD as GET without its body, and OPTIONS with what is allowed", async () => {
    const [got, head] = [await ask(`${url}/v1/participants`), await ask(`${url}/v1/participants`, { method: "HEAD" })];
    expect([head.status, head.text, head.headers["content-length"]]).toEqual([200, "", got.headers["content-length"]]);
    const options = await ask(`${url}/v1/rules/a`, { method: "OPTIONS" });
    expect([options.status, options.headers["allow"]]).toEqual([204, "PUT, GET, DELETE, HEAD, OPTIONS"]);
  });

  test("refuses what a query cannot say", async () => {
    const { json } = await askJson(`${url}/v1/workflows?page_size=x&pageSize=1&nope=1&page_token=a&page_token=b`);
    expect(json.fieldViolations).toEqual([
      { field: "page_size", description: "must be given once" },
      { field: "nope", description: expect.stringContaining("is not known in a query; the fields here are page_size,") },
      { field: "page_token", description: "must be given once" },
    ]);
    const typed = await askJson(`${url}/v1/workflows?page_size=x`);
    expect(typed.json.fieldViolations).toEqual([{ field: "page_size", description: "must be a whole number, or one in quotes" }]);
    const notUnicode = await askJson(`${url}/v1/workflows?filter=%ed%a0%80&page_size=1`);
    expect(notUnicode.json.fieldViolations).toEqual([
      { field: "filter", description: "is no Unicode text: what is encoded with % must be UTF-8" },
    ]);
    const beside = await askJson(`${url}/v1/workflows/a/recover?reason=x`, { method: "POST", body: {} });
    expect(beside.json.fieldViolations).toEqual([{ field: "reason", description: "must be in the body" }]);
    const twice = await askJson(`${url}/v1/workflows/a/recover`, { method: "POST", body: { workflowId: "b" } });
    expect(twice.json.fieldViolations).toEqual([
      { field: "workflow_id", description: "is another one in the body than in the path" },
    ]);
  });

  test("is not to be had by a name that is not this machine's", async () => {
    const { port } = new URL(url);
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example", "localhost.evil.example"]) {
      expect([host, (await ask(`${url}/health`, { headers: { host } })).status]).toEqual([host, 421]);
    }
    for (const host of [`localhost:${port}`, "127.0.0.1", `[::1]:${port}`, "app.localhost"]) {
      expect([host, (await ask(`${url}/health`, { headers: { host } })).status]).toEqual([host, 200]);
    }
  });

  test("lets no page of the web read it", async () => {
    const { headers } = await ask(`${url}/health`, { headers: { origin: "https://evil.example" } });
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});

describe("what gRPC has", () => {
  const unary = httpRules.filter(({ method }) => method.methodKind === "unary");

  test.each(unary.map((rule) => [`${rule.method.parent.name}/${rule.method.name} at ${rule.template}`, rule] as const))(
    "%s fails as there, for the same reason",
    async (_, rule) => {
      const values = rule.segments.map((segment) =>
        "field" in segment ? (segment.field.enum ? "1" : "missing") : segment.literal,
      );
      const over = await askJson(`${url}/${values.join("/")}`, { method: rule.verb, ...(rule.hasBody && { body: {} }) });
      const request = Object.fromEntries(
        rule.segments.flatMap((one, at) => ("field" in one ? [[one.field.name, one.field.enum ? 1 : values[at]]] : [])),
      );
      const rpc = `${rule.method.parent.name}/${rule.method.name}` as RpcName;
      const failure = await client.call(rpc, request).then(
        () => undefined,
        () => client.failure(rpc, request),
      );
      if (failure === undefined) {
        expect(over.status).toBe(200);
        return;
      }
      const code = Status[failure.code as keyof typeof Status];
      expect(over.json).toMatchObject({
        code: failure.code,
        reason: failure.reason,
        detail: failure.message,
        metadata: failure.metadata,
      });
      expect((over.json.fieldViolations ?? []).map(({ field }: { field: string }) => field)).toEqual(failure.fields);
      expect(over.status).toBe(statusOf({ reason: failure.reason, code }));
    },
  );

  test("a deadline ends the call", async () => {
    // A list may be answered before the shortest of timers; this call waits for somebody who never comes.
    const late = await askJson(`${url}/v1/transactions:execute`, {
      method: "POST",
      body: { participants: [{ participantId: "nobody" }], waitForParticipants: "600s", ...by },
      headers: { "grpc-timeout": "1m" },
    });
    expect(late).toMatchObject({ status: 504, json: { code: "DEADLINE_EXCEEDED" } });
    const wrong = await askJson(`${url}/v1/workflows`, { headers: { "grpc-timeout": "1.5s" } });
    expect(wrong.json.fieldViolations[0].field).toBe("Grpc-Timeout");
  });

  const workflows = "/v1/workflows";
  const post = { method: "POST", body: {} };
  test.each<[string, number, string, Asked]>([
    ["a failed call", 404, `${workflows}/missing`, {}],
    ["a field of the wrong type", 400, workflows, { ...post, body: { workflowId: 5 } }],
    ["an unknown field", 400, workflows, { ...post, body: { id: "x" } }],
    ["what is no JSON", 400, workflows, { ...post, body: "{,", headers: { "content-type": "application/json" } }],
    ["what is not said to be JSON", 415, workflows, { ...post, body: "{}", headers: { "content-type": "text/plain" } }],
    ["an unknown parameter", 400, `${workflows}?what=1`, {}],
    ["a path at which nothing is", 404, "/v1/what", {}],
    ["a path that is not encoded", 400, `${workflows}/%ff`, {}],
    ["a method that is not served", 405, workflows, { method: "PATCH" }],
    ["a method that is not served beside the calls", 405, "/health", { method: "POST" }],
    ["an Accept that takes nothing", 406, workflows, { headers: { accept: "text/html" } }],
    ["a bad timeout", 400, workflows, { headers: { "grpc-timeout": "soon" } }],
    ["a Host of others", 421, workflows, { headers: { host: "example.com" } }],
    ["a body that is too large", 413, workflows, { ...post, body: { reason: "x".repeat(5 * 1024 * 1024) } }],
  ])("the caller's request id comes back with %s", async (_, status, path, asked) => {
    const mine = { ...asked, headers: { ...asked.headers, "x-request-id": "mine" } };
    const answer = await ask(`${url}${path}`, mine);
    expect([answer.status, answer.headers["x-request-id"], JSON.parse(answer.text).requestId]).toEqual([status, "mine", "mine"]);
  });

  test.each([workflows, "/health", "/openapi.json"])("the caller's request id comes back with success at %s", async (path) => {
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      const { status, headers } = await ask(`${url}${path}`, { method, headers: { "x-request-id": "mine" } });
      expect([status, headers["x-request-id"]]).toEqual([method === "OPTIONS" ? 204 : 200, "mine"]);
    }
  });

  test.each([[undefined], [""], ["x".repeat(129)], ["caf\u00e9"]])(
    "of a request id that cannot be used one is made: %j",
    async (sent) => {
      const headers = sent === undefined ? {} : { "x-request-id": sent };
      const made = expect.stringMatching(/^[\da-f]{8}-/);
      for (const path of [`${workflows}/missing`, "/v1/what"]) {
        const answer = await ask(`${url}${path}`, { headers });
        expect(JSON.parse(answer.text).requestId).toEqual(made);
        expect(answer.headers["x-request-id"]).toBe(JSON.parse(answer.text).requestId);
      }
      expect((await ask(`${url}${workflows}`, { headers })).headers["x-request-id"]).toEqual(made);
    },
  );

  test("a request id is on the line of the request, and on those of its call", async () => {
    await ask(`${url}${workflows}/missing`, { headers: { "x-request-id": "logged-1" } });
    await ask(`${url}/v1/what`, { headers: { "x-request-id": "logged-2" } });
    const said = (id: string) => lines.filter(({ request }) => request === id).map(({ msg, level }) => [level, msg]);
    await until(() => said("logged-2").length > 0, "the line of the request is written");
    const debug = 20;
    expect(said("logged-1")).toEqual([
      [debug, "call refused"],
      [debug, "request"],
    ]);
    expect(said("logged-2")).toEqual([[debug, "request"]]);
  });

  test("a retry has the first answer", async () => {
    const first = await createWorkflow("again", { requestId: "again" });
    expect(await createWorkflow("again", { requestId: "again" })).toEqual(first);
  });

  test("large bodies and large answers are the same as small ones", async () => {
    const text = "ü".repeat(20_000);
    await createWorkflow("wide", { metadata: { text, list: Array.from({ length: 4_000 }, (_, index) => index) } });
    const { json } = await askJson(`${url}/v1/workflows/wide`);
    expect(json.workflow.metadata.text).toBe(text);
    expect(json.workflow.metadata.list).toHaveLength(4_000);
  });
});

describe("streams", () => {
  test("are server-sent events, and go on after the last that was seen", async () => {
    await createWorkflow("watched");
    await move("watched", "ACTIVE");
    const place = `${url}/v1/workflows/watched/events`;
    const first = await openEvents(`${place}?after_sequence=0`);
    const started = await first.next();
    expect(started).toMatchObject({ id: "0", data: undefined, comment: expect.stringContaining("progress") });
    const created = await first.next();
    expect(created?.data.event).toMatchObject({ workflowId: "watched", version: "1" });
    expect(created?.id).toBe(created?.data.event.sequence);
    first.close();
    const second = await openEvents(`${place}?after_sequence=0`, { "last-event-id": created?.id });
    await second.next();
    expect((await second.next())?.data.event.version).toBe("2");
    await move("watched", "PAUSED");
    expect((await second.next())?.data.event).toMatchObject({ version: "3", toState: "WORKFLOW_STATE_PAUSED" });
    second.close();
  });

  test("refused before they begin, have a status", async () => {
    const invalid = await openEvents(`${url}/v1/events?filter=nope`);
    expect(invalid.status).toBe(400);
    expect((await openEvents(`${url}/v1/events`, { "last-event-id": "x" })).status).toBe(400);
    expect((await openEvents(`${url}/v1/transactions/missing`)).status).toBe(404);
  });

  test("of rules and transactions have their places too", async () => {
    const transactions = await openEvents(`${url}/v1/transactions`);
    expect((await transactions.next())?.comment).toContain("progress");
    transactions.close();
    const rules = await openEvents(`${url}/v1/rule-set/changes?after_sequence=0`);
    expect((await rules.next())?.data?.change ?? "progress").toBeDefined();
    rules.close();
    const verdicts = await openEvents(`${url}/v1/verdicts:replay`);
    let last: unknown;
    for (let event = await verdicts.next(); event !== undefined; event = await verdicts.next()) last = event.event;
    expect(last).toBeUndefined();
  });
});
