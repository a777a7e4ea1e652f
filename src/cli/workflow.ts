import { Argument, Command, InvalidArgumentError } from "commander";
import type { Enlistment, Outcome } from "../gen/concord/commit/v1/transaction.ts";
import { Workflow, WorkflowEvent, WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import { GetSystemStatsResponse, IfExists, WatchPosition } from "../gen/concord/workflow/v1/workflow_service.ts";
import type { WorkflowState as StateName } from "../kernel/lifecycle.ts";
import { durationToWire } from "../rpc/duration.ts";
import { collect, durationArgument, integerArgument, jsonArgument, limitArgument, outcomeArgument } from "./arguments.ts";
import {
  addClientOptions,
  addMutationOptions,
  addOperatorOptions,
  addShowOptions,
  type ClientOptions,
  type Mutation,
  printMore,
  readPages,
  untilInterrupted,
  waitingDeadline,
  withChange,
  withClients,
} from "./client.ts";
import { fieldLines, jsonText, print, printAside, tableLines, timeText } from "./output.ts";
import { begunInTime } from "./stream.ts";
import { batchCommand } from "./workflow-batch.ts";
import { bulkCommand } from "./workflow-bulk.ts";
import { countCommand, printScan } from "./workflow-count.ts";
import { addDeadlineOption, type DeadlineOption, deadlineCommand } from "./workflow-deadline.ts";
import { exportCommand } from "./workflow-export.ts";
import { movesCommand } from "./workflow-moves.ts";
import { purgeCommand } from "./workflow-purge.ts";
import {
  deadlineText,
  enlistArgument,
  eventHead,
  eventRow,
  holdText,
  printWarnings,
  printWorkflow,
  stateArgument,
  stateText,
  typeText,
  workflowType,
} from "./workflow-text.ts";
import { updateCommand } from "./workflow-update.ts";
import { waitCommand } from "./workflow-wait.ts";

const eventType = "concord.workflow.v1.WorkflowEvent";

/** What participants have for their votes after they are connected, and something for the way. */
const voteMsMax = 11_000;

const versionArgument = integerArgument(1, Number.MAX_SAFE_INTEGER);

export function workflowCommand(): Command {
  const command = new Command("workflow").description("create, move and look at workflows");
  command.addCommand(createCommand());
  command.addCommand(getCommand());
  command.addCommand(listCommand());
  command.addCommand(countCommand());
  command.addCommand(movesCommand());
  command.addCommand(transitionCommand());
  command.addCommand(updateCommand());
  command.addCommand(batchCommand());
  command.addCommand(bulkCommand());
  command.addCommand(recoverCommand());
  command.addCommand(deadlineCommand());
  command.addCommand(waitCommand());
  command.addCommand(resolveCommand());
  command.addCommand(eventsCommand());
  command.addCommand(watchCommand());
  command.addCommand(exportCommand());
  command.addCommand(purgeCommand());
  command.addCommand(statsCommand());
  return command;
}

function createCommand(): Command {
  const command = new Command("create")
    .description("create a workflow")
    .argument("[id]", "its id; left out, the server makes one", "")
    .option("--type <name>", "what kind of work it is, such as sample; never changed", "")
    .option("--metadata <json>", "a JSON object to keep with it", jsonArgument)
    .option("--start", "start it in the same change: it is ACTIVE, or nothing happens")
    .option(
      "--if-exists <what>",
      "if there is one with this id: fail, or return it if it is the same",
      ifExistsArgument,
      IfExists.FAIL,
    );
  addDeadlineOption(command);
  type Options = ClientOptions &
    Mutation &
    DeadlineOption & {
      readonly type: string;
      readonly metadata?: { readonly [key: string]: unknown };
      readonly start?: true;
      readonly ifExists: IfExists;
    };
  return addClientOptions(addMutationOptions(command, "created by hand")).action((workflowId: string, options: Options) =>
    withChange(options, workflowId === "" ? [] : [lookAt(workflowId)], async ({ workflows }, { requestId, call }) => {
      const { type, reason, by: requestedBy, metadata, ifExists, deadline } = options;
      const initialState = options.start === true ? WorkflowState.ACTIVE : WorkflowState.CREATED;
      const request = { workflowId, type, metadata, initialState, ifExists, deadline, reason, requestedBy, requestId };
      const { workflow, event, alreadyExisted } = await workflows.createWorkflow(request, call);
      printWorkflow(options.output, workflow);
      if (alreadyExisted) printAside("it existed already, and is the same; nothing was changed");
      else printWarnings(event);
    }),
  );
}

function ifExistsArgument(text: string): IfExists {
  if (text === "fail") return IfExists.FAIL;
  if (text === "return") return IfExists.RETURN;
  throw new InvalidArgumentError("It must be fail or return.");
}

function getCommand(): Command {
  const command = new Command("get").description("show a workflow").argument("<id>");
  return addShowOptions(command).action((workflowId: string, options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const { workflow } = await workflows.getWorkflow({ workflowId }, { deadline: options.timeout });
      printWorkflow(options.output, workflow);
    }),
  );
}

