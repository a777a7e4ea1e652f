// make bench: rates, latencies and ratios to an empty call on the same server in the same run. Only the ratios mean anything on
// another machine. Options: --seconds n (of each measurement), --rounds n, --log-level l (of the server), --only name.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect } from "../../src/cli/client.ts";
import { tableText } from "../../src/cli/output.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { CreateWorkflowRequest, GetWorkflowRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { findGenerator, type Measured } from "./load.ts";
import { benchService, poolSize, workflowName } from "./shape.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    "log-level": { type: "string", default: "warn" },
    only: { type: "string" },
  },
});

const concurrencies = [1, 16, 64, 256];
const workflowService = "concord.workflow.v1.WorkflowService";
const operations = [
  { name: "echo", method: `${benchService}/Echo`, body: new Uint8Array() },
  {
    name: "CreateWorkflow",
    method: `${workflowService}/CreateWorkflow`,
    body: CreateWorkflowRequest.encode(CreateWorkflowRequest.fromPartial({ metadata: { sample: "S-1" } })).finish(),
  },
  {
    name: "GetWorkflow",
    method: `${workflowService}/GetWorkflow`,
    body: GetWorkflowRequest.encode(GetWorkflowRequest.fromPartial({ workflowId: workflowName(0) })).finish(),
  },
  { name: "TransitionWorkflow", method: `${benchService}/Transition`, body: new Uint8Array() },
].filter(({ name }) => values.only === undefined || name === "echo" || name === values.only);

const folder = mkdtempSync(join(tmpdir(), "concord-bench-data-"));
const server = spawn(
  process.execPath,
  ["--max-semi-space-size=32", join(import.meta.dirname, "server.ts"), folder, values["log-level"]],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
try {
  const port = await readPort();
  await prepare(port);
  const generator = await findGenerator();
  const [cpu] = cpus();
  console.log(
    `${cpus().length} x ${cpu?.model}; Node ${process.version}; load by ${generator.name}; log level ${values["log-level"]}`,
  );
  console.log(`${values.rounds} rounds of ${values.seconds} s each, alternating; the median of the rounds\n`);
  const rows: string[][] = [];
  for (const concurrency of concurrencies) {
    const results = new Map<string, Measured[]>(operations.map(({ name }) => [name, []]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const { name, method, body } of operations) {
        results
          .get(name)
          ?.push(await generator.run({ port, method, body, concurrency, durationMs: Number(values.seconds) * 1000 }));
      }
    }
    const limit = median(results.get("echo") ?? [], "perSecond");
    for (const [name, measured] of results) {
      const perSecond = median(measured, "perSecond");
      rows.push([
        String(concurrency),
        name,
        perSecond.toFixed(0),
        (perSecond / limit).toFixed(2),
        median(measured, "p50Ms").toFixed(2),
        median(measured, "p99Ms").toFixed(2),
        String(measured.reduce((sum, { failed }) => sum + failed, 0)),
      ]);
    }
    process.stderr.write(`concurrency ${concurrency} measured\n`);
  }
  console.log(tableText(["concurrency", "call", "per second", "of echo", "p50 ms", "p99 ms", "failed"], rows));
  await report(port);
} finally {
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("close", resolve));
  rmSync(folder, { recursive: true });
}

async function readPort(): Promise<number> {
  for await (const line of createInterface(server.stdout)) return Number(line);
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
