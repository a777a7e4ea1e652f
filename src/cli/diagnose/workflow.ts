import type { Workflow } from "../../gen/concord/workflow/v1/workflow.ts";
import { WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import type { ListAllowedTransitionsResponse } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { enumText, timeText } from "../output.ts";
import { type Finding, see } from "./finding.ts";

/** What keeps a workflow from going on. Of one that is held, its transaction tells more. */
export function workflowFindings(
  workflow: Workflow,
  moves: ListAllowedTransitionsResponse | undefined,
  nowMs: number,
): readonly Finding[] {
  return [...held(workflow), ...failed(workflow, nowMs), ...overdue(workflow, nowMs), ...forbidden(workflow, moves)];
}

function held({ inTransition }: Workflow): readonly Finding[] {
  if (inTransition === undefined) return [];
  const { transactionId, preparedAt, targetState } = inTransition;
  const target = enumText("WORKFLOW_STATE_", targetState);
  return [
    {
      what: `transaction ${transactionId} holds it since ${timeText(preparedAt)}, on its way to ${target}; nothing else can happen before that ends`,
      help: [`concord diagnose ${transactionId}`],
    },
  ];
}

/** Of a hold whose transaction its coordinator does not know, or whose coordinator is another one. */
export const orphaned = (workflowId: string, transactionId: string, why: string): Finding => ({
  what: `${why}, so nobody will end that hold`,
  help: [
    "find out how the transaction ended at its other participants",
    `then concord workflow resolve ${workflowId} committed|aborted --transaction ${transactionId} --reason '…'`,
    see("two-phase-commit.md", "A workflow whose coordinator is gone"),
  ],
});

function failed({ workflowId, state, recoverableAt, retryCount }: Workflow, nowMs: number): readonly Finding[] {
  if (state !== WorkflowState.FAILED) return [];
  const isLater = recoverableAt !== undefined && recoverableAt.getTime() > nowMs;
  const when = isLater ? `, and may be recovered from ${timeText(recoverableAt)} on` : "";
  return [
    {
      what: `it has failed, after ${retryCount} recoveries${when}`,
      help: [`concord workflow events ${workflowId} says why`, `concord workflow recover ${workflowId} --reason '…'`],
    },
  ];
}

/** A deadline is moved within a second as a rule. */
const lateMs = 10_000;

function overdue({ workflowId, deadline, inTransition }: Workflow, nowMs: number): readonly Finding[] {
  const at = deadline?.at;
  if (at === undefined || inTransition !== undefined || nowMs - at.getTime() < lateMs) return [];
  return [
    {
      what: `its deadline was due at ${timeText(at)}, and the move has not been made: it is tried again`,
      help: [`concord workflow moves ${workflowId} says what forbids it`, "concord status says whether PredicateLogic answers"],
    },
  ];
}

function forbidden({ workflowId }: Workflow, moves: ListAllowedTransitionsResponse | undefined): readonly Finding[] {
  const transitions = moves?.transitions ?? [];
  if (transitions.length === 0 || transitions.some(({ allowed }) => allowed)) return [];
  const rules = [...new Set(transitions.flatMap(({ violations }) => violations.map(({ ruleId }) => ruleId)))].join(", ");
  return [
    {
      what: `every move that leads on is forbidden${rules === "" ? "" : ` by ${rules}`}`,
      help: [`concord workflow moves ${workflowId}`, `concord rule explain ${workflowId} STATE shows the parts of each rule`],
    },
  ];
}
