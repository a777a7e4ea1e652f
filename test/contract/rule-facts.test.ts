import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DeepPartial, Judgement, type TransitionCheck } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";

const { ACTIVE, CANCELLED, COMPLETED, FAILED, PAUSED } = WorkflowState;
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
let counter = 0;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

type Move = { readonly by?: string; readonly reason?: string; readonly metadata?: object; readonly enlist?: readonly string[] };

const asked = { reason: "a test", requestedBy: "ada" };

/** A new workflow, created by ada, of a type of its own, for which alone the rule speaks. */
async function workflowUnder(expression: string) {
  counter += 1;
  const { workflows, predicates } = server.clients;
  const workflowId = `wf-${counter}`;
  const ruleId = `rule-${counter}`;
  const type = `type-${counter}`;
  await predicates.createRule({ ruleId, expression: `workflow.type != "${type}" || (${expression})`, ...asked });
  await predicates.activateRule({ ruleId, ...asked });
  await workflows.createWorkflow({ workflowId, type, requestedBy: "ada" });
  const moveTo = (targetState: WorkflowState, { by = "ada", reason = "a test", metadata, enlist = [] }: Move = {}) =>
    workflows.transitionWorkflow({
      workflowId,
      targetState,
      reason,
      requestedBy: by,
      eventMetadata: metadata as { readonly [key: string]: unknown } | undefined,
      enlist: enlist.map((participantId) => ({ participantId })),
    });
  return {
    moveTo,
    denied: async (targetState: WorkflowState, move?: Move): Promise<void> => {
      expect(await failureOf(moveTo(targetState, move))).toMatchObject({
        reason: "RULE_DENIED",
        preconditions: [{ subject: ruleId, description: "not allowed" }],
      });
    },
    async judged(changes: DeepPartial<TransitionCheck>) {
      const { workflow } = await workflows.getWorkflow({ workflowId });
      const check = { workflow, targetState: ACTIVE, ...changes };
      return (await predicates.validateTransition({ check })).verdict?.judgement;
    },
  };
}

describe("a rule sees of the workflow", () => {
  test("its type", async () => {
    const forbidding = await workflowUnder("workflow.type == ''");
    await forbidding.denied(ACTIVE);
    const allowing = await workflowUnder("workflow.type.startsWith('type-')");
    await allowing.moveTo(ACTIVE);
  });

  test("who created it", async () => {
    const { moveTo, denied } = await workflowUnder("request.requested_by != workflow.created_by");
    await denied(ACTIVE);
    await moveTo(ACTIVE, { by: "kurt" });
    await denied(PAUSED, { by: "ada" });
  });

  test("who changed it last", async () => {
    const { moveTo, denied } = await workflowUnder("request.requested_by != workflow.updated_by");
    await denied(ACTIVE);
    await moveTo(ACTIVE, { by: "kurt" });
    await denied(PAUSED, { by: "kurt" });
    await moveTo(PAUSED);
  });

  test("since when it is in its state", async () => {
    const { moveTo, judged } = await workflowUnder("now - workflow.state_entered_at < duration('1h')");
    expect(await judged({ at: new Date(Date.now() + 2 * 3_600_000) })).toBe(Judgement.RULE_DENIED);
    await moveTo(ACTIVE);
    const other = await workflowUnder("workflow.state_entered_at < workflow.updated_at");
    await other.denied(ACTIVE);
  });

  test("how often it was recovered", async () => {
    const { moveTo, denied } = await workflowUnder("workflow.retry_count < 1");
    await moveTo(ACTIVE);
    await moveTo(FAILED);
    await moveTo(ACTIVE);
    await denied(COMPLETED);
  });
});

