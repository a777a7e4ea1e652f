import type { Workflow } from "../../gen/concord/workflow/v1/workflow.ts";
import { WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import type { ListAllowedTransitionsResponse } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { enumText, timeText } from "../output.ts";
import { coordinatorIsSilent, managerIsSilent, type Silence } from "./ask.ts";
import { type Finding, see } from "./finding.ts";

export type Known = {
  /** Undefined: that was not answered. */
  readonly moves: ListAllowedTransitionsResponse | undefined;
  /** Defined if the coordinator has not answered. */
  readonly coordinator: Silence | undefined;
  readonly nowMs: number;
};

/** What keeps a workflow from going on. Of one that is held, its transaction tells more. */
export function workflowFindings(workflow: Workflow, { moves, coordinator, nowMs }: Known): readonly Finding[] {
  return [
    ...held(workflow, coordinator),
    ...failed(workflow, nowMs),
    ...overdue(workflow, nowMs),
    ...forbidden(workflow, moves),
    ...(coordinator !== undefined && workflow.inTransition === undefined ? [alone(coordinator)] : []),
  ];
}

function held({ inTransition }: Workflow, coordinator: Silence | undefined): readonly Finding[] {
  if (inTransition === undefined) return [];
  const { transactionId, preparedAt, targetState } = inTransition;
  const target = enumText("WORKFLOW_STATE_", targetState);
  if (coordinator !== undefined)
    return [heldInSilence(`${transactionId} (to ${target}) since ${timeText(preparedAt)}`, coordinator)];
  return [
    {
      what: `transaction ${transactionId} holds it since ${timeText(preparedAt)}, on its way to ${target}; nothing else can happen before that ends`,
      help: [`concord diagnose ${transactionId}`],
    },
  ];
}

const heldInSilence = (hold: string, { address, why }: Silence): Finding => ({
  what: `it is held by transaction ${hold}; its coordinator at ${address} does not answer (${why}), and nobody else ends the hold`,
  help: [
    "start it, with its own log: the hold ends as it was decided",
    "if it hangs, end it first (kill -9 is safe), or replace it",
    see("operations.md", "Replacing a coordinator that hangs"),
    "if its log is lost for good",
    see("two-phase-commit.md", "A workflow whose coordinator is gone"),
  ],
});

/** Of one that is not held. */
const alone = (silence: Silence): Finding => ({
  what: `no move is made together with others, and whether a transaction has this id, too, is not known: ${coordinatorIsSilent(silence)}`,
  help: ["start it, with its own log", see("operations.md", "Health")],
});

/** Of a hold whose coordinator has answered once, and then does not say which one it is. */
export const endUnknown = (address: string, why: string): Finding => ({
  what: `whether the coordinator at ${address} ends the hold is not known: ${why}`,
  help: ["concord status", see("two-phase-commit.md", "Stuck in doubt")],
});

export const rulesSilent = (address: string): Finding => ({
  what: `the rules at ${address} do not answer; until they do, nothing moves`,
  help: [`start PredicateLogic there, with its own store; concord status --also ${address}`, see("operations.md", "Health")],
});

export const movesUntold = (silence: Silence): Finding => ({
  what: `which moves are allowed is not known: ${managerIsSilent(silence)}`,
  help: ["concord status", see("operations.md", "Health")],
});

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
