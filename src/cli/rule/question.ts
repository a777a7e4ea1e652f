import type { Command } from "commander";
import type { TransitionCheck } from "../../gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowState as StateName } from "../../kernel/lifecycle.ts";
import {
  addClientOptions,
  addMutationOptions,
  type ClientOptions,
  type Clients,
  jsonArgument,
  type Mutation,
} from "../client.ts";
import { stateArgument } from "../workflow-text.ts";
import { revisionArgument } from "./fields.ts";
import { lastEventOf } from "./last-event.ts";

export type QuestionOptions = ClientOptions &
  Mutation & { readonly context?: { readonly [key: string]: unknown }; readonly minRevision: number };

/** Of a command that asks about a move without making it. */
export function addQuestionOptions(command: Command): Command {
  command
    .argument("<workflow>")
    .argument("<state>", "the state to move to", stateArgument)
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument)
    .option("--min-revision <n>", "by the rule set of this revision or a newer one", revisionArgument, 0);
  return addClientOptions(addMutationOptions(command, "checked by hand"));
}

/** As the workflow manager would ask it now. */
export async function questionOf(
  { workflows }: Clients,
  workflowId: string,
  state: StateName,
  { reason, by: requestedBy, context, timeout: deadline }: QuestionOptions,
): Promise<Parameters<typeof TransitionCheck.fromPartial>[0]> {
  const { workflow } = await workflows.getWorkflow({ workflowId }, { deadline });
  const lastEvent = await lastEventOf(workflows, workflow, deadline);
  return { workflow, lastEvent, targetState: WorkflowState[state], reason, requestedBy, context };
}
