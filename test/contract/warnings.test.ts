import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";

// A rule whose action is WARN does not stop a move; whoever hears of the move hears what it says.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
let counter = 0;
let workflow_id: string;

const by = { reason: "a test", requested_by: "ada" };
const workflows = (rpc: string, request: Message) => client.call(`WorkflowService/${rpc}`, request);
const transition = (request: Message = {}) =>
  workflows("TransitionWorkflow", { workflow_id, target_state: "WORKFLOW_STATE_ACTIVE", ...by, ...request });

type Rule = { readonly rule_id: string; readonly action?: string; readonly state?: string };

/** Rules of which none ever holds. */
const setRules = (...rules: readonly Rule[]) =>
  client.call("PredicateLogic/ApplyRuleSet", {
    rules: rules.map((rule) => ({ expression: "false", message: "'no, ' + workflow.id", ...rule })),
    ...by,
  });

const warn = "RULE_ACTION_WARN";
const warningOf = (rule_id: string) => ({ rule_id, rule_version: 1, message: `no, ${workflow_id}` });

async function restart(): Promise<void> {
  client?.close();
  await server?.stop();
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
}

beforeAll(restart);

beforeEach(async () => {
  counter += 1;
  workflow_id = `wf-${counter}`;
  await workflows("CreateWorkflow", { workflow_id });
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const lastEvent = async (): Promise<Message> => (await workflows("ListWorkflowEvents", { workflow_id })).events.at(-1);

describe("a move that a rule warns of", () => {
  test("is made; its answer, its event, a watch and the answer to a retry say so, after a restart and without the rule too", async () => {
    await setRules({ rule_id: "b", action: warn }, { rule_id: "a", action: warn });
    const warnings = ["a", "b"].map(warningOf);
    const moved = await transition({ request_id: workflow_id });
    expect(moved).toMatchObject({
      workflow: { state: "WORKFLOW_STATE_ACTIVE" },
      warnings,
      event: { warnings, warnings_omitted: 0 },
    });
    await setRules();
    await restart();
    expect(await transition({ request_id: workflow_id })).toEqual(moved);
    expect(await lastEvent()).toEqual(moved.event);
    const watch = client.stream("WorkflowService/WatchWorkflowEvents", { workflow_id, after_sequence: 0 });
    const told: Message[] = [];
    while (told.length < 2) {
      const { body, event } = await watch.next();
      if (body === "event") told.push(event);
    }
    watch.cancel();
    expect(told[1]).toEqual(moved.event);
  });

  test("says nothing of rules that hold, audit or are in shadow", async () => {
    await setRules(
      { rule_id: "audits", action: "RULE_ACTION_AUDIT" },
      { rule_id: "shadows", action: warn, state: "RULE_STATE_SHADOW" },
    );
    expect(await transition()).toMatchObject({ warnings: [], event: { warnings: [], warnings_omitted: 0 } });
  });

  test("is warned of by a rule that cannot be evaluated", async () => {
    await client.call("PredicateLogic/ApplyRuleSet", {
      rules: [{ rule_id: "broken", action: warn, expression: "workflow.metadata.missing == 1" }],
      ...by,
    });
    expect(await transition()).toMatchObject({
      warnings: [{ rule_id: "broken", message: expect.stringContaining("missing") }],
    });
  });

  test("is refused if another rule denies it, and then the denials are told before the warnings", async () => {
    await setRules({ rule_id: "warns", action: warn }, { rule_id: "denies" });
    const request = { workflow_id, target_state: "WORKFLOW_STATE_ACTIVE", ...by };
    expect(await client.failure("WorkflowService/TransitionWorkflow", request)).toMatchObject({
      reason: "RULE_DENIED",
      preconditions: [
        { type: "RULE", subject: "denies" },
        { type: "RULE_WARNING", subject: "warns" },
      ],
    });
    expect(await lastEvent()).toMatchObject({ version: "1" });
  });

  test("keeps the first 16 warnings of 20, and says how many there are more", async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `r-${String(index).padStart(2, "0")}`);
    await setRules(...ids.map((rule_id) => ({ rule_id, action: warn })));
    const moved = await transition();
    expect(moved.warnings).toEqual(ids.slice(0, 16).map(warningOf));
    expect(moved.event).toMatchObject({ warnings: moved.warnings, warnings_omitted: 4 });
  });

  test("may be a recovery", async () => {
    await setRules();
    await transition();
    await transition({ target_state: "WORKFLOW_STATE_FAILED" });
    await setRules({ rule_id: "again", action: warn });
    expect(await workflows("RecoverWorkflow", { workflow_id, ...by })).toMatchObject({
      warnings: [warningOf("again")],
      event: { type: "WORKFLOW_EVENT_TYPE_RECOVERED", warnings: [warningOf("again")] },
    });
  });

  test("may be made together with others: what its prepare was warned of is told when it has committed", async () => {
    await setRules({ rule_id: "together", action: warn });
    const stock = await joinAs(client, "stock");
    const moving = transition({ enlist: [{ participant_id: "stock" }], request_id: workflow_id });
    const { transaction_id } = await stock.expect("prepare");
    stock.vote(transaction_id, "VOTE_VALUE_COMMIT");
    await stock.expect("decision");
    await setRules();
    stock.ack(transaction_id, "OUTCOME_COMMITTED");
    const moved = await moving;
    expect(moved).toMatchObject({
      warnings: [warningOf("together")],
      event: { transaction_id, warnings: [warningOf("together")] },
    });
    await restart();
    expect(await transition({ enlist: [{ participant_id: "stock" }], request_id: workflow_id })).toEqual(moved);
  });
});
