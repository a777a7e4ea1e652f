import { Argument, Command } from "commander";
import {
  type Enlistment,
  Outcome,
  Transaction,
  type TransactionEvent,
  type TransactionParticipant,
} from "../gen/concord/commit/v1/transaction.ts";
import {
  GetTransactionResponse,
  type WatchTransactionResponse,
  type WatchTransactionsResponse,
} from "../gen/concord/commit/v1/two_phase_commit.ts";
import { durationMs, durationToWire } from "../rpc/duration.ts";
import { collect, durationOption, limitArgument, outcomeArgument } from "./arguments.ts";
import {
  addClientOptions,
  addMutationOptions,
  addOperatorOptions,
  addShowOptions,
  type ClientOptions,
  type Clients,
  isTimeoutOpen,
  type Mutation,
  printMore,
  readPages,
  untilInterrupted,
  waitingDeadline,
  withChange,
  withClients,
} from "./client.ts";
import { enumText, fieldLines, jsonText, type OutputFormat, print, tableLines, timeText, whoText } from "./output.ts";
import { begunInTime } from "./stream.ts";
import { enlistArgument } from "./workflow-text.ts";

const transactionType = "concord.commit.v1.Transaction";

export function txCommand(): Command {
  const command = new Command("tx").description("run and look at distributed transactions");
  command.addCommand(runCommand());
  command.addCommand(beginCommand());
  command.addCommand(enlistCommand());
  command.addCommand(commitCommand());
  command.addCommand(verbCommand("abort"));
  command.addCommand(getCommand());
  command.addCommand(listCommand());
  command.addCommand(watchCommand());
  command.addCommand(verbCommand("retry"));
  command.addCommand(resolveCommand());
  command.addCommand(verbCommand("forget"));
  return command;
}

function runCommand(): Command {
  const command = new Command("run")
    .description("make the named participants commit together, or not at all")
    .argument("<participant=payload...>", "who takes part, and with what", collect(enlistArgument))
    .addOption(durationOption("--prepare-timeout <duration>", "how long they have to vote", 10_000))
    .addOption(durationOption("--wait <duration>", "wait this long for participants that are not connected", 0));
  type Options = ClientOptions & Mutation & { readonly prepareTimeout: number; readonly wait: number };
  return addClientOptions(addMutationOptions(command, "run by hand")).action(
    (participants: readonly Enlistment[], options: Options, command: Command) =>
      withChange(options, [], async ({ commits }, { requestId, call }) => {
        const request = {
          participants,
          prepareTimeout: durationToWire(options.prepareTimeout),
          waitForParticipants: durationToWire(options.wait),
          requestId,
          reason: options.reason,
          requestedBy: options.by,
        };
        const deadline = waitingDeadline(command, options, options.wait + options.prepareTimeout + 1_000);
        printDecided(options.output, (await commits.executeTransaction(request, { ...call, deadline })).transaction);
      }),
  );
}

function beginCommand(): Command {
  const command = new Command("begin")
    .description("begin a transaction whose work is enlisted as it happens")
    .addOption(durationOption("--prepare-timeout <duration>", "how long participants will have to vote", 10_000))
    .addOption(durationOption("--wait <duration>", "at the commit, wait this long for participants that are not connected", 0))
    .addOption(durationOption("--idle-timeout <duration>", "it aborts when nothing is enlisted for this long", 60_000));
  type Options = ClientOptions &
    Mutation & { readonly prepareTimeout: number; readonly wait: number; readonly idleTimeout: number };
  return addClientOptions(addMutationOptions(command, "begun by hand")).action((options: Options) =>
    // One that is begun twice does no harm: what nobody commits aborts. With a request id, its record could not be forgotten for a day.
    withClients(options, async ({ commits }) => {
      const request = {
        prepareTimeout: durationToWire(options.prepareTimeout),
        waitForParticipants: durationToWire(options.wait),
        idleTimeout: durationToWire(options.idleTimeout),
        requestId: options.requestId,
        reason: options.reason,
        requestedBy: options.by,
      };
      printTransaction(options.output, (await commits.beginTransaction(request, { deadline: options.timeout })).transaction);
    }),
  );
}

function enlistCommand(): Command {
  const command = new Command("enlist")
    .description("add a participant and its work to a transaction that has begun")
    .argument("<id>")
    .addArgument(new Argument("<participant=payload>", "who takes part, and with what").argParser(enlistArgument));
  return addClientOptions(addMutationOptions(command, "")).action(
    (transactionId: string, participant: Enlistment, options: ClientOptions & Mutation) =>
      withChange(options, [lookAt(transactionId)], async ({ commits }, { requestId, call }) => {
        const request = { participant, ...askedOf(transactionId, requestId, options) };
        printTransaction(options.output, (await commits.enlistParticipant(request, call)).transaction);
      }),
  );
}

