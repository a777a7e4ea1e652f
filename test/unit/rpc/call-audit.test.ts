import { type ServerError, Status } from "nice-grpc-common";
import { expect, test } from "vitest";
import type { Audit } from "../../../src/access/audit.ts";
import { auditOf } from "../../../src/rpc/call-audit.ts";
import { permissionDenied, rpcError } from "../../../src/rpc/errors.ts";

const purge = "/concord.workflow.v1.WorkflowService/PurgeWorkflows";
const context = { principal: { name: "ada", by: "token" }, peer: "10.0.0.7:1", log: { requestId: "r-1" } } as const;

function told(ended: {
  readonly path: string;
  readonly request?: unknown;
  readonly failure?: ServerError;
  readonly context?: Parameters<ReturnType<typeof auditOf>>[0]["context"];
}) {
  const lines: unknown[] = [];
  const audit: Audit = {
    denied: (call, outcome) => void lines.push(["denied", call, outcome]),
    changed: (call, outcome) => void lines.push(["changed", call, outcome]),
    granted: () => undefined,
  };
  auditOf(audit)({ request: {}, context, code: ended.failure?.code ?? Status.OK, failure: undefined, ...ended });
  return lines;
}

const call = { method: purge.slice(1), principal: "ada", address: "10.0.0.7:1", call: "r-1" };

test("a change is told with the names that its request has, and why; nothing else of it", () => {
  const request = {
    ...{
      filter: 'workflow.type == "sample"',
      freeIds: true,
      dryRun: false,
      reason: "tidy",
      requestedBy: "ada",
      requestId: "p-1",
    },
    ...{ olderThan: { seconds: 1n }, workflows: [{ workflowId: "a" }, { workflowId: "b" }], metadata: { secret: 1 } },
  };
  const about = {
    ...{ filter: 'workflow.type == "sample"', free_ids: true, request_id: "p-1", requested_by: "ada", reason: "tidy" },
    workflows: 2,
  };
  expect(told({ path: purge, request })).toEqual([["changed", { ...call, about }, { code: "OK" }]]);
});

test("a part of the rule set is told by its kind and name", () => {
  const path = "/concord.predicate.v1.PredicateLogic/SetRuleSetItem";
  const request = { item: { $case: "fact", value: { name: "cold", expression: "secret" } } };
  expect(told({ path, request })).toMatchObject([["changed", { about: { kind: "fact", name: "cold" } }, { code: "OK" }]]);
});

test("a change that fails is told with its reason", () => {
  const failure = rpcError({ code: Status.NOT_FOUND, reason: "SINK_NOT_FOUND", message: "none", metadata: { sink: "s" } });
  expect(told({ path: purge, failure })).toEqual([
    ["changed", { ...call, about: {} }, { code: "NOT_FOUND", error: "SINK_NOT_FOUND" }],
  ]);
});

test("a denial of whatever call says what it was about, as far as it was found out", () => {
  const failure = permissionDenied("not for you", { participant_id: "inventory" });
  const path = "/concord.commit.v1.TwoPhaseCommit/Participate";
  expect(told({ path, failure })).toMatchObject([
    ["denied", { about: { participant_id: "inventory" } }, { code: "PERMISSION_DENIED", error: "PERMISSION_DENIED" }],
  ]);
});

test("of a batch that is answered, those that were denied are told, in one line", () => {
  const path = "/concord.workflow.v1.WorkflowService/BatchTransitionWorkflows";
  const request = { items: [{ workflowId: "a" }, { workflowId: "b" }, { workflowId: "c" }], requestedBy: "eve" };
  expect(told({ path, request, context: { ...context, deniedIds: ["a", "c"] } })).toEqual([
    [
      "denied",
      {
        ...{ ...call, method: path.slice(1) },
        about: { items: 3, requested_by: "eve", denied: 2, workflow_ids: ["a", "c"] },
      },
      { code: "PERMISSION_DENIED", error: "PERMISSION_DENIED" },
    ],
  ]);
  expect(told({ path, request, context: { ...context, deniedIds: [] } })).toEqual([]);
});

test.each([
  { what: "a question", path: "/concord.workflow.v1.WorkflowService/GetWorkflow", request: { workflowId: "a" } },
  {
    what: "what clients do all day",
    path: "/concord.workflow.v1.WorkflowService/TransitionWorkflow",
    request: { workflowId: "a" },
  },
  { what: "a dry run", path: purge, request: { dryRun: true } },
])("nothing is told of $what", ({ path, request }) => {
  expect(told({ path, request })).toEqual([]);
});
