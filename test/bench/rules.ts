// make bench: what a check costs by the number of rules, of which 5 apply. In process as a ratio to the library's bare plans of these 5,
// over gRPC as a ratio to an empty call, each in the same run. Only the ratios mean anything on another machine.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { celEnv, parse, plan } from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { connect } from "../../src/cli/client.ts";
import { print, tableLines } from "../../src/cli/output.ts";
import {
  BatchValidateTransitionsRequest,
  ValidateTransitionRequest,
} from "../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { TransitionCheck } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import type { RuleId } from "../../src/kernel/ids.ts";
import type { WorkflowState as State } from "../../src/kernel/lifecycle.ts";
import { createEngine, type Engine } from "../../src/predicate/engine.ts";
import { createEvaluator } from "../../src/predicate/evaluator.ts";
import { startJudgeThread } from "../../src/predicate/judge-thread.ts";
import { createJudges } from "../../src/predicate/judges.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../src/storage/memory/rule-store.ts";
import { checkOf, ruleOf } from "../support/rule-values.ts";
import { findGenerator } from "./load.ts";
import { benchService } from "./shape.ts";

const help = `Measures checks with 1, 10, 100 and 1,000 rules, of which 5 apply.

  node test/bench/rules.ts [options]

  --seconds N   of each measurement (default 1)
  --rounds N    of each measurement, alternating; the median counts (default 3)
  --in-process  leaves gRPC out
  --help`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    "in-process": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  print(help);
  process.exit();
}

const durationMs = Number(values.seconds) * 1000;
const rounds = Number(values.rounds);
const ruleCounts = [1, 10, 100, 1000];
const batchSize = 100;
/** Of the calls over gRPC. */
const concurrency = 16;

/** Those that apply. All hold, so that each check asks all of them. */
const expressions = [
  "workflow.metadata.temperature < 8",
  "request.requested_by != workflow.metadata.technician",
  "has(workflow.metadata.site) && workflow.metadata.site in ['B', 'F']",
  "workflow.metadata.tags.exists(t, t == 'urgent')",
  "size(request.reason) > 3 && workflow.retry_count < 3",
];

type Planned = { readonly ruleId: string; readonly expression: string; readonly from: State; readonly to: State };

/** The first 5 are of the move that is asked, the others of another. */
const planned = Array.from({ length: 1000 }, (_, index): Planned => {
  const applies = index < expressions.length;
  return {
    ruleId: `rule-${index}`,
    expression: expressions[index % expressions.length] ?? "",
    from: applies ? "ACTIVE" : "FAILED",
    to: applies ? "COMPLETED" : "CANCELLED",
  };
});

const by = { reason: "bench", requestedBy: "bench" };
const metadata = { temperature: 4, technician: "kurt", site: "B", tags: ["cold", "urgent"] };

type Measure = { readonly name: string; readonly baseline: string; readonly perSecond: () => Promise<number> };

const [cpu] = cpus();
print(
  `${cpus().length} x ${cpu?.model}; Node ${process.version}; ${rounds} rounds of ${values.seconds} s, alternating; their median`,
);
print(["", "in process, by CPU time"]);
print(await measured(inProcess));
if (!values["in-process"]) {
  print(["", `over gRPC, ${concurrency} calls at a time`]);
  print(await overGrpc());
}
process.exit();

/** One row for each number of rules and each measurement; the first is what the others are compared with. */
async function measured(measuresFor: (ruleCount: number) => Promise<readonly Measure[]>): Promise<readonly string[]> {
  const rows: string[][] = [];
  for (const ruleCount of ruleCounts) {
    const measures = await measuresFor(ruleCount);
    const rates = new Map(measures.map(({ name }) => [name, [] as number[]]));
    for (let round = 0; round < rounds; round += 1) {
      for (const { name, perSecond } of measures) rates.get(name)?.push(await perSecond());
    }
    for (const { name, baseline } of measures) {
      const [rate, against] = [median(rates.get(name)), median(rates.get(baseline))];
      rows.push([String(ruleCount), name, rate.toFixed(0), (against / rate).toFixed(2), baseline]);
    }
  }
  return tableLines(["rules", "what", "per second", "takes times", "as long as"], rows);
}

function median(rates: readonly number[] = []): number {
  return rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)] ?? Number.NaN;
}

async function inProcess(ruleCount: number): Promise<readonly Measure[]> {
  const engine = await engineWith(planned.slice(0, ruleCount));
  const question = checkOf({ workflow: { metadata } });
  const options = { signal: new AbortController().signal, promptOnly: false };
  const batch = Array.from({ length: batchSize }, () => question);
  const ask = async (questions: typeof batch): Promise<void> => {
    const outcome = await engine.check(questions, options);
    if (!outcome.ok || outcome.value.some(({ type }) => type !== "allowed")) throw new Error("a check was not allowed");
  };
  const bare = barePlans(Math.min(ruleCount, expressions.length));
  return [
    { name: "bare plans", baseline: "bare plans", perSecond: () => rateOf(1, async () => bare()) },
    { name: "a check", baseline: "bare plans", perSecond: () => rateOf(1, () => ask([question])) },
    { name: `a check in ${batchSize}`, baseline: "bare plans", perSecond: () => rateOf(batchSize, () => ask(batch)) },
  ];
}

