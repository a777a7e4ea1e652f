import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import { type BulkAction, BulkOperation, BulkOperationState, BulkResult } from "../gen/concord/workflow/v1/bulk.ts";
import { WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowState as StateName } from "../kernel/lifecycle.ts";
import { bulkRateDefault, bulkRateMax } from "../workflow/bulk-limits.ts";
import { integerArgument, jsonArgument, limitArgument } from "./arguments.ts";
import {
  addClientOptions,
  addMutationOptions,
  addOperatorOptions,
  addShowOptions,
  type ClientOptions,
  type Clients,
  type Mutation,
  printMore,
  readPages,
  untilInterrupted,
  withChange,
  withClients,
} from "./client.ts";
import { UsageError } from "./failure.ts";
import { enumText, fieldLines, jsonText, type OutputFormat, print, printAside, tableLines, timeText, whoText } from "./output.ts";
import { stateArgument } from "./workflow-text.ts";

const operationType = "concord.workflow.v1.BulkOperation";
const resultType = "concord.workflow.v1.BulkResult";

/** How often is looked how far it has come. */
const lookMs = 500;

export function bulkCommand(): Command {
  const command = new Command("bulk").description("act on all workflows that a filter finds, as an operation of its own");
  command.addCommand(startCommand());
  command.addCommand(listCommand());
  command.addCommand(getCommand());
  command.addCommand(resultsCommand());
  command.addCommand(changeCommand("pause", "let an operation do nothing until it is resumed", "pauseBulkOperation"));
  command.addCommand(changeCommand("resume", "go on with an operation that is paused", "resumeBulkOperation"));
  command.addCommand(changeCommand("cancel", "end an operation; what it has done stays done", "cancelBulkOperation"));
  return command;
}

function startCommand(): Command {
  const command = new Command("start")
    .description("start an operation; it goes on by itself, also after a restart of the server")
    .requiredOption("--filter <cel>", `which workflows, such as 'workflow.state == "FAILED" && workflow.type == "sample"'`)
    .addOption(new Option("--to <state>", "move each to this state").argParser(stateArgument).conflicts("recover"))
    .option("--recover", "bring each that is FAILED back to ACTIVE")
    .addOption(
      new Option("--patch <json>", "change the metadata of each by this JSON merge patch")
        .argParser(jsonArgument)
        .conflicts(["to", "recover"]),
    )
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument)
    .option("--metadata <json>", "a JSON object to keep in each event", jsonArgument)
    .option("--rate <n>", "at most so many workflows in a second", integerArgument(1, bulkRateMax), bulkRateDefault)
    .option("--dry-run", "judge each, and change nothing")
    .option("--wait", "show how it goes on until it has ended; exits with 1 if a workflow has refused");
  type Options = ClientOptions &
    Mutation & {
      readonly filter: string;
      readonly to?: StateName;
      readonly recover?: true;
      readonly patch?: { readonly [key: string]: unknown };
      readonly context?: { readonly [key: string]: unknown };
      readonly metadata?: { readonly [key: string]: unknown };
      readonly rate: number;
      readonly dryRun?: true;
      readonly wait?: true;
    };
  return addClientOptions(addMutationOptions(command, "started by hand")).action((options: Options) =>
    withChange(options, ["concord workflow bulk list"], async (clients, { requestId, call }) => {
      const request = {
        filter: options.filter,
        action: { action: actionOf(options) },
        dryRun: options.dryRun === true,
        ratePerSecond: options.rate,
        reason: options.reason,
        requestedBy: options.by,
        requestId,
      };
      const { operation } = await clients.workflows.startBulkOperation(request, call);
      if (options.wait !== true) return printOperation(options.output, operation);
      const ended = await untilEnded(clients, options, operation);
      printOperation(options.output, ended);
      if (ended.refusedCount > 0n) process.exitCode = 1;
    }),
  );
}

type Wanted = {
  readonly to?: StateName;
  readonly recover?: true;
  readonly patch?: { readonly [key: string]: unknown };
  readonly context?: { readonly [key: string]: unknown };
  readonly metadata?: { readonly [key: string]: unknown };
};

function actionOf({ to, recover, patch, context, metadata: eventMetadata }: Wanted) {
  const given = { context, eventMetadata };
  if (to !== undefined) return { $case: "transition", value: { targetState: WorkflowState[to], ...given } } as const;
  if (recover) return { $case: "recovery", value: given } as const;
  if (patch !== undefined) return { $case: "metadataUpdate", value: { metadataPatch: patch, ...given } } as const;
  throw new UsageError("say what to do: --to STATE, --recover or --patch JSON");
}

