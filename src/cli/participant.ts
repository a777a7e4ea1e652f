import { createHash } from "node:crypto";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { v7 as uuidv7 } from "uuid";
import type { ResourceVote } from "../commit/core/participant-step.ts";
import { createParticipant } from "../commit/participant/participant.ts";
import type { Resource } from "../commit/ports.ts";
import { environmentName } from "../config.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { originFields } from "../kernel/origin.ts";
import { createParticipantTransport } from "../rpc/clients/participant-transport.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger, LogLevel } from "../runtime/logger.ts";
import { openTraceWriter } from "../runtime/trace-writer.ts";
import { openSqliteParticipantLog } from "../storage/sqlite/participant-log.ts";
import { version } from "../version.ts";
import { addressArgument, durationOption, idArgument, seedArgument } from "./arguments.ts";
import { applyContext, contextOption } from "./context/apply.ts";
import { CommandError, reportFailure } from "./failure.ts";
import { openLog } from "./log.ts";
import { inLog, toldWith } from "./log-format.ts";
import { addSecurityOptions, type SecurityOptions, securityOf } from "./security.ts";
import { stopOnSignal } from "./serve.ts";
import { startTelemetry } from "./start-telemetry.ts";

const failurePoints = ["prepare", "vote", "commit"] as const;

type FailurePoint = (typeof failurePoints)[number];

type Options = SecurityOptions & {
  /** A context has one. */
  readonly address: string | readonly string[];
  readonly elsewhere?: { readonly commit?: string | undefined };
  readonly dataDir: string;
  readonly commitProbability: number;
  readonly seed: number;
  readonly delay: number;
  readonly obey?: true;
  readonly failOn?: FailurePoint;
  readonly trace?: string;
  readonly logLevel: Exclude<LogLevel, "fatal">;
  readonly logFormat: "auto" | "pretty" | "json";
};

/** How long work under way may take when the participant is asked to stop. */
const drainMs = 5_000;

