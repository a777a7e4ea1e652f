import { Command } from "commander";
import {
  ListAllowedTransitionsResponse,
  type PossibleTransition,
  type RuleFinding,
} from "../gen/concord/workflow/v1/workflow_service.ts";
import { jsonArgument } from "./arguments.ts";
import { addMutationOptions, addShowOptions, type ClientOptions, type Mutation, withClients } from "./client.ts";
import { enumText, jsonText, print } from "./output.ts";

type Options = ClientOptions & Pick<Mutation, "reason" | "by"> & { readonly context?: { readonly [key: string]: unknown } };

export function movesCommand(): Command {
  const command = new Command("moves")
    .description("say what a workflow may do next, and what not, and why; nothing is moved")
    .argument("<id>")
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument);
  return addShowOptions(addMutationOptions(command, "looked at by hand")).action((workflowId: string, options: Options) =>
    withClients(options, async ({ workflows }) => {
      const { reason, by: requestedBy, context } = options;
      const request = { workflowId, reason, requestedBy, context };
      const answer = await workflows.listAllowedTransitions(request, { deadline: options.timeout });
      if (options.output !== "table") {
        print(jsonText("concord.workflow.v1.ListAllowedTransitionsResponse", ListAllowedTransitionsResponse, answer));
      } else print(movesLines(answer));
    }),
  );
}

export function movesLines(answer: ListAllowedTransitionsResponse): readonly string[] {
  const { workflowId, version, inTransition, transitions, ruleSetRevision } = answer;
  const state = enumText("WORKFLOW_STATE_", answer.state);
  const is = `${workflowId} is ${state} (version ${version})`;
  if (inTransition !== undefined) {
    const target = enumText("WORKFLOW_STATE_", inTransition.targetState);
    return [
      `${is}, and held by transaction ${inTransition.transactionId} on its way to ${target}: nothing else can happen before`,
    ];
  }
  if (transitions.length === 0) return [`${is}: no move leads out of that state`];
  return [`${is}; by rule set revision ${ruleSetRevision} it can go to`, ...transitions.flatMap(moveLines)];
}

function moveLines(move: PossibleTransition): readonly string[] {
  const target = enumText("WORKFLOW_STATE_", move.targetState);
  return [
    `  ${target}: ${move.allowed ? "yes" : "no"}`,
    ...(move.refusal === "" ? [] : [`    refused by the policy of its type: ${move.refusal}`]),
    ...move.violations.map((each) => findingLine("denied by", each)),
    ...(move.violationsOmitted > 0 ? [`    and denied by ${move.violationsOmitted} more`] : []),
    ...move.warnings.map((each) => findingLine("warned by", each)),
    ...(move.warningsOmitted > 0 ? [`    and warned by ${move.warningsOmitted} more`] : []),
  ];
}

const findingLine = (verb: string, { ruleId, ruleVersion, message }: RuleFinding): string =>
  `    ${verb} ${ruleId} (version ${ruleVersion}): ${message}`;
