// What others feel of rules that take long, and how long a unit of cost takes.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ClientError } from "nice-grpc";
import { type Clients, connect } from "../src/cli/client.ts";
import { print, tableLines } from "../src/cli/output.ts";
import { WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { clientFailure } from "../src/rpc/errors.ts";
import { dearExpressions, microsPerUnit } from "./rules/unit-time.ts";

const help = `40 quadratic rules over 110 numbers forbid one move, which is asked 20 at a time; beside it, 4 callers make moves that no
rule applies to. Prints their latency, alone and beside; and what a unit of cost takes, in the worst expressions that are known.

  node scripts/rules-load.ts [options]

  --seconds N   of each measurement (default 8)
  --help`;

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "8" }, help: { type: "boolean", default: false } },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const { ACTIVE, PAUSED } = WorkflowState;
const by = { reason: "measured", requestedBy: "load" };
const numbers = Array.from({ length: 110 }, (_, index) => index);
const ruleCount = 40;
const dearCallerCount = 20;
const cheapCallerCount = 4;
const measureMs = Number(values.seconds) * 1000;

const folder = mkdtempSync(join(tmpdir(), "concord-rules-"));
const program = join(import.meta.dirname, "../src/main.ts");
const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--log-format", "json", "--log-level", "info"];
const server = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "ignore", "pipe"] });
const channel = openChannel(await servedAddress());
try {
  const clients = connect(channel);
  await prepare(clients);
  const alone = await cheapMoves(clients, "alone");
  const dear = dearMoves(clients);
  const beside = await cheapMoves(clients, "beside");
  const answers = await dear.stop();
  const row = (name: string, sorted: Float64Array) => [
    name,
    String(sorted.length),
    at(sorted, 0.5),
    at(sorted, 0.99),
    at(sorted, 1),
  ];
  print(`${availableParallelism()} cores, Node ${process.version}, ${values.seconds} s each`);
  print(tableLines(["moves without rules", "moves", "p50 ms", "p99 ms", "max ms"], [row("alone", alone), row("beside", beside)]));
  print(`beside: ${dearCallerCount} moves at a time with ${ruleCount} quadratic rules; they were answered`);
  print(
    tableLines(
      ["answer", "times"],
      [...answers].map(([answer, times]) => [answer, String(times)]),
    ),
  );
} finally {
  channel.close();
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("close", resolve));
  rmSync(folder, { recursive: true });
}
const rows = dearExpressions.map((expression) => [microsPerUnit(expression).toFixed(2), expression]);
const byTime = rows.toSorted(([a], [b]) => Number(b) - Number(a));
print(["", ...tableLines(["µs a unit", "expression"], byTime)]);

async function servedAddress(): Promise<string> {
  for await (const line of createInterface({ input: server.stderr })) {
    const { msg, listen } = JSON.parse(line) as { readonly msg: string; readonly listen: string };
    if (msg === "serving") return listen;
  }
  throw new Error("the server does not start");
}

async function prepare({ predicates, workflows }: Clients): Promise<void> {
  const expression = "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, y >= 0.0))";
  for (let index = 0; index < ruleCount; index += 1) {
    const ruleId = `pairs-${index}`;
    await predicates.createRule({ ruleId, expression, moves: [{ fromState: ACTIVE, toState: PAUSED }], ...by });
    await predicates.activateRule({ ruleId, ...by });
  }
  await workflows.createWorkflow({ workflowId: "dear", metadata: { numbers } });
  await workflows.transitionWorkflow({ workflowId: "dear", targetState: ACTIVE, ...by });
}

/** In milliseconds, sorted. */
async function cheapMoves({ workflows }: Clients, name: string): Promise<Float64Array> {
  const tookMs: number[] = [];
  const endMs = performance.now() + measureMs;
  const caller = async (_: unknown, each: number): Promise<void> => {
    for (let turn = 0; performance.now() < endMs; turn += 1) {
      const workflowId = `${name}-${each}-${turn}`;
      await workflows.createWorkflow({ workflowId, metadata: { numbers } });
      const startMs = performance.now();
      await workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by });
      tookMs.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: cheapCallerCount }, caller));
  return Float64Array.from(tookMs).sort();
}

function dearMoves({ workflows }: Clients): { readonly stop: () => Promise<ReadonlyMap<string, number>> } {
  const answers = new Map<string, number>();
  let isOver = false;
  const caller = async (): Promise<void> => {
    while (!isOver) {
      const answer = await workflows.transitionWorkflow({ workflowId: "dear", targetState: PAUSED, ...by }).then(
        () => "moved",
        (error: unknown) => (error instanceof ClientError ? (clientFailure(error).reason ?? error.message) : String(error)),
      );
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  const callers = Promise.all(Array.from({ length: dearCallerCount }, caller));
  return {
    stop: async () => {
      isOver = true;
      await callers;
      return answers;
    },
  };
}

function at(sorted: Float64Array, share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1);
}
