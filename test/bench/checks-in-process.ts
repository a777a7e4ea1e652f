// What a check costs where rules are judged, beside the bare plans of the library.
import { celEnv, parse, plan } from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { RuleId } from "../../src/kernel/ids.ts";
import type { WorkflowState as State } from "../../src/kernel/lifecycle.ts";
import { createEngine, type Engine } from "../../src/predicate/engine.ts";
import { createEvaluator } from "../../src/predicate/evaluator.ts";
import { startJudgeThread } from "../../src/predicate/judge-thread.ts";
import { createJudges } from "../../src/predicate/judges.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../src/storage/memory/rule-store.ts";
import { checkOf, ruleOf } from "../support/rule-values.ts";
import { batchSize } from "./shape.ts";
import { median } from "./statistics.ts";

export type InProcess = {
  readonly ruleCount: number;
  readonly name: string;
  /** By a second of CPU. */
  readonly perSecond: number;
  /** As long as the baseline. */
  readonly times: number;
  readonly baseline: string;
  /** Left out: it has no target. */
  readonly met?: boolean;
};

/** A check may take so many times as long as the bare plans. */
const timesMax = 1.5;

/** Those that apply. All hold, so that each check asks all of them. */
const expressions = [
  "workflow.metadata.temperature < 8",
  "request.requested_by != workflow.metadata.technician",
  "has(workflow.metadata.site) && workflow.metadata.site in ['B', 'F']",
  "workflow.metadata.tags.exists(t, t == 'urgent')",
  "size(request.reason) > 3 && workflow.retry_count < 3",
];

export const metadata = { temperature: 4, technician: "kurt", site: "B", tags: ["cold", "urgent"] };

export type Planned = { readonly ruleId: string; readonly expression: string; readonly from: State; readonly to: State };

/** The first 5 are of the move that is asked, the others of another. */
export const planned = Array.from({ length: 1000 }, (_, index): Planned => {
  const applies = index < expressions.length;
  return {
    ruleId: `rule-${index}`,
    expression: expressions[index % expressions.length] ?? "",
    from: applies ? "ACTIVE" : "FAILED",
    to: applies ? "COMPLETED" : "CANCELLED",
  };
});

const by = { reason: "bench", requestedBy: "bench" };
const bareName = "bare plans";

/** Until V8 has compiled all of it for good: what is measured before takes three times as long. */
const compileMs = 1_000;

/** Alternating, of each number of rules. */
export async function measureInProcess(options: {
  readonly ruleCounts: readonly number[];
  readonly rounds: number;
  readonly durationMs: number;
}): Promise<readonly InProcess[]> {
  const rows: InProcess[] = [];
  for (const ruleCount of options.ruleCounts) {
    const measures = await measuresFor(ruleCount);
    const rates = new Map(measures.map(({ name }) => [name, [] as number[]]));
    for (const { once } of measures) await countFor(compileMs, once);
    for (let round = 0; round < options.rounds; round += 1) {
      for (const { name, checksOfOne, once } of measures)
        rates.get(name)?.push(await rateOf(checksOfOne, once, options.durationMs));
    }
    const bare = median(rates.get(bareName) ?? []);
    for (const { name } of measures) {
      const perSecond = median(rates.get(name) ?? []);
      const times = bare / perSecond;
      const target = name === bareName ? {} : { met: times <= timesMax };
      rows.push({ ruleCount, name, perSecond, times, baseline: bareName, ...target });
    }
  }
  return rows;
}

type Measure = { readonly name: string; readonly checksOfOne: number; readonly once: () => Promise<void> };

async function measuresFor(ruleCount: number): Promise<readonly Measure[]> {
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
    { name: bareName, checksOfOne: 1, once: async () => bare() },
    { name: "a check", checksOfOne: 1, once: () => ask([question]) },
    { name: `a check in ${batchSize}`, checksOfOne: batchSize, once: () => ask(batch) },
  ];
}

async function engineWith(rules: readonly Planned[]): Promise<Engine> {
  const turns = createTurns();
  const judges = createJudges({ threadCount: 1, startThread: startJudgeThread, clock: systemClock });
  const evaluator = createEvaluator({ judges, turns, clock: systemClock });
  const store = createMemoryRuleStore();
  const engine = await createEngine({ store, clock: systemClock, evaluator, turns, runTests: async () => [] });
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
async function rateOf(checksOfOne: number, once: () => Promise<void>, durationMs: number): Promise<number> {
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
