import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Clients } from "../../src/cli/client.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { accessFile, clientsWith, tokenOf, withTokens } from "../support/access.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

// What a principal may have at most, and what that leaves to others.

const data = temporaryFolder();
const quotas = [
  { principals: ["streams"], streams: 2 },
  { principals: ["rate", "asker"], rate: 1, burst: 5 },
  { principals: ["bytes"], bytes_per_second: "1KiB" },
  { principals: ["author"], rules: 3 },
  { principals: ["client"], workflows: 4 },
];
const access = withTokens("streams", "rate", "asker", "bytes", "author", "client", "other");
const file = accessFile(data.path, { ...access, quotas });
const opened: (() => void)[] = [];
let server: TestServer;

const start = () => startServer({ dataDir: join(data.path, "data"), access: file.path });

beforeAll(async () => {
  server = await start();
});

afterAll(async () => {
  for (const close of opened) close();
  await server.stop();
  data.remove();
});

function as(name: string): Clients {
  const { clients, close } = clientsWith(server.address, tokenOf(name));
  opened.push(close);
  return clients;
}

const overloaded = (words: string) => ({
  reason: "OVERLOADED",
  message: expect.stringContaining(`${words}, which is what there is for this principal`),
  retryAfterMs: expect.any(Number),
});

test("streams: one more than there may be is refused, on whatever connection; one that ends makes room", async () => {
  const watch = (clients: Clients, signal?: AbortSignal) =>
    clients.workflows
      .watchWorkflowEvents({ start: { $case: "afterSequence", value: 0n } }, { ...(signal && { signal }) })
      [Symbol.asyncIterator]();
  const leaving = new AbortController();
  const open = [watch(as("streams"), leaving.signal), watch(as("streams"))];
  await Promise.all(open.map((each) => each.next()));
  expect(await failureOf(watch(as("streams")).next())).toMatchObject(overloaded("more than 2 streams that are open"));
  await as("streams").workflows.listWorkflows({});
  await watch(as("other")).next();
  leaving.abort();
  await until(
    () =>
      watch(as("streams"))
        .next()
        .catch(() => undefined),
    "there is room again",
  );
});

test("rate: what comes faster is refused with when to come again, and takes nothing from others", async () => {
  const [fast, other] = [as("rate"), as("other")];
  const ask = (clients: Clients) =>
    clients.workflows.listWorkflows({}).then(
      () => "answered",
      async (error) => failureOf(Promise.reject(error)),
    );
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(fast)));
  const refused = answers.filter((answer) => answer !== "answered");
  expect(refused.length).toBeGreaterThanOrEqual(13);
  expect(refused[0]).toMatchObject(overloaded("more than 1 calls a second"));
  expect(new Set(await Promise.all(Array.from({ length: 20 }, () => ask(other))))).toEqual(new Set(["answered"]));
});

test("rate: what is asked on a stream counts as calls, and one too many ends it", async () => {
  const workflow = { workflowId: "any", state: WorkflowState.ACTIVE, version: 1n };
  const question = { checks: [{ workflow, targetState: WorkflowState.PAUSED, requestedBy: "asker" }] };
  let answered = 0;
  async function askAll(): Promise<void> {
    const questions = (async function* () {
      for (let count = 0; count < 100; count += 1) yield question;
    })();
    for await (const { verdicts } of as("asker").predicates.streamValidateTransitions(questions)) answered += verdicts.length;
  }
  expect(await failureOf(askAll())).toMatchObject(overloaded("more than 1 calls a second"));
  expect(answered).toBeGreaterThanOrEqual(4);
  expect(answered).toBeLessThan(100);
});

test("bytes: a large request is answered, and the next one has to wait for it", async () => {
  const { workflows } = as("bytes");
  const by = { reason: "test", requestedBy: "bytes" };
  await workflows.createWorkflow({ workflowId: "large", metadata: { text: "x".repeat(50_000) }, ...by });
  expect(await failureOf(workflows.listWorkflows({}))).toMatchObject(overloaded("more than 1024 bytes of requests a second"));
  await as("other").workflows.listWorkflows({});
});

