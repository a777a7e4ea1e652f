import { Command } from "commander";
import { WaitForWorkflowResponse } from "../gen/concord/workflow/v1/wait.ts";
import { WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowState as StateName } from "../kernel/lifecycle.ts";
import { durationToWire } from "../rpc/duration.ts";
import { waitMsMax } from "../workflow/wait.ts";
import { collect, integerArgument } from "./arguments.ts";
import { addClientOptions, type ClientOptions, withClients } from "./client.ts";
import { CommandError } from "./failure.ts";
import { jsonText, print } from "./output.ts";
import { printWorkflow, stateArgument, stateText } from "./workflow-text.ts";

/** Beside what the server waits: an answer has a way to go. */
const graceMs = 5_000;

type Options = ClientOptions & { readonly state?: readonly StateName[]; readonly minVersion?: number };

export function waitCommand(): Command {
  const command = new Command("wait")
    .description(
      "wait until a workflow is in a state or at a version; without either, until it has ended. Exit code 1 if it does not come to it",
    )
    .argument("<id>")
    .option("--state <state>", "wait for this state; may be repeated, for any of them", collect(stateArgument))
    .option("--min-version <n>", "wait for this version, or a later one", integerArgument(1, Number.MAX_SAFE_INTEGER));
  return addClientOptions(command).action((workflowId: string, options: Options) =>
    withClients(options, async ({ workflows }) => {
      const wanted = {
        workflowId,
        states: (options.state ?? []).map((state) => WorkflowState[state]),
        minVersion: options.minVersion === undefined ? undefined : BigInt(options.minVersion),
      };
      const endsAtMs = performance.now() + options.timeout;
      for (;;) {
        const leftMs = Math.max(0, endsAtMs - performance.now());
        const waitMs = Math.min(leftMs, waitMsMax);
        const answer = await workflows.waitForWorkflow(
          { ...wanted, timeout: durationToWire(waitMs) },
          { deadline: waitMs + graceMs },
        );
        if (!answer.reached && !hasEnded(answer) && waitMs < leftMs) continue;
        printAnswer(options, answer);
        return;
      }
    }),
  );
}

/** Nothing more happens then. */
const hasEnded = ({ workflow }: WaitForWorkflowResponse): boolean =>
  workflow?.state === WorkflowState.COMPLETED || workflow?.state === WorkflowState.CANCELLED;

function printAnswer({ output }: Options, answer: WaitForWorkflowResponse): void {
  const { workflow, reached } = answer;
  if (output !== "table") print(jsonText("concord.workflow.v1.WaitForWorkflowResponse", WaitForWorkflowResponse, answer));
  else printWorkflow(output, workflow);
  if (!reached && workflow !== undefined)
    throw new CommandError(
      `${workflow.workflowId} is ${stateText(workflow.state)} at version ${workflow.version}, which was not waited for`,
    );
}