function commitCommand(): Command {
  const command = new Command("commit").description("commit what was enlisted, everywhere or nowhere").argument("<id>");
  return addClientOptions(addMutationOptions(command, "")).action(
    (transactionId: string, options: ClientOptions & Mutation, command: Command) =>
      withChange(options, [lookAt(transactionId)], async ({ commits }, { requestId, call }) => {
        const neededMs = isTimeoutOpen(command) ? await commitMs(commits, transactionId, options) : 0;
        const deadline = waitingDeadline(command, options, neededMs);
        const { transaction } = await commits.commitTransaction(askedOf(transactionId, requestId, options), {
          ...call,
          deadline,
        });
        printDecided(options.output, transaction);
      }),
  );
}

/** How long the commit of this transaction may take, as it was begun. */
async function commitMs(commits: Clients["commits"], transactionId: string, { timeout }: ClientOptions): Promise<number> {
  const { transaction } = await commits.getTransaction({ transactionId }, { deadline: timeout });
  return (durationMs(transaction?.waitForParticipants) ?? 0) + (durationMs(transaction?.prepareTimeout) ?? 0) + 1_000;
}

type Verb = {
  readonly description: string;
  readonly reason: string;
  readonly change: (
    commits: Clients["commits"],
    request: ReturnType<typeof askedOf>,
    options: { readonly deadline: number },
  ) => Promise<{ readonly transaction?: Transaction | undefined }>;
};

/** The verbs that take a transaction, and nothing else. */
const verbs = {
  abort: {
    description: "abort a transaction that is not decided",
    reason: "by hand",
    change: (commits, ...asked) => commits.abortTransaction(...asked),
  },
  retry: {
    description: "send what a transaction still has to send, now",
    reason: "by hand",
    change: (commits, ...asked) => commits.retryTransaction(...asked),
  },
  forget: {
    description: "drop the record of a completed transaction",
    reason: "by hand",
    change: (commits, ...asked) => commits.forgetTransaction(...asked),
  },
} satisfies Record<string, Verb>;

function verbCommand(name: keyof typeof verbs): Command {
  const { description, reason, change }: Verb = verbs[name];
  const command = new Command(name).description(description).argument("<id>");
  return addClientOptions(addMutationOptions(command, reason)).action(
    (transactionId: string, options: ClientOptions & Mutation) =>
      withChange(options, [lookAt(transactionId)], async ({ commits }, { requestId, call }) => {
        const { transaction } = await change(commits, askedOf(transactionId, requestId, options), call);
        printTransaction(options.output, transaction);
      }),
  );
}

const lookAt = (transactionId: string): string => `concord tx get ${transactionId}`;

function askedOf(transactionId: string, requestId: string, options: Mutation) {
  return { transactionId, requestId, reason: options.reason, requestedBy: options.by };
}

function resolveCommand(): Command {
  const command = new Command("resolve")
    .description("end a transaction by your word, when a participant will not answer any more")
    .argument("<id>")
    .addArgument(outcomeArgument());
  return addClientOptions(addOperatorOptions(command, "kept in the transaction")).action(
    (transactionId: string, outcome: Outcome, options: ClientOptions & Mutation) =>
      withChange(options, [lookAt(transactionId)], async ({ commits }, { requestId, call }) => {
        const request = { outcome, ...askedOf(transactionId, requestId, options) };
        printTransaction(options.output, (await commits.resolveTransaction(request, call)).transaction);
      }),
  );
}

function getCommand(): Command {
  const command = new Command("get")
    .description("show a transaction")
    .argument("<id>")
    .option("--timeline", "also show what happened to it");
  return addShowOptions(command).action((transactionId: string, options: ClientOptions & { readonly timeline?: true }) =>
    withClients(options, async ({ commits }) => {
      const answer = await commits.getTransaction({ transactionId }, { deadline: options.timeout });
      if (options.timeline && options.output !== "table") {
        print(jsonText("concord.commit.v1.GetTransactionResponse", GetTransactionResponse, answer));
        return;
      }
      printTransaction(options.output, answer.transaction);
      if (!options.timeline) return;
      print(tableLines(["time", "event", "participant", "attempt", "detail"], answer.timeline.map(eventRow)));
      if (answer.timelineOmitted > 0) print(`(${answer.timelineOmitted} events in the middle are not kept)`);
    }),
  );
}