test("rules: those that are there count for who has created them, whoever that says it is, and are told", async () => {
  const { predicates } = as("author");
  const by = { reason: "test", requestedBy: "somebody else" };
  const rule = (ruleId: string) => ({ ruleId, expression: "true", ...by });
  const created = await Promise.allSettled(["r-1", "r-2", "r-3", "r-4", "r-5"].map((id) => predicates.createRule(rule(id))));
  const there = ["r-1", "r-2", "r-3", "r-4", "r-5"].filter((_, index) => created[index]?.status === "fulfilled");
  expect(there).toHaveLength(3);
  const full = {
    reason: "RULE_LIMIT_REACHED",
    message:
      'there are 3 rules that "author" has created, and 1 more would be more than 3, which is what there is for this principal; ' +
      "delete drafts, or have its quota in the access file raised",
    metadata: { what: "rules of the principal", limit: "3", count: "3" },
    retryAfterMs: undefined,
  };
  expect(await failureOf(predicates.createRule(rule("r-6")))).toMatchObject(full);
  const rules = ["r-6", "r-7"].map((ruleId) => ({ ruleId, expression: "true" }));
  expect(await failureOf(predicates.applyRuleSet({ rules, ...by }))).toMatchObject({
    ...full,
    message: expect.stringContaining("2 more"),
  });
  await as("other").predicates.createRule(rule("r-8"));
  await predicates.activateRule({ ruleId: there[0] ?? "", ...by });
  await predicates.deleteRule({ ruleId: there[1] ?? "", ...by });
  await predicates.createRule(rule("r-6"));
  expect(await failureOf(predicates.createRule(rule("r-7")))).toMatchObject(full);
});

test("workflows: they count for who has created them, for those at once, over a restart, and until they are purged", async () => {
  const by = { reason: "test", requestedBy: "somebody else" };
  const ids = Array.from({ length: 12 }, (_, index) => `w-${index}`);
  const clients = [as("client"), as("client")];
  const create = async (workflowId: string, index: number) =>
    clients[index % 2]?.workflows.createWorkflow({
      workflowId,
      requestId: workflowId,
      initialState: WorkflowState.ACTIVE,
      ...by,
    });
  const created = await Promise.allSettled(ids.map(create));
  const there = ids.filter((_, index) => created[index]?.status === "fulfilled");
  expect(there).toHaveLength(4);
  const full = {
    reason: "WORKFLOW_LIMIT_REACHED",
    message:
      'there are 4 workflows that "client" has created, and one more would be more than 4, which is what there is for this principal; ' +
      "purge what has ended, or have its quota in the access file raised",
    metadata: { what: "workflows of the principal", limit: "4", count: "4" },
    retryAfterMs: undefined,
  };
  for (const index of created.flatMap(({ status }, at) => (status === "rejected" ? [at] : [])))
    expect(await failureOf(create(ids[index] ?? "", index))).toMatchObject(full);
  // A creation that is repeated is none.
  expect((await create(there[0] ?? "", 0))?.workflow?.workflowId).toBe(there[0]);
  await as("other").workflows.createWorkflow({ workflowId: "of-other", ...by });
  await server.stop();
  server = await start();
  const { workflows } = as("client");
  const one = { workflowId: "one-more", initialState: WorkflowState.ACTIVE, ...by };
  expect(await failureOf(workflows.createWorkflow(one))).toMatchObject(full);
  file.write({ ...access, quotas: [{ principals: ["client"], workflows: 5 }] });
  await until(() => workflows.createWorkflow(one).catch(() => undefined), "the quota is raised");
  const purgeable = { filter: 'workflow.id == "one-more"', olderThan: { seconds: 0n, nanos: 0 }, ...by };
  await workflows.transitionWorkflow({ workflowId: "one-more", targetState: WorkflowState.CANCELLED, ...by });
  expect(await failureOf(workflows.createWorkflow({ ...by }))).toMatchObject({ metadata: { limit: "5", count: "5" } });
  expect((await as("other").workflows.purgeWorkflows(purgeable)).workflowIds).toEqual(["one-more"]);
  await workflows.createWorkflow({ ...by });
  expect(await failureOf(workflows.createWorkflow({ ...by }))).toMatchObject({ metadata: { limit: "5", count: "5" } });
});
