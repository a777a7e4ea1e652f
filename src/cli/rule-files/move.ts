import type { RuleMove } from "../../gen/concord/predicate/v1/rule_set.ts";
import { WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import { workflowStates } from "../../kernel/lifecycle.ts";
import { enumText } from "../output.ts";

export const moveWords = `FROM:TO, each one of *, ${workflowStates.join(", ")}`;

/** `ACTIVE:COMPLETED`, `*:CANCELLED`. Nothing: it is none. */
export function parseMove(text: string): RuleMove | undefined {
  const [fromState, toState, ...rest] = text.split(":").map((name) => {
    if (name === "*") return WorkflowState.UNSPECIFIED;
    const known = workflowStates.find((state) => state === name.toUpperCase());
    return known && WorkflowState[known];
  });
  return fromState === undefined || toState === undefined || rest.length > 0 ? undefined : { fromState, toState };
}

export function moveText({ fromState, toState }: RuleMove): string {
  const name = (state: WorkflowState) => (state === WorkflowState.UNSPECIFIED ? "*" : enumText("WORKFLOW_STATE_", state));
  return `${name(fromState)}:${name(toState)}`;
}
