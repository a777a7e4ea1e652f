import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient, struct } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

// "Checked in this order; the first that fails is the answer": every combination of faults that one request can have at once.

/** In the order of the contract. */
const checks = {
  malformed: { code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: ["reason"] },
  missing: { code: "NOT_FOUND", reason: "WORKFLOW_NOT_FOUND" },
  terminal: { code: "FAILED_PRECONDITION", reason: "TERMINAL_STATE", metadata: { state: "COMPLETED", version: "3" } },
  version: { code: "ABORTED", reason: "VERSION_MISMATCH", metadata: { expected_version: "99", current_version: "2" } },
  held: { code: "ABORTED", reason: "IN_TRANSITION", metadata: { target_state: "COMPLETED" } },
  engine: { code: "UNAVAILABLE", reason: "PREDICATE_LOGIC_UNAVAILABLE", retryAfterMs: 1000 },
  move: { code: "FAILED_PRECONDITION", reason: "INVALID_TRANSITION", metadata: { from: "ACTIVE", to: "ACTIVE" } },
  denied: { code: "FAILED_PRECONDITION", reason: "RULE_DENIED", preconditions: [{ type: "RULE", subject: "polite" }] },
} as const;

type Fault = keyof typeof checks;
const order = Object.keys(checks) as readonly Fault[];

/** No workflow is two of these. */
const subjects = ["missing", "terminal", "held"] as const;

const combinations: readonly (readonly Fault[])[] = Array.from({ length: 2 ** order.length }, (_, bits) =>
  order.filter((_, index) => bits & (1 << index)),
).filter((faults) => faults.length > 0 && subjects.filter((subject) => faults.includes(subject)).length <= 1);

const folders = [temporaryFolder(), temporaryFolder()] as const;
const by = { reason: "a test", requested_by: "ada" };
const asked = { reason: "a test", requestedBy: "ada" };
let engine: TestServer;
let manager: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  engine = await startServer({ dataDir: folders[0].path, services: "predicate" });
  manager = await startServer({ dataDir: folders[1].path, services: "workflow,commit", predicateAddress: engine.address });
  const { predicates } = engine.clients;
  await predicates.createRule({ ruleId: "polite", expression: "!has(request.context.rude)", description: "be polite", ...asked });
  await predicates.activateRule({ ruleId: "polite", ...asked });
  client = createProtoClient(manager.address);
  for (const workflow_id of ["plain", "terminal", "held"]) {
    await client.call("WorkflowService/CreateWorkflow", { workflow_id });
    await client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: "WORKFLOW_STATE_ACTIVE", ...by });
  }
  const complete = { target_state: "WORKFLOW_STATE_COMPLETED", ...by };
  await client.call("WorkflowService/TransitionWorkflow", { workflow_id: "terminal", ...complete });
  // Never votes, so the workflow stays held.
  await joinAs(client, "silent");
  const enlist = [{ participant_id: "silent" }];
  client.call("WorkflowService/TransitionWorkflow", { workflow_id: "held", enlist, ...complete }).catch(() => undefined);
  await until(async () => {
    const { workflow } = await client.call("WorkflowService/GetWorkflow", { workflow_id: "held" });
    return workflow.in_transition !== null;
  }, "the workflow is held");
});

afterAll(async () => {
  client.close();
  await manager.stop();
  for (const folder of folders) folder.remove();
});

function request(faults: readonly Fault[]) {
  const workflow_id = subjects.find((subject) => faults.includes(subject)) ?? "plain";
  return {
    workflow_id,
    target_state: faults.includes("move") ? "WORKFLOW_STATE_ACTIVE" : "WORKFLOW_STATE_PAUSED",
    context: struct(faults.includes("denied") ? { rude: true } : {}),
    ...by,
    ...(faults.includes("malformed") ? { reason: "" } : {}),
    ...(faults.includes("version") ? { expected_version: 99 } : {}),
  };
}

async function expectFirst(faults: readonly Fault[]): Promise<void> {
  const [first] = faults;
  if (first === undefined) throw new Error("no fault");
  const failure = await client.failure("WorkflowService/TransitionWorkflow", request(faults));
  expect(failure, `faults: ${faults.join(", ")}`).toMatchObject(checks[first]);
}

test("with the predicate engine: the first check that fails is the answer, of every combination", async () => {
  for (const faults of combinations.filter((each) => !each.includes("engine"))) await expectFirst(faults);
});

test("RecoverWorkflow has the same order, and NOT_FAILED where the move is checked", async () => {
  const recover = (body: object) => client.failure("WorkflowService/RecoverWorkflow", { workflow_id: "plain", ...by, ...body });
  expect(await recover({ reason: "" })).toMatchObject(checks.malformed);
  expect(await recover({ workflow_id: "missing" })).toMatchObject(checks.missing);
  expect(await recover({ workflow_id: "terminal", expected_version: 99 })).toMatchObject(checks.terminal);
  expect(await recover({ workflow_id: "held", expected_version: 99 })).toMatchObject(checks.version);
  expect(await recover({ workflow_id: "held" })).toMatchObject(checks.held);
  expect(await recover({ context: struct({ rude: true }) })).toMatchObject({ reason: "NOT_FAILED" });
});

test("without the predicate engine: the first check that fails is the answer, of every combination", async () => {
  await engine.stop();
  for (const faults of combinations.filter((each) => each.includes("engine"))) await expectFirst(faults);
});
