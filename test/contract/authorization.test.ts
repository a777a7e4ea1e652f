import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { methodRules, roles } from "../../src/access/core/methods.ts";
import { createPolicy } from "../../src/access/core/policy.ts";
import type { Clients } from "../../src/cli/client.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { ParticipateResponse } from "../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { RuleSetItemKind } from "../../src/gen/concord/predicate/v1/rule_set.ts";
import { BatchMode } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowEventType, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { IfExists, WatchPosition } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { accessFile, clientsWith, tokenOf, withTokens } from "../support/access.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { openRawConnection } from "../support/raw-call.ts";
import { until } from "../support/until.ts";

const { ACTIVE, CANCELLED } = WorkflowState;
const by = { reason: "a test", requestedBy: "somebody" };
const names = [
  "ada",
  "bob",
  "rita",
  "olga",
  "oscar",
  "wanda",
  "walt",
  "inventory",
  "billing",
  "root",
  "nix",
  "carl",
  "wes",
] as const;
type Name = (typeof names)[number];

const grants = [
  { principals: ["ada"], roles: ["client"], types: ["sample"], id_prefix: "lab-", participants: ["inventory"] },
  { principals: ["bob"], roles: ["client"], types: ["order*"] },
  { principals: ["carl"], roles: ["client"] },
  { principals: ["rita"], roles: ["reader"] },
  { principals: ["olga"], roles: ["operator"] },
  { principals: ["oscar"], roles: ["operator"], types: ["sample"] },
  { principals: ["wanda"], roles: ["rule-author"] },
  { principals: ["walt"], roles: ["rule-activator"] },
  { principals: ["wes"], roles: ["rule-author", "rule-activator"], types: ["sample"] },
  { principals: ["inventory"], roles: ["participant"], participants: ["inventory", "shelf-*"] },
  { principals: ["billing"], roles: ["participant"], participants: ["billing"] },
  { principals: ["root"], roles: ["admin"] },
  ...roles.map((role) => ({
    principals: [`a-${role}`],
    roles: [role],
    ...(["participant", "manager"].includes(role) && { participants: ["anybody"] }),
  })),
];
const tokens = withTokens(...names, ...roles.map((role) => `a-${role}`));

const folder = temporaryFolder();
const file = accessFile(folder.path, { ...tokens, grants });
const opened: { readonly close: () => void }[] = [];
const made = new Map<string, Clients>();
let server: TestServer;

function as(name: Name): Clients {
  const known = made.get(name);
  if (known !== undefined) return known;
  const opening = clientsWith(server.address, tokenOf(name));
  opened.push(opening);
  made.set(name, opening.clients);
  return opening.clients;
}

beforeAll(async () => {
  server = await startServer({ dataDir: folder.path, access: file.path, verdictLog: "all", httpListen: "127.0.0.1:0" });
  const { workflows } = as("root");
  for (const [workflowId, type] of [
    ["lab-1", "sample"],
    ["lab-2", "sample"],
    ["lab-order", "order"],
    ["far-1", "sample"],
    ["order-1", "order"],
    ["plain-1", ""],
  ] as const)
    await workflows.createWorkflow({ workflowId, type, ...by });
});

afterAll(async () => {
  for (const each of opened) each.close();
  await server.stop();
  folder.remove();
});

const notFound = { reason: "WORKFLOW_NOT_FOUND" };
const denied = { reason: "PERMISSION_DENIED" };

