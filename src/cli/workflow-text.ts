import { InvalidArgumentError } from "commander";
import type { Enlistment } from "../gen/concord/commit/v1/transaction.ts";
import { Workflow, type WorkflowDeadline, WorkflowEvent, type WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import { type WorkflowState as StateName, workflowStates } from "../kernel/lifecycle.ts";
import { enumText, fieldLines, jsonText, type OutputFormat, print, printAside, timeText, whoText } from "./output.ts";

export const workflowType = "concord.workflow.v1.Workflow";

export function printWorkflow(format: OutputFormat, workflow: Workflow | undefined): void {
  if (workflow === undefined) throw new Error("the server answered without a workflow");
  if (format !== "table") {
    print(jsonText(workflowType, Workflow, workflow));
    return;
  }
  print(
    fieldLines([
      ["workflow", workflow.workflowId],
      ["type", typeText(workflow.type)],
      ["state", stateText(workflow.state)],
      ["since", timeText(workflow.stateEnteredAt)],
      ["previous", stateText(workflow.previousState)],
      ["version", String(workflow.version)],
      ["created", changeText(workflow.createdAt, workflow.createdBy)],
      ["updated", changeText(workflow.updatedAt, workflow.updatedBy)],
      ["held by", holdText(workflow)],
      ["deadline", deadlineText(workflow.deadline)],
      ["retries", retriesText(workflow)],
      ["metadata", JSON.stringify(workflow.metadata ?? {})],
    ]),
  );
}

/** Beside the answer, which stays what a program expects. */
export function printWarnings({ warnings, warningsOmitted }: WorkflowEvent = WorkflowEvent.create()): void {
  for (const { ruleId, ruleVersion, message } of warnings) printAside(`warning: ${ruleId} (version ${ruleVersion}): ${message}`);
  if (warningsOmitted > 0) printAside(`warning: and ${warningsOmitted} more`);
}

export const eventHead = ["sequence", "time", "workflow", "workflow type", "type", "from", "to", "version", "by", "reason"];

export function eventRow(event: WorkflowEvent): string[] {
  return [
    String(event.sequence),
    timeText(event.occurredAt),
    event.workflowId,
    typeText(event.workflowType),
    `${enumText("WORKFLOW_EVENT_TYPE_", event.type)}${event.warnings.length > 0 ? " (warned)" : ""}`,
    stateText(event.fromState),
    stateText(event.toState),
    String(event.version),
    whoText(event),
    event.reason,
  ];
}

export const typeText = (type: string): string => (type === "" ? "-" : type);

const changeText = (time: Date | undefined, by: string): string => `${timeText(time)}${by === "" ? "" : ` by ${by}`}`;

export function stateText(state: WorkflowState): string {
  return enumText("WORKFLOW_STATE_", state);
}

export function holdText({ inTransition }: Workflow): string {
  if (inTransition === undefined) return "-";
  return `${inTransition.transactionId} (to ${stateText(inTransition.targetState)})`;
}

export function deadlineText(deadline: WorkflowDeadline | undefined): string {
  return deadline === undefined ? "-" : `${timeText(deadline.at)} (to ${stateText(deadline.targetState)})`;
}

const retriesText = ({ retryCount, recoverableAt }: Workflow): string =>
  `${retryCount}${recoverableAt === undefined ? "" : `, recoverable from ${timeText(recoverableAt)} on`}`;

export function stateArgument(text: string): StateName {
  const state = workflowStates.find((name) => name === text.toUpperCase());
  if (state === undefined) throw new InvalidArgumentError(`It must be one of ${workflowStates.join(", ")}.`);
  return state;
}

/** `inventory=take 2` as an enlistment with that text as its payload. */
export function enlistArgument(text: string): Enlistment {
  const split = text.indexOf("=");
  const participantId = split === -1 ? text : text.slice(0, split);
  return { participantId, payload: Buffer.from(split === -1 ? "" : text.slice(split + 1)) };
}
