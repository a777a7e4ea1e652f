// make bench: rates, latencies and ratios to an empty call on the same server in the same run. Only the ratios mean anything on
// another machine.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect } from "../../src/cli/client.ts";
import { tableLines } from "../../src/cli/output.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { CreateWorkflowRequest, GetWorkflowRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { findGenerator, type Generator, type Measured } from "./load.ts";
import { batchSize, benchService, participantCounts, poolSize, workflowName } from "./shape.ts";
import { measureSizes } from "./size.ts";
import { type Counters, type Participants, participantProcessCount, startParticipants, transactionBody } from "./transactions.ts";

const help = `Measures a server of its own, and prints each rate also as a ratio to an empty call on that server in the same run.

  node test/bench/main.ts [options]

  --only CALL       only this: CreateWorkflow, GetWorkflow, TransitionWorkflow, "BatchTransition of 100" or
                    ExecuteTransaction
  --seconds N       of each measurement; one of transactions takes 0.4 of it (default 2)
  --rounds N        of each measurement; the median counts (default 3)
  --log-level NAME  of the server (default warn)
  --size N[,N…]     of stores with so many workflows, of ten events each: how long calls take, and nothing else. The first run makes the
                    stores, in .cache: a million workflows take some minutes and 6 GB
  --help`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    "log-level": { type: "string", default: "warn" },
    size: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

if (values.size !== undefined) {
  await measureSizes(values.size.split(",").map(Number));
  process.exit();
}

const callMs = Number(values.seconds) * 1000;
/** Shorter: there are four at each concurrency. */
const transactionMs = callMs * 0.4;

/** A quarter of the measurement, before it. */
const warmUpShare = 0.25;

const concurrencies = [1, 16, 64, 256];
const workflowService = "concord.workflow.v1.WorkflowService";

type Operation = {
  readonly name: string;
  readonly method: string;
  readonly body: Uint8Array;
  readonly durationMs: number;
  /** With more at once, they would be in each other's way. */
  readonly concurrencyMax?: number;
  /** Set: it is a transaction. */
  readonly participantCount?: number;
};

const echo: Operation = { name: "echo", method: `${benchService}/Echo`, body: new Uint8Array(), durationMs: callMs };
const calls: readonly Operation[] = [
  {
    name: "CreateWorkflow",
    method: `${workflowService}/CreateWorkflow`,
    body: CreateWorkflowRequest.encode(CreateWorkflowRequest.fromPartial({ metadata: { sample: "S-1" } })).finish(),
    durationMs: callMs,
  },
  {
    name: "GetWorkflow",
    method: `${workflowService}/GetWorkflow`,
    body: GetWorkflowRequest.encode(GetWorkflowRequest.fromPartial({ workflowId: workflowName(0) })).finish(),
    durationMs: callMs,
  },
  { name: "TransitionWorkflow", method: `${benchService}/Transition`, body: new Uint8Array(), durationMs: callMs },
  {
    name: `BatchTransition of ${batchSize}`,
    method: `${benchService}/Batch`,
    body: new Uint8Array(),
    durationMs: callMs,
    concurrencyMax: 16,
  },
];
const transactions = participantCounts.map(
  (participantCount): Operation => ({
    name: "ExecuteTransaction",
    method: "concord.commit.v1.TwoPhaseCommit/ExecuteTransaction",
    body: transactionBody(participantCount),
    durationMs: transactionMs,
    participantCount,
  }),
);
const chosen = [...calls, ...transactions].filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0) {
  console.error(`--only: there is no call ${values.only}; see --help`);
  process.exit(2);
}
const operations = [echo, ...chosen];
const withCalls = chosen.some(({ participantCount }) => participantCount === undefined);
const withTransactions = chosen.some(({ participantCount }) => participantCount !== undefined);

/** What was measured of one operation at one concurrency, round by round. */
type Rounds = { readonly measured: Measured[]; readonly counted: Counters[] };

const folder = mkdtempSync(join(tmpdir(), "concord-bench-data-"));
const server = spawn(
  process.execPath,
  ["--max-semi-space-size=32", join(import.meta.dirname, "server.ts"), folder, values["log-level"]],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
let participants: Participants | undefined;
try {
  const ports = await readPorts();
  const { port } = ports;
  if (withCalls) await prepare(port);
  if (withTransactions) participants = await startParticipants(ports, folder);
  const generator = await findGenerator();
  const [cpu] = cpus();
  console.log(
    `${cpus().length} x ${cpu?.model}; Node ${process.version}; load by ${generator.name}; log level ${values["log-level"]}`,
  );
  console.log(
    `${values.rounds} rounds, alternating, of ${callMs / 1000} s (transactions: ${transactionMs / 1000} s); their median`,
  );
  const callRows: string[][] = [];
  const transactionRows: string[][] = [];
  for (const concurrency of concurrencies) {
    const fitting = operations.filter(({ concurrencyMax = concurrency }) => concurrency <= concurrencyMax);
    const results = new Map<Operation, Rounds>(fitting.map((operation) => [operation, { measured: [], counted: [] }]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const [operation, rounds] of results) await measure(generator, port, operation, concurrency, rounds);
    }
    const limit = median(results.get(echo)?.measured ?? [], "perSecond");
    for (const [operation, rounds] of results) {
      if (operation.participantCount === undefined) callRows.push(callRow(operation, concurrency, rounds, limit));
      else transactionRows.push(transactionRow(operation.participantCount, concurrency, rounds, limit));
    }
    process.stderr.write(`concurrency ${concurrency} measured\n`);
  }
  console.log(
    `\n${tableLines(["concurrency", "call", "per second", "of echo", "p50 ms", "p99 ms", "failed"], callRows).join("\n")}`,
  );
  if (withCalls) await report(port);
  if (withTransactions) console.log(`\n${transactionText(transactionRows)}`);
} finally {
  participants?.stop();
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("close", resolve));
  rmSync(folder, { recursive: true });
}