describe("a rule sees of the last event", () => {
  test("what it was, when, by whom and why", async () => {
    const { moveTo, denied } = await workflowUnder(
      `last_event.type == "CREATED" && last_event.from_state == "" && last_event.to_state == "CREATED" ||
       last_event.type == "TRANSITION" && last_event.from_state == "CREATED" && last_event.to_state == "ACTIVE" &&
       last_event.occurred_at == workflow.updated_at && last_event.requested_by == "kurt" && last_event.reason == "it came"`,
    );
    await moveTo(ACTIVE, { by: "kurt", reason: "it came" });
    await moveTo(PAUSED);
    await denied(ACTIVE);
  });

  test("its metadata: of the creation the workflow's, then what the move was given", async () => {
    const { moveTo, denied } = await workflowUnder("from == 'CREATED' || has(last_event.metadata.approved)");
    await moveTo(ACTIVE);
    await denied(PAUSED);
    const other = await workflowUnder("from == 'CREATED' || last_event.metadata.approved == 'yes'");
    await other.moveTo(ACTIVE, { metadata: { approved: "yes" } });
    await other.moveTo(PAUSED, { metadata: { approved: "no" } });
    await other.denied(ACTIVE);
  });

  test("nothing but empty values, if the question has none", async () => {
    const { judged } = await workflowUnder(
      `last_event.type == "" && last_event.to_state == "" && last_event.metadata.size() == 0 &&
       last_event.occurred_at == timestamp(0) && last_event.requested_by + last_event.reason == ""`,
    );
    expect(await judged({})).toBe(Judgement.ALLOWED);
    expect(await judged({ lastEvent: { reason: "r" } })).toBe(Judgement.RULE_DENIED);
  });
});

describe("a rule sees of the request", () => {
  test("with whom it commits", async () => {
    const { moveTo, denied } = await workflowUnder(`request.transaction.participants in [[], ["stock", "billing"]]`);
    await moveTo(ACTIVE);
    await denied(PAUSED, { enlist: ["stock"] });
    // Nobody of them is connected: the transaction is aborted, and so it was begun.
    const unjudged = moveTo(PAUSED, { enlist: ["stock", "billing"] });
    expect(await failureOf(unjudged)).toMatchObject({ reason: "TRANSACTION_ABORTED" });
  });

  test("in which transaction, when it is prepared; before, there is none", async () => {
    const stock = await joinAs(client, "stock");
    const agreeing = stock.agreeToAll();
    const before = await workflowUnder(`request.transaction.id == "" || request.transaction.participants != ["stock"]`);
    await before.denied(ACTIVE, { enlist: ["stock"] });
    await before.moveTo(ACTIVE);
    const after = await workflowUnder(
      `request.transaction.participants == ["stock"] && (request.transaction.id == "" || request.transaction.id.size() == 36)`,
    );
    await after.moveTo(ACTIVE, { enlist: ["stock"] });
    stock.leave();
    await agreeing;
  });

  test("whom it was proved to come from: nobody, as long as there is no authentication", async () => {
    const { moveTo, judged } = await workflowUnder(`request.authenticated_as == ""`);
    expect(await judged({ authenticatedAs: "ada" })).toBe(Judgement.RULE_DENIED);
    await moveTo(ACTIVE);
  });
});

test.each([
  { what: "too many participants", check: { transaction: { participantIds: Array(65).fill("p") } } },
  { what: "a participant with a long name", check: { transaction: { participantIds: ["p".repeat(129)] } } },
  { what: "a long transaction id", check: { transaction: { transactionId: "t".repeat(129) } } },
  { what: "a long name", check: { authenticatedAs: "a".repeat(257) } },
  { what: "too much metadata in the event", check: { lastEvent: { metadata: { text: "x".repeat(65_536) } } } },
])("a check with $what is refused", async ({ check }) => {
  const { judged } = await workflowUnder("true");
  expect(await failureOf(judged(check))).toMatchObject({ reason: "INVALID_REQUEST" });
});

test("a move is judged by as much data as there may be: of the workflow, of its last event and of the request", async () => {
  const { workflows } = server.clients;
  const widest = Object.fromEntries(Array.from({ length: 4_999 }, (_, index) => [`k${index}`, index]));
  const longest = { text: "\u0001".repeat(10_900) };
  for (const [workflowId, most] of Object.entries({ widest, longest })) {
    const by = { workflowId, reason: "r".repeat(1_000), requestedBy: "a".repeat(256) };
    await workflows.createWorkflow({ ...by, metadata: most });
    await workflows.transitionWorkflow({ ...by, targetState: ACTIVE, eventMetadata: most, context: most });
    await workflows.transitionWorkflow({ ...by, targetState: PAUSED, eventMetadata: most, context: most });
    expect((await workflows.transitionWorkflow({ ...by, targetState: CANCELLED, context: most })).workflow?.version).toBe(4n);
  }
});
