import { randomUUID } from "node:crypto";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Channel, ClientError, type Metadata } from "nice-grpc";
import { environmentName, formatDuration } from "../config.ts";
import { TwoPhaseCommitDefinition } from "../gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition } from "../gen/concord/workflow/v1/workflow_service.ts";
import { type Origin, usableCallId, usableTraceparent, usableTracestate } from "../kernel/origin.ts";
import { printable } from "../kernel/text.ts";
import { clientFactory, openChannel } from "../rpc/clients/channel.ts";
import { clientFailure } from "../rpc/errors.ts";
import { takeGrpcLog } from "../rpc/grpc-log.ts";
import { toldTransaction } from "../rpc/transaction-header.ts";
import { addressArgument, durationArgument, durationOption, timeoutArgument } from "./arguments.ts";
import { addContext } from "./context/apply.ts";
import { type Change, type Done, defaultAddress, type FailureFormat, reportFailure } from "./failure.ts";
import { type OutputFormat, print, printAs } from "./output.ts";
import { addSecurityOptions, type SecurityOptions, securityOf } from "./security.ts";
import { whyUnanswered } from "./unanswered.ts";
import { userName } from "./user-name.ts";
import { watchOutput } from "./watch-output.ts";

export type ClientOptions = SecurityOptions & {
  readonly address: string;
  readonly output: OutputFormat;
  readonly timeout: number;
  /** Of services that other processes serve; a context has them. */
  readonly elsewhere?: { readonly predicate?: string | undefined; readonly commit?: string | undefined };
  /** Of what shows something: go on, and look this often for what has changed. */
  readonly watch?: true;
  readonly interval?: number;
};

/** Options that every command has which talks to a server. */
export function addClientOptions(command: Command): Command {
  addContext(command);
  return addSecurityOptions(command)
    .addOption(
      new Option("--address <address>", "where Concord is, host:port or unix:/path")
        .env(environmentName("address"))
        .argParser(addressArgument)
        .default(defaultAddress),
    )
    .addOption(outputOption())
    .addOption(
      durationOption("--timeout <duration>", "how long to wait for an answer", 30_000)
        .env(environmentName("timeout"))
        .argParser(timeoutArgument),
    );
}

export const outputOption = (): Option =>
  new Option("-o, --output <format>", "table for people, json or yaml for programs")
    .choices(["table", "json", "yaml"])
    .default("table");

/** Of what shows something, and changes nothing. */
export function addShowOptions(command: Command): Command {
  const interval = new Option("--interval <duration>", "with --watch: look this often").argParser(intervalArgument);
  return addClientOptions(
    command
      .option("-w, --watch", "show it again whenever it has changed, until interrupted")
      .addOption(interval.default(lookMs, formatDuration(lookMs))),
  );
}

const lookMs = 2_000;

/** Looking costs the server a call each time. */
const lookMsMin = 100;

function intervalArgument(text: string): number {
  const ms = durationArgument(text);
  if (ms >= lookMsMin) return ms;
  throw new InvalidArgumentError(`It must be ${formatDuration(lookMsMin)} at least.`);
}

type Elsewhere = { readonly predicate?: Channel; readonly commit?: Channel };

/** Clients that all call on behalf of one origin: of one command, as a rule. */
export function connect(channel: Channel, elsewhere: Elsewhere = {}, origin: Origin = ownOrigin()) {
  const factory = clientFactory.use((call, options) => call.next(call.request, { ...options, origin }));
  return {
    workflows: factory.create(WorkflowServiceDefinition, channel),
    predicates: factory.create(PredicateLogicDefinition, elsewhere.predicate ?? channel),
    commits: factory.create(TwoPhaseCommitDefinition, elsewhere.commit ?? channel),
  };
}

/** The calls of a command have one id; of a change, the one by which it can be repeated. A trace comes from who has started the command. */
function ownOrigin(requestId?: string): Origin {
  const { TRACEPARENT, TRACESTATE } = process.env;
  return {
    requestId: usableCallId(requestId) ?? randomUUID(),
    traceparent: usableTraceparent(TRACEPARENT),
    tracestate: usableTracestate(TRACESTATE),
  };
}

export type Clients = ReturnType<typeof connect>;

/** Runs a command against a server, prints failures for people, and sets the exit code. */
export async function withClients(
  options: ClientOptions,
  run: (clients: Clients) => Promise<void>,
  change?: () => Change,
): Promise<void> {
  const channels = openChannels(options);
  takeGrpcLog((text) => process.stderr.write(`${printable(text)}\n`));
  printAs(options.output);
  try {
    const clients = connect(channels.own, channels, ownOrigin(change?.().requestId));
    const { watch, interval: everyMs = lookMs, output } = options;
    if (watch === undefined) await run(clients);
    else await watchOutput(() => run(clients), { everyMs, output, signal: untilInterrupted() });
  } catch (error) {
    const { timeout } = options;
    const address = addressOf(options, error);
    const unanswered =
      error instanceof ClientError ? await whyUnanswered(clientFailure(error), address, timeout, options) : undefined;
    process.exitCode = reportFailure(error, { address, change: change?.(), unanswered }, failureFormat(options));
  } finally {
    for (const channel of Object.values(channels)) channel.close();
  }
}