function listCommand(): Command {
  const command = new Command("list")
    .description("list workflows")
    .option("--filter <cel>", `a condition, such as 'workflow.state == "FAILED"'`, "")
    .option("--sort <field>", "id, created_at, updated_at or version; 'updated_at desc' has what changed last first", "id")
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  type Options = ClientOptions & { readonly filter: string; readonly sort: string; readonly limit: number };
  return addShowOptions(command).action((options: Options) =>
    withClients(options, async ({ workflows }) => {
      const unindexed = new Set<string>();
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const request = { ...page, filter: options.filter, orderBy: options.sort };
        const answer = await workflows.listWorkflows(request, { deadline: options.timeout });
        for (const field of answer.unindexed) unindexed.add(field);
        return [answer.workflows, answer.nextPageToken];
      });
      printScan(unindexed);
      if (options.output !== "table") {
        for (const workflow of found) print(jsonText(workflowType, Workflow, workflow));
        return;
      }
      const rows = found.map((workflow) => [
        workflow.workflowId,
        typeText(workflow.type),
        stateText(workflow.state),
        String(workflow.version),
        timeText(workflow.updatedAt),
        deadlineText(workflow.deadline),
        holdText(workflow),
      ]);
      print(tableLines(["workflow", "type", "state", "version", "updated", "deadline", "held by"], rows));
      printMore(more, options.limit);
    }),
  );
}

function transitionCommand(): Command {
  const command = new Command("transition")
    .description("move a workflow to another state")
    .argument("<id>")
    .addArgument(new Argument("<state>", "the state to move to").argParser(stateArgument))
    .option("--expected-version <n>", "move only if it is at this version", versionArgument)
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument)
    .option("--metadata <json>", "a JSON object to keep in the event", jsonArgument)
    .option("--enlist <participant=payload>", "commit together with this work; may be repeated", collect(enlistArgument))
    .option("--wait <duration>", "with --enlist: wait this long for participants that are not connected", durationArgument);
  addDeadlineOption(command);
  type Options = ClientOptions &
    Mutation &
    DeadlineOption & {
      readonly expectedVersion?: number;
      readonly context?: { readonly [key: string]: unknown };
      readonly metadata?: { readonly [key: string]: unknown };
      readonly enlist?: readonly Enlistment[];
      readonly wait?: number;
    };
  return addClientOptions(addMutationOptions(command, "moved by hand")).action(
    (workflowId: string, state: StateName, options: Options, command: Command) =>
      withChange(options, [lookAt(workflowId)], async ({ workflows }, { requestId, call }) => {
        const request = {
          workflowId,
          targetState: WorkflowState[state],
          expectedVersion: options.expectedVersion === undefined ? undefined : BigInt(options.expectedVersion),
          reason: options.reason,
          requestedBy: options.by,
          context: options.context,
          requestId,
          enlist: options.enlist ?? [],
          waitForParticipants: options.wait === undefined ? undefined : durationToWire(options.wait),
          eventMetadata: options.metadata,
          deadline: options.deadline,
        };
        const deadline = waitingDeadline(command, options, (options.wait ?? 0) + voteMsMax);
        const { workflow, event } = await workflows.transitionWorkflow(request, { ...call, deadline });
        printWorkflow(options.output, workflow);
        printWarnings(event);
      }),
  );
}

function recoverCommand(): Command {
  const command = new Command("recover")
    .description("bring a FAILED workflow back to ACTIVE")
    .argument("<id>")
    .option("--expected-version <n>", "recover only if it is at this version", versionArgument);
  addDeadlineOption(command);
  type Options = ClientOptions & Mutation & DeadlineOption & { readonly expectedVersion?: number };
  return addClientOptions(addMutationOptions(command, "recovered by hand")).action((workflowId: string, options: Options) =>
    withChange(options, [lookAt(workflowId)], async ({ workflows }, { requestId, call }) => {
      const request = {
        workflowId,
        expectedVersion: options.expectedVersion === undefined ? undefined : BigInt(options.expectedVersion),
        reason: options.reason,
        requestedBy: options.by,
        requestId,
        deadline: options.deadline,
      };
      const { workflow, event } = await workflows.recoverWorkflow(request, call);
      printWorkflow(options.output, workflow);
      printWarnings(event);
    }),
  );
}