/** Interrupted, it leaves the operation as it is. */
async function untilEnded(
  { workflows }: Clients,
  { timeout, output }: ClientOptions,
  started: BulkOperation | undefined,
): Promise<BulkOperation> {
  const { bulkOperationId } = existing(started);
  const signal = untilInterrupted();
  let shown = "";
  for (;;) {
    const { operation } = await workflows.getBulkOperation({ bulkOperationId }, { deadline: timeout });
    const now = existing(operation);
    const text = progressText(now);
    if (output === "table" && text !== shown) printAside(text);
    shown = text;
    const isUnderWay = now.state === BulkOperationState.RUNNING || now.state === BulkOperationState.PAUSED;
    if (!isUnderWay || signal.aborted) return now;
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
}

function progressText({ state, doneCount, refusedCount, position, waitingFor }: BulkOperation): string {
  const told = `${enumText("BULK_OPERATION_STATE_", state)}: ${doneCount} done, ${refusedCount} refused`;
  return `${told}${position === "" ? "" : `, up to ${position}`}${waitingFor === "" ? "" : `; waits: ${waitingFor}`}`;
}

function listCommand(): Command {
  const command = new Command("list")
    .description("list the operations that are kept, the newest first")
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  return addShowOptions(command).action((options: ClientOptions & { readonly limit: number }) =>
    withClients(options, async ({ workflows }) => {
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const answer = await workflows.listBulkOperations(page, { deadline: options.timeout });
        return [answer.operations, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const operation of found) print(jsonText(operationType, BulkOperation, operation));
        return;
      }
      const rows = found.map((operation) => [
        operation.bulkOperationId,
        enumText("BULK_OPERATION_STATE_", operation.state),
        actionText(operation),
        String(operation.doneCount),
        String(operation.refusedCount),
        whoText(operation),
        operation.filter,
      ]);
      print(tableLines(["operation", "state", "action", "done", "refused", "by", "filter"], rows));
      printMore(more, options.limit);
    }),
  );
}

function getCommand(): Command {
  const command = new Command("get").description("show an operation, and how far it has come").argument("<operation>");
  return addShowOptions(command).action((bulkOperationId: string, options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const { operation } = await workflows.getBulkOperation({ bulkOperationId }, { deadline: options.timeout });
      printOperation(options.output, operation);
    }),
  );
}

function resultsCommand(): Command {
  const command = new Command("results")
    .description("say what became of each workflow, in the order of ids")
    .argument("<operation>")
    .option("--refused", "only those that were refused")
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  type Options = ClientOptions & { readonly refused?: true; readonly limit: number };
  return addShowOptions(command).action((bulkOperationId: string, options: Options) =>
    withClients(options, async ({ workflows }) => {
      const refusedOnly = options.refused === true;
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const request = { ...page, bulkOperationId, refusedOnly };
        const answer = await workflows.listBulkOperationResults(request, { deadline: options.timeout });
        return [answer.results, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const result of found) print(jsonText(resultType, BulkResult, result));
        return;
      }
      print(tableLines(["workflow", "result", "why not"], found.map(resultRow)));
      printMore(more, options.limit);
    }),
  );
}

function resultRow({ workflowId, result }: BulkResult): string[] {
  if (result?.$case === "failure") return [workflowId, result.value.reason, result.value.message];
  const sequence = result?.value ?? 0n;
  return [workflowId, sequence === 0n ? "would be done" : `done: event ${sequence}`, ""];
}

function changeCommand(
  name: string,
  description: string,
  verb: "pauseBulkOperation" | "resumeBulkOperation" | "cancelBulkOperation",
): Command {
  const command = new Command(name).description(description).argument("<operation>");
  return addClientOptions(addOperatorOptions(command, "kept in the server's log")).action(
    (bulkOperationId: string, options: ClientOptions & Mutation) =>
      withChange(options, [`concord workflow bulk get ${bulkOperationId}`], async ({ workflows }, { requestId, call }) => {
        const request = { bulkOperationId, reason: options.reason, requestedBy: options.by, requestId };
        printOperation(options.output, (await workflows[verb](request, call)).operation);
      }),
  );
}

function existing(operation: BulkOperation | undefined): BulkOperation {
  if (operation === undefined) throw new Error("the server answered without an operation");
  return operation;
}

function printOperation(format: OutputFormat, told: BulkOperation | undefined): void {
  const operation = existing(told);
  if (format !== "table") {
    print(jsonText(operationType, BulkOperation, operation));
    return;
  }
  print(
    fieldLines([
      ["operation", operation.bulkOperationId],
      ["filter", operation.filter],
      ["action", actionText(operation)],
      ["rate", `${operation.ratePerSecond} a second`],
      ["state", enumText("BULK_OPERATION_STATE_", operation.state)],
      ["since", timeText(operation.stateEnteredAt)],
      ["done", String(operation.doneCount)],
      ["refused", String(operation.refusedCount)],
      ["up to", operation.position === "" ? "-" : operation.position],
      ["waits for", operation.waitingFor === "" ? "-" : operation.waitingFor],
      ["started", `${timeText(operation.createdAt)} by ${whoText(operation)}`],
      ["reason", operation.reason],
    ]),
  );
}

function actionText({ action, dryRun }: BulkOperation): string {
  const wanted = action?.action;
  return dryRun ? `${textOf(wanted)} (dry run)` : textOf(wanted);
}

function textOf(action: BulkAction["action"]): string {
  switch (action?.$case) {
    case "transition":
      return `to ${enumText("WORKFLOW_STATE_", action.value.targetState)}`;
    case "metadataUpdate":
      return `patch ${JSON.stringify(action.value.metadataPatch ?? {})}`;
    default:
      return "recover";
  }
}
