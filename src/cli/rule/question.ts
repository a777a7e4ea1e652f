import type { Command } from "commander";
import type { TransitionCheck } from "../../gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { WorkflowState as StateName } from "../../kernel/lifecycle.ts";
import { mergePatch } from "../../kernel/merge-patch.ts";
import { jsonArgument } from "../arguments.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Clients, type Mutation } from "../client.ts";
import { UsageError } from "../failure.ts";
import { stateArgument } from "../workflow-text.ts";
import { revisionArgument } from "./fields.ts";
import { lastEventOf } from "./last-event.ts";

export type QuestionOptions = ClientOptions &
  Mutation & { readonly context?: JsonObject; readonly update?: JsonObject; readonly as: string; readonly minRevision: number };

/** Of a command that asks about a move, or an update, without making it. */
export function addQuestionOptions(command: Command): Command {
  command
    .argument("<workflow>")
    .argument("[state]", "the state to move to", stateArgument)
    .option(
      "--update <json>",
      "instead of a move: the patch of its metadata (JSON merge patch; null removes a key)",
      jsonArgument,
    )
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument)
    .option(
      "--as <principal>",
      "as if that one had proved to ask, whatever --by says: what rules see as request.authenticated_as",
      "",
    )
    .option("--min-revision <n>", "by the rule set of this revision or a newer one", revisionArgument, 0);
  return addClientOptions(addMutationOptions(command, "checked by hand"));
}

/** As the workflow manager would ask it now. */
export async function questionOf(
  { workflows }: Clients,
  workflowId: string,
  state: StateName | undefined,
  { reason, by: requestedBy, as: authenticatedAs, context, update, timeout: deadline }: QuestionOptions,
): Promise<Parameters<typeof TransitionCheck.fromPartial>[0]> {
  if ((state === undefined) === (update === undefined)) throw new UsageError("give a state to move to, or --update");
  const { workflow } = await workflows.getWorkflow({ workflowId }, { deadline });
  const lastEvent = await lastEventOf(workflows, workflow, deadline);
  const asked = { workflow, lastEvent, reason, requestedBy, authenticatedAs, context };
  if (state !== undefined) return { ...asked, targetState: WorkflowState[state] };
  const proposedMetadata = mergePatch((workflow?.metadata ?? {}) as JsonObject, update ?? {});
  return { ...asked, targetState: workflow?.state ?? WorkflowState.UNSPECIFIED, proposedMetadata };
}
