import { Argument, Command, InvalidArgumentError } from "commander";
import type { Deadline, DeepPartial } from "../gen/concord/workflow/v1/deadline.ts";
import { WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import { type WorkflowState as StateName, workflowStates } from "../kernel/lifecycle.ts";
import { durationToWire } from "../rpc/duration.ts";
import { durationWords, integerArgument, wireDurationMs } from "./arguments.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Mutation, withChange } from "./client.ts";
import { addExamples } from "./rule/help.ts";
import { printWorkflow, stateArgument } from "./workflow-text.ts";

export function deadlineCommand(): Command {
  const command = new Command("deadline").description(
    "the move that a workflow makes by itself if it is still in its state then",
  );
  command.addCommand(setCommand());
  command.addCommand(cancelCommand());
  return command;
}

type Options = ClientOptions & Mutation & { readonly expectedVersion?: number };

function setCommand(): Command {
  const command = new Command("set")
    .description("set the deadline of the state that a workflow is in, or change it")
    .argument("<id>")
    .addArgument(new Argument("<state>", "the state to move to then").argParser(stateArgument))
    .addArgument(new Argument("<when>", "a duration from now on, or a time such as 2026-01-31T09:30:00Z").argParser(dueArgument))
    .option("--move-reason <text>", "the reason of that move", passed)
    .option("--expected-version <n>", "only if it is at this version", versionArgument);
  addExamples(command, [
    "concord workflow deadline set sample-1 FAILED 2h",
    "concord workflow deadline set sample-1 CANCELLED 2027-01-01T00:00:00Z --move-reason 'out of date'",
  ]);
  return addClientOptions(addMutationOptions(command, "set by hand")).action(
    (workflowId: string, state: StateName, due: Deadline["due"], options: Options & { readonly moveReason: string }) =>
      setDeadline(workflowId, { due, targetState: WorkflowState[state], reason: options.moveReason }, options),
  );
}

function cancelCommand(): Command {
  const command = new Command("cancel")
    .description("cancel the deadline of the state that a workflow is in")
    .argument("<id>")
    .option("--expected-version <n>", "only if it is at this version", versionArgument);
  addExamples(command, [
    "concord workflow deadline cancel sample-1",
    "concord workflow deadline cancel sample-1 --expected-version 3",
  ]);
  return addClientOptions(addMutationOptions(command, "cancelled by hand")).action((workflowId: string, options: Options) =>
    setDeadline(workflowId, undefined, options),
  );
}

const setDeadline = (workflowId: string, deadline: DeepPartial<Deadline> | undefined, options: Options): Promise<void> =>
  withChange(options, [`concord workflow get ${workflowId}`], async ({ workflows }, { requestId, call }) => {
    const { reason, by: requestedBy, expectedVersion: version } = options;
    const expectedVersion = version === undefined ? undefined : BigInt(version);
    const request = { workflowId, deadline, expectedVersion, reason, requestedBy, requestId };
    printWorkflow(options.output, (await workflows.setWorkflowDeadline(request, call)).workflow);
  });

const versionArgument = integerArgument(1, Number.MAX_SAFE_INTEGER);

const passed = "its deadline has passed";

/** An option of the commands that bring a workflow into a state. */
export const addDeadlineOption = (command: Command): Command =>
  command.option(
    "--deadline <state@when>",
    "what it does if it is still there then, such as FAILED@2h or CANCELLED@2027-01-01T00:00:00Z",
    deadlineArgument,
  );

export type DeadlineOption = { readonly deadline?: Deadline };

export function deadlineArgument(text: string): Deadline {
  const [, state = "", when] = /^([^@]*)@(.*)$/s.exec(text) ?? [];
  const targetState = workflowStates.find((name) => name === state.toUpperCase());
  if (targetState === undefined || when === undefined) {
    throw new InvalidArgumentError(
      "It must be a state and when to move to it, such as FAILED@2h or CANCELLED@2027-01-01T00:00:00Z.",
    );
  }
  return { due: dueArgument(when), targetState: WorkflowState[targetState], reason: passed };
}

function dueArgument(text: string): Deadline["due"] {
  const ms = wireDurationMs(text);
  if (ms !== undefined) return { $case: "after", value: durationToWire(ms) };
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(time.getTime())) return { $case: "at", value: time };
  throw new InvalidArgumentError(`It must be ${durationWords}, or a time such as 2026-01-31T09:30:00Z.`);
}
