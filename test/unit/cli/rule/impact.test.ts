import { afterEach, expect, test } from "vitest";
import { ruleCommand } from "../../../../src/cli/rule.ts";
import {
  type AssessImpactRequest,
  ImpactKind,
  type ListVerdictsRequest,
} from "../../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { Judgement } from "../../../../src/gen/concord/predicate/v1/verdict.ts";
import { Workflow, WorkflowState } from "../../../../src/gen/concord/workflow/v1/workflow.ts";
import type { ListWorkflowsRequest } from "../../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { runCommand } from "../../../support/command.ts";
import { type Fakes, startRecordingServer } from "../../../support/recording-server.ts";

const workflow = (workflowId: string, state: WorkflowState, metadata = {}): Workflow =>
  Workflow.fromPartial({ workflowId, state, type: "sample", version: 1n, metadata });

let server: Awaited<ReturnType<typeof startRecordingServer>>;
afterEach(() => server?.server.shutdown(0));

/** Two pages of workflows; every completion would be denied, and of `a` it is warned. */
const fakes: Fakes = {
  getRuleSet: () => ({ items: [] }),
  getRule: () => ({ rule: { ruleId: "cold", expression: "true" } }),
  listWorkflows: (_, { pageToken }: ListWorkflowsRequest) =>
    pageToken === ""
      ? { workflows: [workflow("a", WorkflowState.ACTIVE), workflow("done", WorkflowState.COMPLETED)], nextPageToken: "2" }
      : { workflows: [workflow("b", WorkflowState.ACTIVE), workflow("c", WorkflowState.PAUSED)] },
  assessImpact: (_, { checks }: AssessImpactRequest) => ({
    ruleSetRevision: 6n,
    differences: checks.flatMap(({ workflow: asked, targetState }, checkIndex): readonly object[] => {
      if (targetState === WorkflowState.COMPLETED) {
        const violations = [{ ruleId: "cold", ruleVersion: 3, message: "too warm" }];
        return [{ checkIndex, kind: ImpactKind.NEWLY_DENIED, after: { judgement: Judgement.RULE_DENIED, violations } }];
      }
      if (asked?.workflowId !== "c") return [];
      return [{ checkIndex, kind: ImpactKind.NEWLY_WARNED }];
    }),
  }),
};

const asked = (method: string): readonly unknown[] =>
  server.calls.flatMap((call) => (call.method === method ? [call.request] : []));

async function run(...args: readonly string[]) {
  server = await startRecordingServer(fakes);
  return runCommand(ruleCommand(), "impact", ...args, "--address", server.address);
}

test("all moves that workflows can make are asked about; what would be different is counted by kind, type and move", async () => {
  const { out, code } = await run("cold", "--version", "3", "--examples", "1", "--by", "ada");
  const [request, next] = asked("assessImpact") as [AssessImpactRequest, AssessImpactRequest];
  expect(next.checks).toHaveLength(6);
  expect(request.candidate).toEqual({ $case: "activate", value: { ruleId: "cold", version: 3 } });
  expect(request.checks.map(({ targetState, requestedBy }) => [targetState, requestedBy])).toEqual(
    ["PAUSED", "COMPLETED", "FAILED", "CANCELLED"].map((state) => [`WORKFLOW_STATE_${state}`, "ada"]),
  );
  expect({ code, lines: out.split("\n") }).toEqual({
    code: 0,
    lines: [
      "looked at 10 possible moves of 4 workflows, beside rule set revision 6",
      "",
      "MOVES  WOULD BE      MOVE              TYPE",
      "2      newly denied  ACTIVE:COMPLETED  sample",
      "1      newly warned  PAUSED:ACTIVE     sample",
      "1      newly warned  PAUSED:CANCELLED  sample",
      "",
      "a to COMPLETED: newly denied",
      "  then: RULE_DENIED (rule set revision 0, cost 0)",
      "          denied by cold (version 3): too warm",
      "",
      "c to ACTIVE: newly warned",
      "",
    ],
  });
});

test("-o json has the counts and the first examples, in one line", async () => {
  const { out } = await run("cold", "-o", "json", "--examples", "1");
  expect(JSON.parse(out)).toEqual({
    ruleSetRevision: "6",
    workflows: 4,
    moves: 10,
    complete: true,
    differences: [
      { kind: "NEWLY_DENIED", from: "ACTIVE", to: "COMPLETED", type: "sample", count: 2 },
      { kind: "NEWLY_WARNED", from: "PAUSED", to: "ACTIVE", type: "sample", count: 1 },
      { kind: "NEWLY_WARNED", from: "PAUSED", to: "CANCELLED", type: "sample", count: 1 },
    ],
    examples: [
      { workflowId: "a", kind: "NEWLY_DENIED", to: "COMPLETED" },
      { workflowId: "c", kind: "NEWLY_WARNED", to: "ACTIVE" },
    ],
  });
});

test("a limit is kept, and what it leaves out is said; a deactivation is a change, too", async () => {
  const { out } = await run("cold", "--deactivate", "--limit", "2");
  expect(asked("listWorkflows")).toMatchObject([{ pageSize: 2 }]);
  expect(asked("assessImpact")).toMatchObject([{ candidate: { $case: "deactivateRuleId", value: "cold" } }]);
  expect(out).toContain("there are more workflows: see --limit");
});

test.each([{ args: [] }, { args: ["cold", "--files", "rules"] }])("a rule or files, one of them: $args", async ({ args }) => {
  expect(await run(...args)).toMatchObject({ code: 2, err: "error: name a rule, or --files\n" });
});

test("--recorded asks about what was judged, as it was asked then, and says what has no question", async () => {
  const input = {
    workflow: workflow("a", WorkflowState.ACTIVE),
    targetState: WorkflowState.COMPLETED,
    requestedBy: "kurt",
    reason: "done",
    at: new Date(1000),
    context: { site: "B" },
  };
  const verdicts: Fakes = {
    ...fakes,
    listVerdicts: (_, { pageToken }: ListVerdictsRequest) =>
      pageToken === ""
        ? { verdicts: [{ sequence: 3n, input }, { sequence: 2n }], nextPageToken: "2" }
        : { verdicts: [{ sequence: 1n, input }] },
  };
  server = await startRecordingServer(verdicts);
  const filter = 'verdict.judgement == "ALLOWED"';
  const args = ["impact", "cold", "--recorded", "5", "--filter", filter, "--examples", "0", "--by", "ada"];
  const { out, code } = await runCommand(ruleCommand(), ...args, "--address", server.address);
  expect(code).toBe(0);
  expect(asked("listVerdicts")).toMatchObject([
    { filter, pageSize: 5 },
    { pageSize: 4, pageToken: "2" },
  ]);
  expect(asked("assessImpact")).toMatchObject([{ checks: [input] }, { checks: [input] }]);
  expect(asked("listWorkflows")).toEqual([]);
  expect(out.split("\n")).toEqual([
    "looked at 2 moves that were judged before, beside rule set revision 6",
    "1 more cannot be judged, for their questions were not kept (--verdict-log-input whole)",
    "",
    "MOVES  WOULD BE      MOVE              TYPE",
    "2      newly denied  ACTIVE:COMPLETED  sample",
    "",
  ]);
});