async function measure(
  generator: Generator,
  port: number,
  { method, body, durationMs, participantCount }: Operation,
  concurrency: number,
  { measured, counted }: Rounds,
): Promise<void> {
  const count = participantCount === undefined ? undefined : participants?.counters;
  const before = await count?.();
  measured.push(await generator.run({ port, method, body, concurrency, warmUpMs: durationMs * warmUpShare, durationMs }));
  const after = await count?.();
  if (before && after) counted.push(difference(before, after));
}

function difference(before: Counters, after: Counters): Counters {
  const changes = Object.entries(after).map(([name, value]) => [name, value - before[name as keyof Counters]]);
  return Object.fromEntries(changes) as Counters;
}

function rateCells({ measured }: Rounds, limit: number): string[] {
  const perSecond = median(measured, "perSecond");
  return [
    perSecond.toFixed(0),
    (perSecond / limit).toFixed(perSecond < limit / 10 ? 3 : 2),
    median(measured, "p50Ms").toFixed(2),
    median(measured, "p99Ms").toFixed(2),
  ];
}

function callRow({ name }: Operation, concurrency: number, rounds: Rounds, limit: number): string[] {
  const failed = rounds.measured.reduce((sum, each) => sum + each.failed, 0);
  return [String(concurrency), name, ...rateCells(rounds, limit), String(failed)];
}

function transactionRow(participantCount: number, concurrency: number, rounds: Rounds, limit: number): string[] {
  const { counted, measured } = rounds;
  const sum = (name: keyof Counters): number => counted.reduce((total, each) => total + each[name], 0);
  const begun = sum("begun");
  // The calls that are under way when the time is over are cut off, and abort: these are no failures.
  const cutOff = concurrency * measured.length;
  return [
    String(concurrency),
    String(participantCount),
    ...rateCells(rounds, limit),
    String(Math.max(0, sum("aborted") - cutOff)),
    (sum("messages") / begun).toFixed(2),
    (sum("forced") / sum("committed")).toFixed(2),
    (sum("flushes") / begun).toFixed(2),
    (sum("participantFlushes") / begun / participantCount).toFixed(2),
  ];
}

function transactionText(rows: readonly string[][]): string {
  const head = ["concurrency", "participants", "per second", "of echo", "p50 ms", "p99 ms", "failed"];
  const processCount = participantProcessCount + 2;
  const counts = ["messages", "forced writes", "flushes", "flushes of each"];
  return [
    ...tableLines([...head, ...counts], rows),
    "",
    "Per second and latency are those of ExecuteTransaction's answer, which comes with the decision. Counted for each transaction,",
    "warm-up included: messages of the participants' streams, forced writes and flushes of the coordinator's log (its completion is",
    "one more write, which nobody waits for), and flushes of each participant's log. In theory 4 messages a participant, 2 if it is",
    "the only one; more are decisions sent again after a second, and what a participant in doubt asks every 30 s.",
    `The participants share ${participantProcessCount} processes; with server and load, ${processCount} processes share ${cpus().length} cores.`,
  ].join("\n");
}

async function readPorts(): Promise<{ readonly port: number; readonly metricsPort: number }> {
  for await (const line of createInterface(server.stdout)) return JSON.parse(line);
  throw new Error("the server did not start");
}

/** Two rules that apply to the measured moves, and workflows that can make them. */
async function prepare(port: number): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`);
  const { predicates, workflows } = connect(channel);
  const by = { reason: "bench", requestedBy: "bench" };
  const rules = {
    temperature: 'workflow.metadata.temperature < 8 && to in ["PAUSED", "ACTIVE"]',
    named: 'request.requested_by != "" && size(request.reason) > 3',
  };
  for (const [ruleId, expression] of Object.entries(rules)) {
    await predicates.createRule({ ruleId, expression, ...by });
    await predicates.activateRule({ ruleId, ...by });
  }
  await Promise.all(
    Array.from({ length: poolSize }, async (_, index) => {
      const workflowId = workflowName(index);
      await workflows.createWorkflow({ workflowId, metadata: { temperature: 4, site: "B" }, ...by });
      await workflows.transitionWorkflow({ workflowId, targetState: WorkflowState.ACTIVE, ...by });
    }),
  );
  channel.close();
}

/** gRPC failures travel with HTTP status 200: the store tells how many changes really happened. */
async function report(port: number): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`);
  const stats = await connect(channel).workflows.getSystemStats({});
  console.log(`\nthe store holds ${stats.totalWorkflows} workflows and ${stats.totalEvents} events`);
  channel.close();
}

function median(measured: readonly Measured[], key: "perSecond" | "p50Ms" | "p99Ms"): number {
  const sorted = measured.map((one) => one[key]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
