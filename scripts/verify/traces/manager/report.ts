import type { Check } from "../../check.ts";
import type { Tlc } from "../../tlc.ts";
import { checkCorrupted } from "../corrupted.ts";
import { checkManagerTraces, rejectionText } from "./check.ts";
import { corruptions, corruptManager } from "./corrupt.ts";
import { logStepsOf } from "./log-steps.ts";
import type { Recording } from "./record.ts";
import { type Step, stepsOf, type Trace } from "./steps.ts";
import { playManager } from "./world.ts";

/** Enough for every line many times, in half a minute. */
const played = { worlds: 60, requests: 18, eachCorruption: 3 } as const;

/** All that a trace may say. */
const actions: readonly Step["action"][] = [
  ...([
    "Submit",
    "Ask",
    "Write",
    "Hold",
    "Vote",
    "Decide",
    "Commit",
    "Release",
    "Acknowledge",
    "Fire",
    "Purge",
    "Crash",
  ] as const),
  "Answer",
];

/** What the manager does in small worlds, held against specs/WorkflowManager.tla; and the same with one thing false in it. */
export async function traceManager(tlc: Tlc, recordings: readonly Recording[]): Promise<readonly Check[]> {
  const seeds = Array.from({ length: played.worlds }, (_, index) => index + 1);
  const traces = await Promise.all(seeds.map(async (seed) => stepsOf(`world ${seed}`, await playManager(seed, played.requests))));
  const corrupted = corruptManager(traces, played.eachCorruption);
  // Of the simulation, in which all else fails, too.
  const simulated = recordings.flatMap(({ name, happened }) => logStepsOf(name, happened));
  const rejections = await checkManagerTraces(tlc, [...traces, ...corrupted, ...simulated]);
  const rejectedOf = (some: readonly Trace[]): readonly string[] =>
    rejections.filter(({ trace }) => some.includes(trace)).map(rejectionText);
  const counts = new Map(actions.map((action) => [action, 0]));
  for (const { action } of traces.flatMap(({ steps }) => steps)) counts.set(action, (counts.get(action) ?? 0) + 1);

  const never = actions.filter((action) => counts.get(action) === 0).map((action) => `${action} never happened`);
  const lines = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const simulatedLines = simulated.reduce((sum, { steps }) => sum + steps.length, 0);
  return [
    {
      name: "traces of the simulated manager",
      problems: rejectedOf(simulated),
      remark: `${recordings.length} worlds, ${simulated.length} workflows, ${simulatedLines.toLocaleString("en")} lines`,
    },
    {
      name: "traces of the manager",
      problems: [...rejectedOf(traces), ...never],
      remark: `${played.worlds} worlds, ${lines.toLocaleString("en")} lines: ${[...counts].map(([action, count]) => `${action} ${count}`).join(", ")}`,
    },
    checkCorrupted("corrupted traces of the manager", corrupted, { corruptions, rejections, nameOf: (trace) => trace.name }),
  ];
}
