import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonText } from "../../../src/cli/output.ts";
import { Workflow, WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { canonicalJson } from "../../support/canonical-json.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../../support/concord.ts";
import { createProtoClient } from "../../support/proto-client.ts";
import { joinAs } from "../../support/scripted-participant.ts";

// Replay a failure with SEED=n npx vitest run --project property.
const runs = { numRuns: 200 };

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const by = { reason: "a property", requestedBy: "fast-check" };

/** Names that every plain object has, or that assignments treat in a way of their own. */
const hostileKeys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "toJSON",
  "",
  "0",
  "\u0000",
  "\u2028",
];

const objects = fc.letrec<{ readonly value: unknown; readonly object: object }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(fc.string({ unit: "binary" }), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.oneof(fc.constantFrom(...hostileKeys), fc.string({ unit: "binary" })), tie("value"), { maxKeys: 5 }),
})).object;

test("any JSON object is kept as it is: in answers, in what is stored, in events, in JSON for programs", async () => {
  await fc.assert(
    fc.asyncProperty(objects, async (object) => {
      const { workflows } = server.clients;
      const created = await workflows.createWorkflow({ metadata: object, ...by });
      const workflowId = created.workflow?.workflowId ?? "";
      const { workflow } = await workflows.getWorkflow({ workflowId });
      const { events } = await workflows.listWorkflowEvents({ workflowId });
      if (workflow === undefined) throw new Error("no workflow");
      const forPrograms = JSON.parse(jsonText("concord.workflow.v1.Workflow", Workflow, workflow));
      const kept = [created.workflow?.metadata, workflow.metadata, events[0]?.metadata, forPrograms.metadata];
      expect(kept.map(canonicalJson)).toEqual(kept.map(() => canonicalJson(object)));
    }),
    runs,
  );
});

const hostile = (value: string): JsonObject => JSON.parse(`{"__proto__": "${value}", "constructor": {"toString": "${value}"}}`);

describe("a key that plain objects have of their own", () => {
  test("is part of the request: a retry is known by it", async () => {
    const { workflows } = server.clients;
    const request = { workflowId: "retried", requestId: "one", ...by };
    const first = await workflows.createWorkflow({ ...request, metadata: hostile("a") });
    expect(await workflows.createWorkflow({ ...request, metadata: hostile("a") })).toEqual(first);
    const other = workflows.createWorkflow({ ...request, metadata: hostile("b") });
    expect(await failureOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test("is seen by filters and by rules, and is not there if nobody has set it", async () => {
    const { workflows, predicates } = server.clients;
    await workflows.createWorkflow({ workflowId: "hostile", metadata: hostile("x"), ...by });
    await workflows.createWorkflow({ workflowId: "plain", metadata: {}, ...by });
    for (const key of ["__proto__", "constructor"]) {
      const { workflows: found } = await workflows.listWorkflows({
        filter: `has(workflow.metadata.${key}) && workflow.id != "retried"`,
      });
      expect(found.map(({ workflowId }) => workflowId).filter((id) => ["hostile", "plain"].includes(id))).toEqual(["hostile"]);
    }
    const expression = `workflow.metadata["__proto__"] == "x" && request.context.constructor.toString == "y"`;
    await predicates.createRule({ ruleId: "proto", expression, ...by });
    await predicates.activateRule({ ruleId: "proto", ...by });
    const move = { workflowId: "hostile", targetState: WorkflowState.ACTIVE, ...by };
    expect(await failureOf(workflows.transitionWorkflow({ ...move, context: hostile("z") }))).toMatchObject({
      reason: "RULE_DENIED",
    });
    const { event } = await workflows.transitionWorkflow({ ...move, context: hostile("y"), eventMetadata: hostile("e") });
    expect(canonicalJson(event?.metadata)).toBe(canonicalJson(hostile("e")));
    await predicates.deactivateRule({ ruleId: "proto", ...by });
  });

  test("survives an atomic transition", async () => {
    const client = createProtoClient(server.address);
    const other = await joinAs(client, "other");
    void other.agreeToAll();
    await server.clients.workflows.createWorkflow({ workflowId: "together", ...by });
    const { event } = await server.clients.workflows.transitionWorkflow({
      workflowId: "together",
      targetState: WorkflowState.ACTIVE,
      enlist: [{ participantId: "other", payload: Buffer.alloc(0) }],
      eventMetadata: hostile("e"),
      ...by,
    });
    expect(canonicalJson(event?.metadata)).toBe(canonicalJson(hostile("e")));
    other.leave();
    client.close();
  });
});