function resolveCommand(): Command {
  const command = new Command("resolve")
    .description("end a transaction's hold by your word, when its coordinator is gone for good")
    .argument("<id>")
    .addArgument(outcomeArgument())
    .requiredOption("--transaction <id>", "the transaction that holds it");
  type Options = ClientOptions & Mutation & { readonly transaction: string };
  return addClientOptions(addOperatorOptions(command, "kept in the server's log")).action(
    (workflowId: string, outcome: Outcome, options: Options) =>
      withChange(options, [lookAt(workflowId)], async ({ workflows }, { requestId, call }) => {
        const { transaction: transactionId, reason, by: requestedBy } = options;
        const request = { workflowId, transactionId, outcome, reason, requestedBy, requestId };
        printWorkflow(options.output, (await workflows.resolveTransition(request, call)).workflow);
      }),
  );
}

const lookAt = (workflowId: string): string => `concord workflow get ${workflowId}`;

function eventsCommand(): Command {
  const command = new Command("events")
    .description("list what happened, oldest first")
    .argument("[id]", "only to this workflow", "")
    .option("--filter <cel>", `a condition, such as 'event.type == "FAILED"'`, "")
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  type Options = ClientOptions & { readonly filter: string; readonly limit: number };
  return addShowOptions(command).action((workflowId: string, options: Options) =>
    withClients(options, async ({ workflows }) => {
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const request = { ...page, workflowId, filter: options.filter };
        const answer = await workflows.listWorkflowEvents(request, { deadline: options.timeout });
        return [answer.events, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const event of found) print(jsonText(eventType, WorkflowEvent, event));
        return;
      }
      print(tableLines(eventHead, found.map(eventRow)));
      printMore(more, options.limit);
    }),
  );
}

function watchCommand(): Command {
  const command = new Command("watch")
    .description("print events as they happen, until interrupted")
    .argument("[id]", "only of this workflow", "")
    .option("--after <sequence>", "begin after this sequence", integerArgument(0, Number.MAX_SAFE_INTEGER))
    .option("--from-oldest", "begin with the oldest event that is kept")
    .option("--filter <cel>", `a condition, such as 'event.type == "FAILED"'`, "");
  type Options = ClientOptions & { readonly after?: number; readonly fromOldest?: true; readonly filter: string };
  return addClientOptions(command).action((workflowId: string, options: Options) =>
    withClients(options, async ({ workflows }) => {
      const position = options.fromOldest === true ? WatchPosition.OLDEST_AVAILABLE : WatchPosition.NOW;
      const start =
        options.after === undefined
          ? ({ $case: "position", value: position } as const)
          : ({ $case: "afterSequence", value: BigInt(options.after) } as const);
      const request = { workflowId, start, filter: options.filter };
      const messages = begunInTime((call) => workflows.watchWorkflowEvents(request, call), options.timeout, untilInterrupted());
      for await (const { body } of messages) {
        if (body?.$case !== "event") continue;
        print(options.output !== "table" ? jsonText(eventType, WorkflowEvent, body.value) : eventRow(body.value).join("  "));
      }
    }),
  );
}

function statsCommand(): Command {
  const command = new Command("stats").description("count what is in the store");
  return addShowOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const stats = await workflows.getSystemStats({}, { deadline: options.timeout });
      if (options.output !== "table") {
        print(jsonText("concord.workflow.v1.GetSystemStatsResponse", GetSystemStatsResponse, stats));
        return;
      }
      print(
        fieldLines([
          ["workflows", `${stats.totalWorkflows} of at most ${stats.workflowLimit}`],
          ...stats.workflowsByState.map(({ state, count }) => [`  ${stateText(state)}`, String(count)] as const),
          ...stats.workflowsByType
            .filter(({ type }) => type !== "")
            .map(({ type, state, count }) => [`  ${type}, ${stateText(state)}`, String(count)] as const),
          ["in transition", String(stats.inTransition)],
          ["recoveries in progress", String(stats.recoveriesInProgress)],
          ["events", eventsText(stats)],
        ]),
      );
    }),
  );
}

function eventsText({ totalEvents, keptEvents, oldestSequence }: GetSystemStatsResponse): string {
  if (keptEvents === totalEvents) return String(totalEvents);
  return `${totalEvents}, of which ${keptEvents} are kept; none is missing from ${oldestSequence} on`;
}