/** They connect when they are used. */
function openChannels({ address, elsewhere: { predicate, commit } = {}, ...options }: ClientOptions) {
  const security = securityOf(options);
  return {
    own: openChannel(address, security),
    ...(predicate === undefined ? {} : { predicate: openChannel(predicate, security) }),
    ...(commit === undefined ? {} : { commit: openChannel(commit, security) }),
  };
}

/** Where the call has gone that failed. */
function addressOf({ address, elsewhere = {} }: ClientOptions, error: unknown): string {
  const path = error instanceof ClientError ? error.path : "";
  const other = path.includes("PredicateLogic/")
    ? elsewhere.predicate
    : path.includes("TwoPhaseCommit/")
      ? elsewhere.commit
      : undefined;
  return other ?? address;
}

const failureFormat = ({ output }: ClientOptions): FailureFormat => (output === "table" ? "text" : "json");

export type Mutation = { readonly reason: string; readonly by: string; readonly requestId: string };

/** Options that every change has. */
export function addMutationOptions(command: Command, defaultReason: string): Command {
  return command
    .option("--reason <text>", "why; kept in the history", defaultReason)
    .option("--by <name>", "who asks; kept in the history", userName())
    .addOption(requestIdOption());
}

/** Options of a change that only an operator makes, and gives a reason for. */
export function addOperatorOptions(command: Command, kept: string): Command {
  return command
    .requiredOption("--reason <text>", `why; ${kept}`)
    .option("--by <name>", `who asks; ${kept}`, userName())
    .addOption(requestIdOption());
}

const requestIdOption = (): Option =>
  new Option("--request-id <id>", "makes a retry safe: the same id returns the first answer; left out, one is made").default("");

/** What is passed with the call of a change. */
type ChangeCall = { readonly deadline: number; readonly onHeader: (header: Metadata) => void };

type AskedChange = {
  readonly requestId: string;
  readonly call: ChangeCall;
  /** Says what else a retry must be given, so that it asks for the same: what was left out, and was looked up. */
  readonly retryWith: (flags: string) => void;
  /** Says what is done already, before the next thing is asked for. */
  readonly didBefore: (done: Done) => void;
};

/**
 * Runs a change. It always has a request id, so that it can be retried: of a change without an answer, that id and the commands that tell
 * its outcome are printed. `look`: such commands.
 */
export function withChange(
  options: ClientOptions & Mutation,
  look: readonly string[],
  run: (clients: Clients, asked: AskedChange) => Promise<void>,
): Promise<void> {
  const requestId = options.requestId === "" ? randomUUID() : options.requestId;
  let transactionId: string | undefined;
  let retryFlags = "";
  let done: Done | undefined;
  const retryWith = (flags: string): void => {
    retryFlags = ` ${flags}`;
  };
  const didBefore = (told: Done): void => {
    done = told;
  };
  const onHeader = (header: Metadata): void => {
    transactionId = toldTransaction(header);
  };
  const call = { deadline: options.timeout, onHeader };
  return withClients(
    options,
    (clients) => run(clients, { requestId, call, retryWith, didBefore }),
    () => ({ requestId, retryFlags, look, transactionId, done }),
  );
}

/** Nobody has said how long to wait. */
export const isTimeoutOpen = (command: Command): boolean => command.getOptionValueSource("timeout") === "default";

/** Of a call that waits for others: as long as that takes, unless how long to wait is said. */
export const waitingDeadline = (command: Command, { timeout }: ClientOptions, neededMs: number): number =>
  isTimeoutOpen(command) ? Math.max(timeout, neededMs) : timeout;

/** What a list holds, page by page, up to `limit` items; `more` says that there are others. */
export async function readPages<Item>(
  limit: number,
  read: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<readonly [readonly Item[], string]>,
): Promise<{ readonly items: readonly Item[]; readonly more: boolean }> {
  const items: Item[] = [];
  let pageToken = "";
  do {
    // 0: as many as the server likes to send.
    const pageSize = Number.isFinite(limit) ? limit - items.length : 0;
    const [found, next] = await read({ pageSize, pageToken });
    items.push(...found);
    pageToken = next;
  } while (pageToken !== "" && items.length < limit);
  return { items, more: pageToken !== "" };
}

/** Says what a limit has cut off. */
export function printMore(more: boolean, limit: number): void {
  if (more) print(`(more follow; --limit shows more than ${limit})`);
}

/** Interrupting a watch is how it ends; it is not a failure. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  process.once("SIGTERM", () => controller.abort());
  return controller.signal;
}
