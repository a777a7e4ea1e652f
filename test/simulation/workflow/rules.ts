import { WorkflowState as WireState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import type { JsonObject } from "../../../src/kernel/json.ts";
import type { WorkflowState } from "../../../src/kernel/lifecycle.ts";

/** What a rule is told of a move, as far as the rules of these worlds look. */
export type Judged = {
  readonly metadata: JsonObject;
  readonly retryCount: number;
  readonly to: WorkflowState;
  readonly reason: string;
};

/**
 * A rule as the engine has it, and what it means, said once more: so that each change can be held against the rules of the revision that it
 * names, without asking the engine.
 */
export type SimulatedRule = {
  readonly ruleId: string;
  readonly expression: string;
  readonly to: WorkflowState;
  readonly holds: (judged: Judged) => boolean;
};

export const simulatedRules: readonly SimulatedRule[] = [
  {
    ruleId: "locked",
    expression: "!workflow.metadata.locked",
    to: "COMPLETED",
    holds: ({ metadata }) => metadata["locked"] !== true,
  },
  {
    ruleId: "recovered-once",
    expression: "workflow.retry_count < 1",
    to: "PAUSED",
    holds: ({ retryCount }) => retryCount < 1,
  },
  {
    ruleId: "never-cancelled",
    expression: "request.reason == 'deadline'",
    to: "CANCELLED",
    holds: ({ reason }) => reason === "deadline",
  },
];

export const createRuleRequest = ({ ruleId, expression, to }: SimulatedRule) => ({
  ruleId,
  expression,
  moves: [{ toState: WireState[to] }],
  reason: "a world",
  requestedBy: "rules",
});

/** Whether this set of rules, by their ids, allows a move. */
export const allows = (ruleIds: Iterable<string>, judged: Judged): boolean =>
  [...ruleIds].every((id) => {
    const rule = simulatedRules.find(({ ruleId }) => ruleId === id);
    return rule === undefined || rule.to !== judged.to || rule.holds(judged);
  });