export function participantCommand(): Command {
  const command = new Command("participant")
    .description("take part in transactions: a real participant with its own durable log, for trying things out")
    .argument("<id>", "its name, as transactions enlist it", idArgument)
    .addOption(
      new Option("--address <host:port,...>", "the coordinator; several, if another process may take it over")
        .env(environmentName("address"))
        .argParser(addressesArgument)
        .default(["127.0.0.1:50051"], "127.0.0.1:50051"),
    )
    .addOption(new Option("--data-dir <folder>", "where its log is kept").env(environmentName("data-dir")).default("./data"))
    .option("--commit-probability <p>", "how often it votes to commit, 0 to 1", probabilityArgument, 1)
    .option("--seed <n>", "with the transaction's id, decides each vote: the same seed votes the same way again", seedArgument, 1)
    .option("--obey", "vote what the payload says, if that is commit, abort or read-only")
    .addOption(durationOption("--delay <duration>", "think this long before each vote", 0))
    .addOption(
      new Option(
        "--fail-on <point>",
        "kill itself: prepare, when asked; vote, when prepared and before it says so (with two participants or more: a lone one does not vote); commit, before it acknowledges",
      ).choices(failurePoints),
    )
    .addOption(
      new Option("--trace <file>", "append each step of two-phase commit to this file, as a JSON line").env(
        environmentName("trace"),
      ),
    )
    .addOption(
      new Option("--log-level <level>", "how much to log")
        .env(environmentName("log-level"))
        .choices(["trace", "debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addOption(
      new Option("--log-format <format>", "pretty for people, json for machines")
        .env(environmentName("log-format"))
        .choices(["auto", "pretty", "json"])
        .default("auto"),
    )
    .addOption(contextOption());
  return addSecurityOptions(command).action((id: string, { logFormat }: Options, command: Command) =>
    inLog(logFormat, () => {
      applyContext(command);
      return run(id, command.opts<Options>());
    }),
  );
}

async function run(id: string, options: Options): Promise<void> {
  const security = securityOf(options);
  // It may kill itself: what it has logged by then is what happened.
  const { logger } = openLog({ ...options, sync: true });
  const traced = options.trace === undefined ? undefined : openTraceWriter(options.trace, logger);
  if (traced && !traced.ok) throw new CommandError(traced.error.message);
  const opened = await openSqliteParticipantLog({ path: join(options.dataDir, `participant-${id}.sqlite`) });
  if (!opened.ok) throw new CommandError(opened.error.message);
  const log = opened.value;
  const telemetry = await startTelemetry(`concord-participant-${id}`, version, logger);
  const participant = createParticipant({
    coordinators: coordinatorsOf(options).map((address) => createParticipantTransport({ address, security })),
    participantId: id as ParticipantId,
    instanceId: uuidv7(),
    log,
    resource: createPracticeResource(options, logger),
    clock: systemClock,
    random: Math.random,
    logger,
    trace: traced?.value.write,
    spans: telemetry?.spans,
    // In a program it would wait for somebody to mend that; who tries things out at a terminal wants to know.
    onRefused: ({ headline, message, remedy }) => {
      const error = new CommandError(`${headline}: ${message}; ${remedy}`);
      void stop().then(() => process.exit(reportFailure(toldWith(options.logFormat, error))));
    },
    onStep: async ({ type }) => {
      if (type === "before-vote-sent" && options.failOn === "vote") die(logger, "vote");
      if (type === "before-ack-sent" && options.failOn === "commit") die(logger, "commit");
    },
  });
  await participant.start();
  stopOnSignal(logger, stop);

  async function stop(): Promise<void> {
    await participant.close(drainMs);
    await log.close();
    await telemetry?.close();
  }
}

/** Of a context of split services, where TwoPhaseCommit is. */
const coordinatorsOf = ({ address, elsewhere }: Options): readonly string[] => [elsewhere?.commit ?? address].flat();

/** Holds nothing but its promise, which the participant's log keeps. */
function createPracticeResource(options: Options, logger: Logger): Resource {
  return {
    async prepare({ transactionId, payload, origin }) {
      if (options.failOn === "prepare") die(logger, "prepare");
      if (options.delay > 0) await new Promise<void>((resolve) => systemClock.setTimer(options.delay, resolve));
      const text = Buffer.from(payload).toString();
      const vote = voteOn(options, transactionId, text);
      logger.info({ transaction: transactionId, ...originFields(origin), payload: text, vote: vote.value }, "asked to prepare");
      return vote;
    },
    commit: async ({ transactionId, origin }) =>
      logger.info({ transaction: transactionId, ...originFields(origin) }, "committed"),
    abort: async ({ transactionId, origin }) => logger.info({ transaction: transactionId, ...originFields(origin) }, "aborted"),
  };
}

function voteOn({ obey, seed, commitProbability }: Options, transactionId: TransactionId, payload: string): ResourceVote {
  if (obey && (payload === "commit" || payload === "read-only")) return { value: payload, reason: "" };
  if (obey && payload === "abort") return { value: "abort", reason: "as asked" };
  return preferenceOf(seed, transactionId) < commitProbability
    ? { value: "commit", reason: "" }
    : { value: "abort", reason: `it votes to commit with probability ${commitProbability} only (seed ${seed})` };
}

/** Uniform in [0, 1), the same for the whole transaction, also after a restart. */
function preferenceOf(seed: number, transactionId: TransactionId): number {
  return createHash("sha256").update(`${seed}/${transactionId}`).digest().readUInt32BE() / 2 ** 32;
}

/** As a power failure would end it: nothing is flushed, nobody is told. */
function die(logger: Logger, point: FailurePoint): never {
  logger.fatal({ failOn: point }, "killing itself, as asked");
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
}

function addressesArgument(text: string): readonly string[] {
  return text.split(",").map((address) => addressArgument(address.trim()));
}

function probabilityArgument(text: string): number {
  const probability = Number(text);
  if (text.trim() === "" || !(probability >= 0 && probability <= 1)) {
    throw new InvalidArgumentError("It must be a number from 0 to 1.");
  }
  return probability;
}