describe("who may call a method", () => {
  /** `grpc-status` of a call whose request cannot be read, or 0 once it streams. */
  async function statusOf(connection: ReturnType<typeof openRawConnection>, path: string, token: string | undefined) {
    const call = connection.call(path, token === undefined ? {} : { authorization: `Bearer ${token}` });
    const streams = new Promise((resolve) => call.stream.once("response", (headers) => "grpc-status" in headers || resolve("0")));
    call.send(new Uint8Array([0xff]));
    call.stream.end();
    call.stream.resume();
    const status = await Promise.race([call.status, streams]);
    call.stream.close();
    return String(status);
  }

  test.each([...roles])("a-%s: each method of each service, as the table says", async (role) => {
    const connection = openRawConnection(server.address);
    const policy = createPolicy(
      [{ principals: ["x"], roles: [role], types: undefined, idPrefix: "", participants: ["anybody"] }],
      "concord.workflow",
    );
    for (const method of methodRules.keys()) {
      const status = await statusOf(connection, method, tokenOf(`a-${role}`));
      const { allowed } = policy.decide({ name: "x", by: "token" }, method);
      // Allowed, they say that the request cannot be read.
      expect(status === "7" || status === "16", `${method}: ${status}`).toBe(!allowed);
      if (!allowed) expect(status, method).toBe("7");
    }
    connection.close();
  });

  test("nobody, who is granted nothing, and a token that is none", async () => {
    const connection = openRawConnection(server.address);
    for (const method of methodRules.keys()) {
      const statuses = [undefined, "none", tokenOf("nix")].map((token) => statusOf(connection, method, token));
      const isOpen = method.startsWith("/grpc.health.");
      expect(await Promise.all(statuses), method).toEqual(isOpen ? ["3", "3", "3"] : ["16", "16", "7"]);
    }
    expect(await statusOf(connection, "/concord.workflow.v1.WorkflowService/DropEverything", tokenOf("root"))).toBe("7");
    expect(await statusOf(connection, `/concord.workflow.v1.WorkflowService/${"x".repeat(8_000)}`, tokenOf("root"))).toBe("7");
    connection.close();
  });
});

