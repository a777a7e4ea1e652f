import { randomUUID } from "node:crypto";
import { Command, Option } from "commander";
import { environmentName } from "../config.ts";
import { withPort } from "../kernel/address.ts";
import { takeGrpcLog } from "../rpc/grpc-log.ts";
import { createRpcServer } from "../rpc/server.ts";
import { systemClock } from "../runtime/clock.ts";
import { createLogger, type Logger } from "../runtime/logger.ts";
import { openTls, type Tls } from "../runtime/tls/tls.ts";
import { durationOption, idArgument, listenArgument } from "./arguments.ts";
import { outputOption } from "./client.ts";
import { CommandError, defaultAddress, UsageError } from "./failure.ts";
import { type OutputFormat, print, printAs, printAside } from "./output.ts";
import { createPlay, type PayloadKind } from "./participant-check/play.ts";
import { createParticipantProcess } from "./participant-check/process.ts";
import { countsLine, countsOf, reportJson, verdictLines } from "./participant-check/report.ts";
import type { Need, Rule } from "./participant-check/rule.ts";
import { rules as allRules } from "./participant-check/rules.ts";
import { runRules } from "./participant-check/run.ts";
import { checkService } from "./participant-check/service.ts";
import { createWatch } from "./participant-check/watch.ts";

type Options = {
  readonly participantId?: string;
  readonly listen: string;
  readonly start?: string;
  readonly kill?: string;
  readonly stop?: string;
  readonly payload: string;
  readonly abortPayload?: string;
  readonly readOnlyPayload?: string;
  readonly patience: number;
  readonly rule?: readonly string[];
  readonly log?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly list?: true;
  readonly output: OutputFormat;
};

export function participantCheckCommand(): Command {
  return new Command("participant-check")
    .description("play a coordinator against one participant, in any language, and say which rules of the contract it keeps")
    .option("--participant-id <id>", "the participant that will connect", idArgument)
    .addOption(new Option("--listen <host:port>", "where it will connect").argParser(listenArgument).default(defaultAddress))
    .option(
      "--start <command>",
      `starts it; finds the address in ${environmentName("address")}. Without it the participant is not killed, and must be started by hand`,
    )
    .option("--kill <command>", "kills it, as a power failure would; left out, what --start has begun is killed with SIGKILL")
    .option("--stop <command>", "asks it to stop in order; left out, what --start has begun gets SIGTERM")
    .option("--payload <text>", "work that it votes to commit; {id} stands for the transaction's id", "commit")
    .option("--abort-payload <text>", "work that it refuses")
    .option("--read-only-payload <text>", "work that changes nothing, and is voted READ_ONLY")
    .addOption(durationOption("--patience <duration>", "how long it may take to answer", 10_000))
    .option("--tls-cert <file>", "PEM file of the certificate that it is shown; left out, plain text")
    .option("--tls-key <file>", "PEM file of its private key")
    .option(
      "--tls-client-ca <file>",
      "PEM file of the CAs that may have signed the participant's certificate; left out, it is asked for none",
    )
    .option("--rule <id...>", "only these rules")
    .option("--log <file>", "where what the commands print is appended")
    .option("--list", "show the rules, and try none")
    .addOption(outputOption())
    .action(run);
}

/** Exit code 0: no rule is broken. 1: one is, or the check could not be made. */
async function run(options: Options): Promise<void> {
  const { participantId, output, patience, listen } = options;
  const rules = chosen(options.rule);
  printAs(output);
  if (options.list) {
    print(rules.flatMap(({ id, where, says }) => [`${id} (${where})`, `  ${says}`]));
    return;
  }
  if (participantId === undefined) throw new UsageError("--participant-id: which participant is to be checked?");
  takeGrpcLog(() => {});
  const watch = createWatch(systemClock);
  // What a participant does wrong is a verdict, and no line of a log.
  const logger = createLogger({ level: "silent", format: "json" });
  const tls = tlsOf(options, logger);
  const server = createRpcServer({ services: [checkService(() => play.open())], logger, tls });
  const port = await server.listen(listen).catch((error: unknown) => {
    throw new CommandError(`cannot listen on ${listen}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const address = withPort(listen, port);
  const process = participantProcess(options, address, watch.changed);
  const play = createPlay({
    participantId,
    clock: systemClock,
    watch,
    newId: randomUUID,
    process,
    payload: payloadsOf(options),
    patienceMs: patience,
  });
  const stopWaiting = endOnSignal(async () => process?.end());
  try {
    printAside(`listening on ${address}${process ? "" : `; start participant "${participantId}" now`}`);
    await process?.start();
    const has = new Set<Need>([
      ...(process ? (["start"] as const) : []),
      ...(options.abortPayload === undefined ? [] : (["abort-payload"] as const)),
      ...(options.readOnlyPayload === undefined ? [] : (["read-only-payload"] as const)),
    ]);
    const verdicts = await runRules({
      rules,
      play,
      has,
      onVerdict: (verdict) => output === "table" && print(verdictLines(verdict)),
    });
    const counts = countsOf(verdicts);
    print(output === "table" ? countsLine(counts) : reportJson(participantId, verdicts));
    if (counts.failed > 0) globalThis.process.exitCode = 1;
  } finally {
    stopWaiting();
    await process?.end();
    await server.shutdown(0);
    tls?.close();
  }
}

function tlsOf({ tlsCert: cert, tlsKey: key, tlsClientCa: clientCa }: Options, logger: Logger): Tls | undefined {
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new UsageError("--tls-cert and --tls-key belong together: name both");
  const untold = { handshakeFailed: () => undefined, certificateUntil: () => undefined };
  const opened = openTls({ cert, key, clientCa, clientAuth: "require", minVersion: "1.2" }, logger, untold);
  if (!opened.ok) throw new CommandError(opened.error);
  return opened.value;
}

function chosen(ids: readonly string[] | undefined): readonly Rule[] {
  if (ids === undefined) return allRules;
  const unknown = ids.find((id) => !allRules.some((rule) => rule.id === id));
  if (unknown !== undefined) throw new UsageError(`no rule is called "${unknown}"; --list names them`);
  return allRules.filter(({ id }) => ids.includes(id));
}

function participantProcess({ start, kill, stop, log }: Options, address: string, onFailure: () => void) {
  if (start === undefined) return undefined;
  return createParticipantProcess({
    start,
    kill,
    stop,
    logFile: log,
    onFailure,
    environment: { [environmentName("address")]: address },
  });
}

function payloadsOf({ payload, abortPayload = "", readOnlyPayload = "" }: Options) {
  const texts: Readonly<Record<PayloadKind, string>> = { commit: payload, abort: abortPayload, "read-only": readOnlyPayload };
  return (kind: PayloadKind, transactionId: string): Uint8Array =>
    new TextEncoder().encode(texts[kind].replaceAll("{id}", transactionId));
}

/** Interrupted, it leaves nothing behind that it has started. */
function endOnSignal(end: () => Promise<void>): () => void {
  const onSignal = (): void => void end().finally(() => process.exit(130));
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, onSignal);
  return () => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.removeListener(name, onSignal);
  };
}
