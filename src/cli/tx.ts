import { Command } from "commander";
import { type Enlistment, Outcome, Transaction, type TransactionParticipant } from "../gen/concord/commit/v1/transaction.ts";
import { durationToWire } from "../rpc/duration.ts";
import {
  addClientOptions,
  type ClientOptions,
  collect,
  durationArgument,
  integerArgument,
  untilInterrupted,
  withClients,
} from "./client.ts";
import { enumText, fieldsText, jsonText, type OutputFormat, print, tableText, timeText } from "./output.ts";
import { addMutationOptions, enlistArgument, type Mutation } from "./workflow.ts";

const transactionType = "concord.commit.v1.Transaction";

export function txCommand(): Command {
  const command = new Command("tx").description("run and look at distributed transactions");
  command.addCommand(runCommand());
  command.addCommand(getCommand());
  command.addCommand(listCommand());
  command.addCommand(watchCommand());
  return command;
}

function runCommand(): Command {
  const command = new Command("run")
    .description("make the named participants commit together, or not at all")
    .argument("<participant=payload...>", "who takes part, and with what", collect(enlistArgument))
    .option("--prepare-timeout <duration>", "how long they have to vote", durationArgument, 10_000)
    .option("--wait <duration>", "wait this long for participants that are not connected", durationArgument, 0);
  type Options = ClientOptions & Mutation & { readonly prepareTimeout: number; readonly wait: number };
  return addClientOptions(addMutationOptions(command, "run by hand")).action(
    (participants: readonly Enlistment[], options: Options) =>
      withClients(options, async ({ commits }) => {
        const request = {
          participants,
          prepareTimeout: durationToWire(options.prepareTimeout),
          waitForParticipants: durationToWire(options.wait),
          requestId: options.requestId,
          reason: options.reason,
          requestedBy: options.by,
        };
        const deadline = Math.max(options.timeout, options.wait + options.prepareTimeout + 1_000);
        const { transaction } = await commits.executeTransaction(request, { deadline });
        // An abort is an answer, but a script wants to branch on it.
        if (transaction?.outcome !== Outcome.COMMITTED) process.exitCode = 1;
        printTransaction(options.output, transaction);
      }),
  );
}

function getCommand(): Command {
  const command = new Command("get").description("show a transaction").argument("<id>");
  return addClientOptions(command).action((transactionId: string, options: ClientOptions) =>
    withClients(options, async ({ commits }) => {
      const { transaction } = await commits.getTransaction({ transactionId }, { deadline: options.timeout });
      printTransaction(options.output, transaction);
    }),
  );
}

function listCommand(): Command {
  const command = new Command("list")
    .description("list transactions, newest first")
    .option("--filter <cel>", `a condition, such as 'transaction.in_doubt'`, "")
    .option("--limit <n>", "show at most this many", integerArgument, 50);
  return addClientOptions(command).action((options: ClientOptions & { readonly filter: string; readonly limit: number }) =>
    withClients(options, async ({ commits }) => {
      const found: Transaction[] = [];
      let pageToken = "";
      do {
        const page = { pageSize: options.limit - found.length, pageToken, filter: options.filter };
        const answer = await commits.listTransactions(page, { deadline: options.timeout });
        found.push(...answer.transactions);
        pageToken = answer.nextPageToken;
      } while (pageToken !== "" && found.length < options.limit);
      if (options.output === "json") {
        for (const transaction of found) print(jsonText(transactionType, Transaction, transaction));
        return;
      }
      const rows = found.map((transaction) => [
        transaction.transactionId,
        phaseText(transaction),
        outcomeText(transaction),
        timeText(transaction.createdAt),
        transaction.participants.map(({ participantId }) => participantId).join(" "),
        transaction.abortReason,
      ]);
      print(tableText(["transaction", "phase", "outcome", "created", "participants", "abort reason"], rows));
    }),
  );
}

function watchCommand(): Command {
  const command = new Command("watch")
    .description("print a transaction with each change, until it is completed")
    .argument("<id>");
  return addClientOptions(command).action((transactionId: string, options: ClientOptions) =>
    withClients(options, async ({ commits }) => {
      const signal = untilInterrupted();
      try {
        for await (const { transaction } of commits.watchTransaction({ transactionId }, { signal })) {
          if (transaction === undefined) continue;
          print(options.output === "json" ? jsonText(transactionType, Transaction, transaction) : progressText(transaction));
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }),
  );
}

export function printTransaction(format: OutputFormat, transaction: Transaction | undefined): void {
  if (transaction === undefined) throw new Error("the server answered without a transaction");
  if (format === "json") {
    print(jsonText(transactionType, Transaction, transaction));
    return;
  }
  print(
    fieldsText([
      ["transaction", transaction.transactionId],
      ["outcome", outcomeText(transaction)],
      ["phase", phaseText(transaction)],
      ...(transaction.abortReason === "" ? [] : [["aborted because", transaction.abortReason] as const]),
      ["created", timeText(transaction.createdAt)],
      ["decided", timeText(transaction.decidedAt)],
      ["completed", timeText(transaction.completedAt)],
    ]),
  );
  if (transaction.participants.length === 0) return;
  const rows = transaction.participants.map((part) => [
    part.participantId,
    voteText(part),
    part.voteReason,
    timeText(part.votedAt),
    timeText(part.acknowledgedAt),
  ]);
  print(tableText(["participant", "vote", "reason", "voted", "acknowledged"], rows));
}

function progressText(transaction: Transaction): string {
  const votes = transaction.participants.map((part) => `${part.participantId}=${voteText(part)}${part.done ? " done" : ""}`);
  return `${phaseText(transaction)} ${outcomeText(transaction)} ${votes.join(", ")}`;
}

function phaseText({ phase }: Transaction): string {
  return enumText("TRANSACTION_PHASE_", phase);
}

function outcomeText({ outcome }: Transaction): string {
  return enumText("OUTCOME_", outcome);
}

function voteText({ vote }: TransactionParticipant): string {
  return enumText("VOTE_VALUE_", vote);
}