async function engineWith(rules: readonly Planned[]): Promise<Engine> {
  const turns = createTurns();
  const judges = createJudges({ threadCount: 1, startThread: startJudgeThread, clock: systemClock });
  const evaluator = createEvaluator({ judges, turns, clock: systemClock });
  const engine = await createEngine({
    store: createMemoryRuleStore(),
    clock: systemClock,
    evaluator,
    turns,
    runTests: async () => [],
  });
  for (const { ruleId, expression, from, to } of rules) {
    const id = ruleId as RuleId;
    const written = ruleOf({ moves: [{ from, to }], expression });
    await engine.createRule({ ...written, id, request: undefined, ...by });
    await engine.activate({ id, request: undefined, ...by });
  }
  return engine;
}

/** What one would write with the library alone: plans, and the data as plain objects, for each check anew. */
function barePlans(count: number): () => void {
  const { workflow, requestedBy, reason, context, atMs } = checkOf({ workflow: { metadata } });
  const plans = expressions.slice(0, count).map((source) => plan(celEnv(), parse(source).expr));
  return () => {
    const bindings = {
      workflow: {
        id: workflow.id,
        state: workflow.state,
        retry_count: BigInt(workflow.retryCount),
        created_at: timestampFromMs(workflow.createdAtMs),
        metadata: workflow.metadata,
      },
      request: { requested_by: requestedBy, reason, context },
      now: timestampFromMs(atMs),
    };
    for (const run of plans) if (run(bindings as never) !== true) throw new Error("a plan is not true");
  };
}

/** By a second of CPU, after a quarter of the time to warm up: what else the machine does changes that less. */
async function rateOf(checksOfOne: number, once: () => Promise<void>): Promise<number> {
  await countFor(durationMs / 4, once);
  const before = process.cpuUsage();
  const count = await countFor(durationMs, once);
  const { user, system } = process.cpuUsage(before);
  return (count * checksOfOne * 1e6) / (user + system);
}

async function countFor(ms: number, once: () => Promise<void>): Promise<number> {
  const endMs = performance.now() + ms;
  let count = 0;
  for (; performance.now() < endMs; count += 1) await once();
  return count;
}

async function overGrpc(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "concord-bench-rules-"));
  const args = ["--max-semi-space-size=32", join(import.meta.dirname, "server.ts"), folder, "warn"];
  const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const { value } = await createInterface(server.stdout)[Symbol.asyncIterator]().next();
    const { port } = JSON.parse(value ?? "") as { readonly port: number };
    const generator = await findGenerator();
    const load = (method: string, body: Uint8Array, checksOfOne: number) => async (): Promise<number> => {
      const { perSecond, failed } = await generator.run({
        port,
        method,
        body,
        concurrency,
        warmUpMs: durationMs / 4,
        durationMs,
      });
      if (failed > 0) throw new Error(`${failed} calls of ${method} failed`);
      return perSecond * checksOfOne;
    };
    const service = "concord.predicate.v1.PredicateLogic";
    const check = wireCheck();
    const single = ValidateTransitionRequest.encode(ValidateTransitionRequest.fromPartial({ check })).finish();
    const checks = Array.from({ length: batchSize }, () => check);
    const batch = BatchValidateTransitionsRequest.encode(BatchValidateTransitionsRequest.fromPartial({ checks })).finish();
    let created = 0;
    return await measured(async (ruleCount) => {
      await writeRules(port, planned.slice(created, ruleCount));
      created = ruleCount;
      return [
        { name: "echo", baseline: "echo", perSecond: load(`${benchService}/Echo`, new Uint8Array(), 1) },
        { name: "a check", baseline: "echo", perSecond: load(`${service}/ValidateTransition`, single, 1) },
        {
          name: `a check in ${batchSize}`,
          baseline: "echo",
          perSecond: load(`${service}/BatchValidateTransitions`, batch, batchSize),
        },
      ];
    });
  } finally {
    server.kill("SIGTERM");
    await new Promise((resolve) => server.once("close", resolve));
    rmSync(folder, { recursive: true });
  }
}

function wireCheck(): TransitionCheck {
  const { id, type, version, createdAtMs, updatedAtMs, createdBy, updatedBy } = checkOf({}).workflow;
  return TransitionCheck.fromPartial({
    workflow: {
      workflowId: id,
      type,
      state: WorkflowState.ACTIVE,
      previousState: WorkflowState.CREATED,
      version: BigInt(version),
      createdAt: new Date(createdAtMs),
      updatedAt: new Date(updatedAtMs),
      createdBy,
      updatedBy,
      metadata,
    },
    targetState: WorkflowState.COMPLETED,
    reason: "analysis done",
    requestedBy: "ada",
    context: {},
  });
}

async function writeRules(port: number, rules: readonly Planned[]): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`);
  const { predicates } = connect(channel);
  for (const { ruleId, expression, from, to } of rules) {
    const moves = [{ fromState: WorkflowState[from], toState: WorkflowState[to] }];
    await predicates.createRule({ ruleId, expression, moves, ...by });
    await predicates.activateRule({ ruleId, ...by });
  }
  channel.close();
}