function listCommand(): Command {
  const command = new Command("list")
    .description("list transactions, newest first")
    .option("--filter <cel>", `a condition, such as 'transaction.in_doubt'`, "")
    .option("--limit <n>", "show at most this many", limitArgument, 50);
  return addShowOptions(command).action((options: ClientOptions & { readonly filter: string; readonly limit: number }) =>
    withClients(options, async ({ commits }) => {
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const answer = await commits.listTransactions({ ...page, filter: options.filter }, { deadline: options.timeout });
        return [answer.transactions, answer.nextPageToken];
      });
      if (options.output !== "table") {
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
      print(tableLines(["transaction", "phase", "outcome", "created", "participants", "abort reason"], rows));
      printMore(more, options.limit);
    }),
  );
}

function watchCommand(): Command {
  const command = new Command("watch")
    .description("print a transaction with each change, until it is completed; without an id: all, until interrupted")
    .argument("[id]", "only this one", "")
    .option("--filter <cel>", `without an id: a condition, such as 'transaction.outcome == "ABORTED"'`, "");
  return addClientOptions(command).action((transactionId: string, options: ClientOptions & { readonly filter: string }) =>
    withClients(options, async ({ commits }) => {
      const signal = untilInterrupted();
      const { filter, timeout } = options;
      const isOne = transactionId !== "";
      const changes = isOne
        ? changesOfOne(begunInTime((call) => commits.watchTransaction({ transactionId }, call), timeout, signal))
        : changesOfAll(begunInTime((call) => commits.watchTransactions({ filter }, call), timeout, signal));
      for await (const transaction of changes) {
        const text = isOne ? progressText(transaction) : `${transaction.transactionId} ${progressText(transaction)}`;
        print(options.output !== "table" ? jsonText(transactionType, Transaction, transaction) : text);
      }
    }),
  );
}

async function* changesOfOne(messages: AsyncIterable<WatchTransactionResponse>): AsyncIterable<Transaction> {
  for await (const { transaction } of messages) if (transaction) yield transaction;
}

async function* changesOfAll(messages: AsyncIterable<WatchTransactionsResponse>): AsyncIterable<Transaction> {
  for await (const { body } of messages) if (body?.$case === "transaction") yield body.value;
}

/** An abort is an answer, but a script wants to branch on it. */
function printDecided(format: OutputFormat, transaction: Transaction | undefined): void {
  if (transaction?.outcome !== Outcome.COMMITTED) process.exitCode = 1;
  printTransaction(format, transaction);
}

export function printTransaction(format: OutputFormat, transaction: Transaction | undefined): void {
  if (transaction === undefined) throw new Error("the server answered without a transaction");
  if (format !== "table") {
    print(jsonText(transactionType, Transaction, transaction));
    return;
  }
  print(
    fieldLines([
      ["transaction", transaction.transactionId],
      ["outcome", outcomeText(transaction)],
      ["phase", phaseText(transaction)],
      ...(transaction.abortReason === "" ? [] : [["aborted because", transaction.abortReason] as const]),
      ["created", timeText(transaction.createdAt)],
      ["decided", timeText(transaction.decidedAt)],
      ["completed", timeText(transaction.completedAt)],
      ...heuristicFields(transaction),
    ]),
  );
  if (transaction.participants.length === 0) return;
  const rows = transaction.participants.map((part) => [
    part.participantId,
    voteText(part),
    part.lostReason || part.voteReason,
    timeText(part.votedAt),
    part.lostAt ? `LOST ${timeText(part.lostAt)}` : timeText(part.acknowledgedAt),
  ]);
  print(tableLines(["participant", "vote", "reason", "voted", "acknowledged"], rows));
}

function heuristicFields({ heuristic, resolution }: Transaction): readonly (readonly [string, string])[] {
  if (heuristic === "HEURISTIC_UNSPECIFIED") return [];
  return [
    ...(resolution
      ? ([
          ["resolved", timeText(resolution.resolvedAt)],
          ["resolved by", `${whoText(resolution)}: ${resolution.reason}`],
        ] as const)
      : []),
    ["heuristic", enumText("HEURISTIC_", heuristic)],
  ];
}

function eventRow(event: TransactionEvent): string[] {
  return [
    timeText(event.occurredAt),
    enumText("TRANSACTION_EVENT_TYPE_", event.type),
    event.participantId,
    event.attempt === 0 ? "" : String(event.attempt),
    event.detail,
  ];
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