describe("workflows that are not granted", () => {
  test.each(["lab-order", "far-1", "order-1", "plain-1"])("%s is for ada as if it did not exist", async (workflowId) => {
    const { workflows } = as("ada");
    const about = { workflowId, ...by };
    const calls = [
      workflows.getWorkflow({ workflowId }),
      workflows.waitForWorkflow({ workflowId, timeout: { seconds: 30n, nanos: 0 } }),
      workflows.transitionWorkflow({ ...about, targetState: ACTIVE }),
      workflows.transitionWorkflow({ ...about, targetState: ACTIVE, expectedVersion: 7n }),
      workflows.transitionWorkflow({ ...about, targetState: ACTIVE, enlist: [{ participantId: "inventory" }] }),
      workflows.recoverWorkflow(about),
      workflows.updateWorkflowMetadata({ ...about, metadataPatch: { a: 1 } }),
      workflows.setWorkflowDeadline(about),
      workflows.listAllowedTransitions({ workflowId }),
    ];
    for (const call of calls) {
      const failure = await failureOf(call);
      expect(failure).toMatchObject(notFound);
      // To the letter what is said of one that there is not.
      expect(failure.message).toBe(`workflow "${workflowId}" does not exist`);
    }
    const items = [
      { workflowId, targetState: ACTIVE },
      { workflowId: "no-such", targetState: ACTIVE },
    ];
    const { results } = await workflows.batchTransitionWorkflows({ items, mode: BatchMode.INDEPENDENT, ...by });
    expect(results.map(({ result }) => result?.$case === "failure" && result.value.reason)).toEqual([
      "WORKFLOW_NOT_FOUND",
      "WORKFLOW_NOT_FOUND",
    ]);
    expect((await workflows.listWorkflowEvents({ workflowId })).events).toEqual([]);
    expect((await as("root").workflows.getWorkflow({ workflowId })).workflow?.version).toBe(1n);
  });

  test("its own moves as ever, and what it may read but not move it is told so", async () => {
    const { workflow } = await as("ada").workflows.transitionWorkflow({ workflowId: "lab-1", targetState: ACTIVE, ...by });
    expect(workflow?.state).toBe(ACTIVE);
    expect(
      await failureOf(as("oscar").workflows.transitionWorkflow({ workflowId: "order-1", targetState: ACTIVE, ...by })),
    ).toMatchObject(notFound);
    expect((await as("oscar").workflows.getWorkflow({ workflowId: "far-1" })).workflow?.type).toBe("sample");
  });

  test("none is created that is not granted, and of a taken id it is not told by what", async () => {
    const { workflows } = as("ada");
    expect(await failureOf(workflows.createWorkflow({ workflowId: "lab-9", type: "order", ...by }))).toMatchObject(denied);
    expect(await failureOf(workflows.createWorkflow({ workflowId: "far-9", type: "sample", ...by }))).toMatchObject(denied);
    expect(await failureOf(workflows.createWorkflow({ type: "sample", ...by }))).toMatchObject(denied);
    const taken = await failureOf(
      workflows.createWorkflow({ workflowId: "lab-order", type: "sample", ifExists: IfExists.RETURN, ...by }),
    );
    expect(taken).toMatchObject({ reason: "WORKFLOW_ALREADY_EXISTS", metadata: { workflow_id: "lab-order" } });
    expect(taken.metadata["different"]).toBeUndefined();
  });

  test("lists, pages and counts have what is visible only", async () => {
    const { workflows } = as("ada");
    const all: string[] = [];
    let pageToken = "";
    do {
      const page = await workflows.listWorkflows({ pageSize: 1, pageToken });
      expect(page.workflows.length).toBeLessThanOrEqual(1);
      all.push(...page.workflows.map(({ workflowId }) => workflowId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(all).toEqual(["lab-1", "lab-2"]);
    expect((await workflows.countWorkflows({ groupBy: ["type"] })).groups.map(({ type, count }) => [type, count])).toEqual([
      ["sample", 2n],
    ]);
    expect((await workflows.countWorkflows({})).total).toBe(2n);
    expect((await as("oscar").workflows.countWorkflows({})).total).toBe(3n);
    expect((await as("bob").workflows.countWorkflows({})).total).toBe(2n);
    expect((await as("rita").workflows.countWorkflows({})).total).toBe(6n);
    // A filter adds to what is granted, however it ends.
    for (const filter of ["true", "true // ", "workflow.type != 'x' || true", "workflow.id != 'lab-1'"])
      expect((await workflows.listWorkflows({ filter })).workflows.every(({ workflowId }) => workflowId.startsWith("lab-"))).toBe(
        true,
      );
    expect((await workflows.listWorkflows({ filter: "workflow.type == 'order'" })).workflows).toEqual([]);
    expect((await workflows.listWorkflows({ orderBy: "updated_at desc" })).workflows.map(({ workflowId }) => workflowId)).toEqual(
      ["lab-1", "lab-2"],
    );
  });

  test("a page token of one caller is none of another's", async () => {
    const { nextPageToken } = await as("rita").workflows.listWorkflows({ pageSize: 1 });
    expect(await failureOf(as("ada").workflows.listWorkflows({ pageToken: nextPageToken }))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field: "page_token" }],
    });
  });

  test("events, watches, exports, and the system's sums", async () => {
    const ids = (await as("bob").workflows.listWorkflowEvents({})).events.map(({ workflowId }) => workflowId);
    expect([...new Set(ids)].toSorted()).toEqual(["lab-order", "order-1"]);
    const start = { $case: "afterSequence", value: 0n } as const;
    const seen: string[] = [];
    for await (const { body } of as("ada").workflows.watchWorkflowEvents({ start })) {
      if (body?.$case !== "event") continue;
      seen.push(`${body.value.workflowId} ${body.value.type === WorkflowEventType.CREATED ? "created" : "moved"}`);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(["lab-1 created", "lab-2 created", "lab-1 moved"]);
    const exported: string[] = [];
    for await (const { workflow } of as("oscar").workflows.exportWorkflows({})) exported.push(workflow?.workflowId ?? "");
    expect(exported).toEqual(["far-1", "lab-1", "lab-2"]);
    expect(await failureOf(as("oscar").workflows.getSystemStats({}))).toMatchObject(denied);
    expect((await as("rita").workflows.getSystemStats({})).totalWorkflows).toBe(6n);
  });

  test("a bulk operation changes what is visible to who has started it, and others do not see it", async () => {
    const action = { action: { $case: "metadataUpdate", value: { metadataPatch: { seen: true } } } } as const;
    const { workflows } = as("oscar");
    const { operation } = await workflows.startBulkOperation({ filter: "true // all", action, ratePerSecond: 1000, ...by });
    const { bulkOperationId = "" } = operation ?? {};
    await until(async () => {
      const { operation: now } = await workflows.getBulkOperation({ bulkOperationId });
      return now?.doneCount === 3n;
    }, "it has changed three");
    const changed = (await as("root").workflows.listWorkflows({ filter: "has(workflow.metadata.seen)" })).workflows;
    expect(changed.map(({ workflowId }) => workflowId)).toEqual(["far-1", "lab-1", "lab-2"]);
    const theirs = await as("olga").workflows.startBulkOperation({ filter: "false", action, ...by });
    expect(
      await failureOf(workflows.getBulkOperation({ bulkOperationId: theirs.operation?.bulkOperationId ?? "" })),
    ).toMatchObject({
      reason: "BULK_OPERATION_NOT_FOUND",
    });
    expect(
      await failureOf(workflows.cancelBulkOperation({ bulkOperationId: theirs.operation?.bulkOperationId ?? "", ...by })),
    ).toMatchObject({ reason: "BULK_OPERATION_NOT_FOUND" });
    expect((await workflows.listBulkOperations({})).operations.map((each) => each.bulkOperationId)).toEqual([bulkOperationId]);
    expect((await as("rita").workflows.listBulkOperations({})).operations).toHaveLength(2);
  });

  test("a purge takes nothing that is not visible, also if it is named", async () => {
    const { workflows } = as("root");
    await workflows.createWorkflow({ workflowId: "order-2", type: "order", initialState: ACTIVE, ...by });
    const { workflow } = await workflows.transitionWorkflow({ workflowId: "order-2", targetState: CANCELLED, ...by });
    const named = [{ workflowId: "order-2", version: workflow?.version ?? 0n }];
    const purged = await as("oscar").workflows.purgeWorkflows({ workflows: named, ...by });
    expect(purged).toMatchObject({ workflowIds: [], kept: [{ workflowId: "order-2", reason: "KEPT_REASON_NOT_FOUND" }] });
    const older = await as("oscar").workflows.purgeWorkflows({ olderThan: { seconds: 0n, nanos: 0 }, ...by });
    expect(older.workflowIds).toEqual([]);
    const gone = await as("olga").workflows.purgeWorkflows({ workflows: named, ...by });
    expect(gone.workflowIds).toEqual(["order-2"]);
    // Of what was purged nobody knows the type.
    expect(await failureOf(as("rita").workflows.getWorkflow({ workflowId: "order-2" }))).toMatchObject({
      reason: "WORKFLOW_PURGED",
    });
    expect(await failureOf(as("bob").workflows.getWorkflow({ workflowId: "order-2" }))).toMatchObject(notFound);
  });

  test("policies are set by who may act upon all workflows of the type, and read by who may see some", async () => {
    const terms = { deadlines: [] };
    await as("oscar").workflows.setWorkflowTypePolicy({ workflowType: "sample", terms, ...by });
    await as("olga").workflows.setWorkflowTypePolicy({ workflowType: "order", terms, ...by });
    expect(await failureOf(as("oscar").workflows.setWorkflowTypePolicy({ workflowType: "order", terms, ...by }))).toMatchObject(
      denied,
    );
    expect(await failureOf(as("oscar").workflows.setWorkflowTypePolicy({ workflowType: "", terms, ...by }))).toMatchObject(
      denied,
    );
    expect(await failureOf(as("oscar").workflows.deleteWorkflowTypePolicy({ workflowType: "order", ...by }))).toMatchObject(
      denied,
    );
    expect(await failureOf(as("ada").workflows.getWorkflowTypePolicy({ workflowType: "order" }))).toMatchObject({
      reason: "POLICY_NOT_FOUND",
    });
    expect((await as("ada").workflows.listWorkflowTypePolicies({})).policies.map(({ workflowType }) => workflowType)).toEqual([
      "sample",
    ]);
  });
});

test("over HTTP it is the same", async () => {
  const ask = async (name: Name, path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${server.url}/v1/${path}`, { ...init, headers: { authorization: `Bearer ${tokenOf(name)}` } });
    const { reason } = (await answer.json()) as { readonly reason?: string };
    return [answer.status, reason];
  };
  expect(await ask("ada", "workflows/lab-1")).toEqual([200, undefined]);
  expect(await ask("ada", "workflows/order-1")).toEqual([404, "WORKFLOW_NOT_FOUND"]);
  expect(await ask("nix", "workflows/lab-1")).toEqual([403, "PERMISSION_DENIED"]);
  expect(await ask("rita", "workflows", { method: "POST", body: "{}" })).toEqual([403, "PERMISSION_DENIED"]);
});

describe("what is judged", () => {
  const check = (type: string, workflowId = "lab-1") => ({
    workflow: { workflowId, type, state: WorkflowState.CREATED, version: 1n },
    targetState: ACTIVE,
    ...by,
  });

  test("questions about workflows that are not granted are denied", async () => {
    const { predicates } = as("ada");
    expect((await predicates.explainTransition({ check: check("sample") })).verdict?.judgement).toBe("JUDGEMENT_ALLOWED");
    expect(await failureOf(predicates.explainTransition({ check: check("order") }))).toMatchObject(denied);
    expect(
      await failureOf(predicates.listAllowedTransitions({ ...check("order"), workflow: check("order").workflow })),
    ).toMatchObject(denied);
    expect(await failureOf(predicates.validateMetadata({ workflowType: "order", metadata: {} }))).toMatchObject(denied);
    const rule = { ruleId: "orders-only", workflowTypes: ["order"], description: "d", expression: "true", message: "'m'", ...by };
    await as("root").predicates.createRule(rule);
    await as("root").predicates.activateRule({ ruleId: rule.ruleId, version: 1, ...by });
    for (const ruleId of ["orders-only", "no-such-rule"])
      expect(await failureOf(predicates.explainTransition({ check: check("sample"), ruleIds: [ruleId] }))).toMatchObject({
        reason: "RULE_NOT_FOUND",
        message: expect.stringContaining(`no rule "${ruleId}"`),
      });
    // What is judged there is written down, so only who decides by it may ask.
    expect(await failureOf(predicates.validateTransition({ check: check("sample") }))).toMatchObject(denied);
  });
});

describe("what was judged", () => {
  test("stands in the verdict log in the name of who has asked, unless a workflow manager asks for others", async () => {
    const check = { workflow: { workflowId: "asked-1", state: WorkflowState.CREATED, version: 1n }, targetState: ACTIVE, ...by };
    const { predicates } = as("wanda");
    await predicates.validateTransition({ check });
    await predicates.validateTransition({ check: { ...check, authenticatedAs: "wanda" } });
    const forged = { ...check, authenticatedAs: "root" };
    expect(await failureOf(predicates.validateTransition({ check: forged }))).toMatchObject(denied);
    expect(await failureOf(predicates.batchValidateTransitions({ checks: [check, forged] }))).toMatchObject(denied);
    const written = async () =>
      (await as("root").predicates.listVerdicts({ filter: 'verdict.workflow_id == "asked-1"' })).verdicts.map(
        ({ authenticatedAs }) => authenticatedAs,
      );
    await until(async () => (await written()).length === 2, "they are written down");
    expect(await written()).toEqual(["wanda", "wanda"]);
  });

  test("verdicts are told of what is visible only", async () => {
    const { workflows } = as("root");
    for (const workflowId of ["lab-order", "far-1"])
      await workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by });
    const judged = async (name: Name) => {
      const { verdicts } = await as(name).predicates.listVerdicts({});
      return [...new Set(verdicts.map(({ workflowId }) => workflowId))].toSorted();
    };
    await until(async () => (await judged("rita")).includes("lab-order"), "they are written down");
    expect(await judged("rita")).toContain("far-1");
    expect((await judged("oscar")).filter((id) => id.includes("order"))).toEqual([]);
    expect(await judged("oscar")).toContain("far-1");
    const replayed = as("oscar").predicates.replayVerdicts({})[Symbol.asyncIterator]();
    for (;;) {
      const { value } = await replayed.next();
      if (value?.body?.$case !== "progress" || !value.body.value.complete) continue;
      expect(value.body.value.judged + value.body.value.skipped).toBe(
        BigInt((await as("oscar").predicates.listVerdicts({})).verdicts.length),
      );
      break;
    }
  });
});

describe("four eyes: of rules, one alone", () => {
  const rule = { ruleId: "quiet", description: "d", expression: "true", message: "'m'", ...by };

  test("who writes cannot have them judge, and who has them judge cannot write", async () => {
    const [wanda, walt] = [as("wanda").predicates, as("walt").predicates];
    expect(await failureOf(walt.createRule(rule))).toMatchObject(denied);
    await wanda.createRule(rule);
    expect(await failureOf(walt.updateRule({ ...rule, expression: "false" }))).toMatchObject(denied);
    expect(await failureOf(wanda.activateRule({ ruleId: "quiet", ...by }))).toMatchObject(denied);
    await walt.activateRule({ ruleId: "quiet", ...by });
    // A new version is a draft, whatever judges.
    await wanda.updateRule({ ...rule, expression: "1 == 1" });
    expect((await walt.getRule({ ruleId: "quiet" })).rule).toMatchObject({ activeVersion: 1, version: 2 });
    for (const removal of [
      wanda.deactivateRule({ ruleId: "quiet", ...by }),
      wanda.deprecateRule({ ruleId: "quiet", ...by }),
      wanda.rollbackRuleSet({ revision: 0n, ...by }),
    ])
      expect(await failureOf(removal)).toMatchObject(denied);
    await walt.deactivateRule({ ruleId: "quiet", ...by });
  });

  test("what judges at once takes both; a dry run, and tests, take either", async () => {
    const fact = { item: { $case: "fact", value: { name: "two", expression: "2" } } } as const;
    const [wanda, walt, root] = [as("wanda").predicates, as("walt").predicates, as("root").predicates];
    for (const one of [wanda, walt]) {
      expect(await failureOf(one.setRuleSetItem({ ...fact, ...by }))).toMatchObject(denied);
      expect(await failureOf(one.deleteRuleSetItem({ kind: RuleSetItemKind.FACT, name: "two", ...by }))).toMatchObject(denied);
      expect(await failureOf(one.applyRuleSet({ ...by }))).toMatchObject(denied);
      await one.applyRuleSet({ dryRun: true, ...by });
    }
    await root.applyRuleSet({ ...by });
  });
});

describe("rules of types", () => {
  const rule = (ruleId: string, ...workflowTypes: readonly string[]) => ({
    ruleId,
    workflowTypes: [...workflowTypes],
    description: "d",
    expression: "true",
    message: "'m'",
    ...by,
  });

  test("who writes rules for some types has those that are for these only", async () => {
    const [wes, wanda, walt] = [as("wes").predicates, as("wanda").predicates, as("walt").predicates];
    for (const types of [[], ["order"], ["sample", "order"]])
      expect(await failureOf(wes.createRule(rule("mine", ...types)))).toMatchObject(denied);
    await wes.createRule(rule("mine", "sample"));
    expect(await failureOf(wes.updateRule(rule("mine")))).toMatchObject(denied);
    await wes.updateRule({ ...rule("mine", "sample"), expression: "1 == 1" });
    expect((await wes.activateRule({ ruleId: "mine", ...by })).rule?.activeVersion).toBe(2);
    // Another makes it a rule for all: what judges is still for samples, and what is to is not.
    await wanda.updateRule(rule("mine"));
    for (const call of [
      wes.activateRule({ ruleId: "mine", ...by }),
      wes.deactivateRule({ ruleId: "mine", ...by }),
      wes.updateRule(rule("mine", "sample")),
    ])
      expect(await failureOf(call)).toMatchObject({ ...denied, metadata: { rule_id: "mine" } });
    await walt.deactivateRule({ ruleId: "mine", ...by });
  });

  test("rules for other types are for that one as if they did not exist, those for all may be read", async () => {
    const [wes, wanda] = [as("wes").predicates, as("wanda").predicates];
    await wanda.createRule(rule("orders", "order"));
    await wanda.createRule(rule("wide"));
    const about = { ruleId: "orders", ...by };
    for (const call of [
      wes.getRule({ ruleId: "orders" }),
      wes.listRuleVersions({ ruleId: "orders" }),
      wes.updateRule(rule("orders", "sample")),
      wes.activateRule(about),
      wes.shadowRule(about),
      wes.deactivateRule(about),
      wes.deprecateRule(about),
      wes.deleteRule(about),
    ])
      expect(await failureOf(call)).toMatchObject({ reason: "RULE_NOT_FOUND", message: 'no rule "orders"' });
    expect((await wes.getRule({ ruleId: "wide" })).rule?.ruleId).toBe("wide");
    expect(await failureOf(wes.deleteRule({ ruleId: "wide", ...by }))).toMatchObject(denied);
    const ids = (await wes.listRules({})).rules.map(({ ruleId }) => ruleId);
    expect(ids).toEqual(expect.arrayContaining(["mine", "wide"]));
    expect(ids).not.toContain("orders");
    expect(await failureOf(wes.checkRule({ rule: rule("x") }))).toMatchObject(denied);
    // What concerns all, whatever it is about.
    expect(await failureOf(wes.getRuleSet({}))).toMatchObject(denied);
    expect(await failureOf(wes.applyRuleSet({ ...by }))).toMatchObject(denied);
  });
});

/** A participant, as far as its first answer. */
function join(clients: Clients, participantId: string) {
  const sent = Promise.withResolvers<void>();
  const more: object[] = [];
  let wake = (): void => undefined;
  let isOver = false;
  async function* said() {
    const hello = { participantId, instanceId: `i-${participantId}`, versionMin: 1, versionMax: 1, prepareCredit: 8 };
    yield { sequence: 1n, body: { $case: "hello", value: hello } } as const;
    sent.resolve();
    for (let sequence = 2n; !isOver; ) {
      for (const body of more.splice(0)) yield { sequence: sequence++, body } as never;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  const answers = clients.commits.participate(said())[Symbol.asyncIterator]();
  return {
    next: async (): Promise<ParticipateResponse["body"]> => {
      for (;;) {
        const { value } = await answers.next();
        if (value?.body?.$case !== "heartbeat") return value?.body;
      }
    },
    say: (body: object): void => {
      more.push(body);
      wake();
    },
    end: (): void => {
      isOver = true;
      wake();
    },
  };
}

describe("participants", () => {
  test("who says Hello under an id that is not granted is refused, and evicts nobody", async () => {
    const own = join(as("inventory"), "inventory");
    expect(await own.next()).toMatchObject({ $case: "welcome" });
    for (const name of ["billing", "rita", "ada", "nix"] as const)
      expect(await failureOf(join(as(name), "inventory").next())).toMatchObject(denied);
    expect(await failureOf(join(as("inventory"), "concord.workflow").next())).toMatchObject(denied);
    // Not even an admin is the manager.
    expect(await failureOf(join(as("root"), "concord.workflow").next())).toMatchObject(denied);
    const { participants } = await as("rita").commits.listParticipants({});
    expect(
      participants.map(({ participantId, connected, sessionEpoch }) => [participantId, connected, sessionEpoch > 0n]),
    ).toEqual([
      ["concord.workflow", true, true],
      ["inventory", true, true],
    ]);
    own.end();
  });

  test("transactions are visible to those whose participants take part; their outcomes are told to nobody else", async () => {
    const [own, other] = [join(as("inventory"), "inventory"), join(as("billing"), "billing")];
    const welcome = await own.next();
    await other.next();
    const executed = as("ada").commits.executeTransaction({ participants: [{ participantId: "inventory" }], ...by });
    const prepare = await own.next();
    if (prepare?.$case !== "prepare" || welcome?.$case !== "welcome") expect.fail("it is asked");
    const { transactionId } = prepare.value;
    own.say({ $case: "decisionAck", value: { transactionId, outcome: Outcome.COMMITTED } });
    expect((await executed).transaction?.outcome).toBe(Outcome.COMMITTED);
    const { coordinatorId } = welcome.value;
    own.say({ $case: "inquiry", value: { transactionId, coordinatorId } });
    expect(await own.next()).toMatchObject({ $case: "decision", value: { transactionId, outcome: Outcome.COMMITTED } });
    // That it has no part in it while it runs, else that nothing is known of it: test/unit/commit/recovery.
    other.say({ $case: "inquiry", value: { transactionId, coordinatorId } });
    const told = await other.next();
    expect(told?.$case === "decision" ? told.value.outcome : told?.$case).not.toBe(Outcome.COMMITTED);
    const [inventory, billing] = [as("inventory").commits, as("billing").commits];
    expect((await inventory.getTransaction({ transactionId })).transaction?.transactionId).toBe(transactionId);
    expect((await inventory.listTransactions({})).transactions).toHaveLength(1);
    expect(await failureOf(billing.getTransaction({ transactionId }))).toMatchObject({ reason: "TRANSACTION_NOT_FOUND" });
    expect((await billing.listTransactions({})).transactions).toEqual([]);
    const watched = billing.watchTransaction({ transactionId })[Symbol.asyncIterator]();
    expect(await failureOf(watched.next())).toMatchObject({ reason: "TRANSACTION_NOT_FOUND" });
    own.end();
    other.end();
  });

  test("a client enlists whom it is granted", async () => {
    const { commits, workflows } = as("ada");
    const billing = [{ participantId: "billing" }];
    expect(await failureOf(commits.executeTransaction({ participants: billing, ...by }))).toMatchObject(denied);
    expect(
      await failureOf(workflows.transitionWorkflow({ workflowId: "lab-2", targetState: ACTIVE, enlist: billing, ...by })),
    ).toMatchObject(denied);
    const { transaction } = await commits.beginTransaction({ ...by });
    const { transactionId = "" } = transaction ?? {};
    expect(await failureOf(commits.enlistParticipant({ transactionId, participant: billing[0], ...by }))).toMatchObject(denied);
    // It has begun this one, and others' are for it as if they were not.
    expect((await commits.getTransaction({ transactionId })).transaction?.authenticatedAs).toBe("ada");
    const { commits: others } = as("carl");
    for (const call of [
      others.getTransaction({ transactionId }),
      others.watchTransaction({ transactionId })[Symbol.asyncIterator]().next(),
      others.enlistParticipant({ transactionId, participant: billing[0], ...by }),
      others.commitTransaction({ transactionId, ...by }),
      others.abortTransaction({ transactionId, ...by }),
    ])
      expect(await failureOf(call)).toMatchObject({ reason: "TRANSACTION_NOT_FOUND" });
    expect((await as("rita").commits.getTransaction({ transactionId })).transaction?.transactionId).toBe(transactionId);
    await commits.abortTransaction({ transactionId, ...by });
    // A grant for some workflows that names no participants is for none.
    expect(await failureOf(as("bob").commits.executeTransaction({ participants: billing, ...by }))).toMatchObject(denied);
  });
});

describe("when grants change", () => {
  test("what lasts and needs more than is left ends, what is still granted goes on, and what is new counts", async () => {
    const start = { $case: "position", value: WatchPosition.OLDEST_AVAILABLE } as const;
    const watchOf = (name: Name) => as(name).workflows.watchWorkflowEvents({ start })[Symbol.asyncIterator]();
    const [rita, bob, ada] = [watchOf("rita"), watchOf("bob"), watchOf("ada")];
    const billing = join(as("billing"), "billing");
    const inventory = join(as("inventory"), "inventory");
    await Promise.all([rita.next(), bob.next(), ada.next(), billing.next(), inventory.next()]);
    const waiting = as("ada").workflows.waitForWorkflow({ workflowId: "lab-2", timeout: { seconds: 30n, nanos: 0 } });
    const rest = async (watch: typeof rita): Promise<never> => {
      for (;;) if ((await watch.next()).done) throw new Error("it ended without a reason");
    };
    const ends = [failureOf(rest(rita)), failureOf(rest(bob)), failureOf(billing.next())];
    file.write({
      ...tokens,
      grants: [
        ...grants.filter(({ principals }) => !["bob", "rita", "billing", "inventory"].some((name) => principals.includes(name))),
        // Less than before, of which it needs no more; less than before, and more than before.
        { principals: ["inventory"], roles: ["participant"], participants: ["inventory"] },
        { principals: ["rita"], roles: ["reader"], types: ["sample"] },
        { principals: ["ada"], roles: ["reader"] },
      ],
    });
    for (const end of ends) expect(await end).toMatchObject(denied);
    // It has been narrowed like by a filter when it began, and stays so.
    const moved = await as("root").workflows.transitionWorkflow({ workflowId: "lab-2", targetState: ACTIVE, ...by });
    for (;;) {
      const { value } = await ada.next();
      if (value?.body?.$case !== "event") continue;
      expect(value.body.value.workflowType).toBe("sample");
      if (value.body.value.sequence === moved.event?.sequence) break;
    }
    await as("root").workflows.transitionWorkflow({ workflowId: "lab-2", targetState: CANCELLED, ...by });
    expect((await waiting).workflow?.state).toBe(CANCELLED);
    expect((await as("root").commits.listParticipants({})).participants).toContainEqual(
      expect.objectContaining({ participantId: "inventory", connected: true }),
    );
    inventory.end();
    // What it may read and not move, it is told so.
    const move = as("ada").workflows.transitionWorkflow({ workflowId: "lab-order", targetState: ACTIVE, ...by });
    expect(await failureOf(move)).toMatchObject({ ...denied, metadata: { workflow_id: "lab-order" } });
    expect(await failureOf(as("bob").workflows.listWorkflows({}))).toMatchObject({
      ...denied,
      metadata: { method: "concord.workflow.v1.WorkflowService/ListWorkflows" },
    });
  });
});
