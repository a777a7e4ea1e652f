import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";
import { CommandError } from "../src/cli/failure.ts";
import { problemLines } from "../src/cli/rule-files/problem.ts";
import { type RuleFiles, readRuleFiles } from "../src/cli/rule-files.ts";
import type { JsonObject } from "../src/kernel/json.ts";
import type { WorkflowState } from "../src/kernel/lifecycle.ts";

const folder = new URL("../examples/laboratory/", import.meta.url);

const share = z.number().min(0).max(1);
const names = z.array(z.string().min(1)).min(2);

const scenarioSchema = z.strictObject({
  sites: names,
  assays: names,
  technicians: names,
  shares: z.strictObject({
    warm: share,
    withdrawn: share,
    failing: z.tuple([share, share, share]),
    "control-failed": share,
    "self-release": share,
  }),
  participants: z.strictObject({ inventory: share, instrument: share }),
});

export type Scenario = z.output<typeof scenarioSchema>;

/** What somebody does with a sample. */
export type Step = {
  readonly verb: "move" | "recover" | "release";
  readonly to: WorkflowState;
  readonly by: string;
  readonly reason: string;
  /** For the rules. */
  readonly context?: JsonObject;
  /** For the history. */
  readonly eventMetadata?: JsonObject;
  /** The rule that must deny it. */
  readonly deniedBy?: string;
};

/** A sample, and everything that will happen to it after it was registered. */
export type Sample = { readonly id: string; readonly metadata: JsonObject; readonly steps: readonly Step[] };

export function readScenario(): Scenario {
  return scenarioSchema.parse(parse(readFileSync(new URL("scenario.yaml", folder), "utf8")));
}

export function readRules(): RuleFiles {
  const files = readRuleFiles([fileURLToPath(new URL("rules", folder))]);
  if (!files.ok) throw new CommandError(files.error.flatMap(problemLines).join("\n"));
  return files.value;
}

export const passedControls = [
  { name: "low", passed: true },
  { name: "high", passed: true },
] as const;

/** The same number and seed make the same sample. */
export function makeSample(scenario: Scenario, number: number, seed: number): Sample {
  const id = `sample-${String(number).padStart(4, "0")}`;
  const { shares, technicians } = scenario;
  const draw = (what: string): number => uniform(`${seed}/${id}/${what}`);
  const technician = pick(technicians, draw("technician"));
  const releaser = pick(
    technicians.filter((name) => name !== technician),
    draw("releaser"),
  );
  const warm = draw("warm") < shares.warm;
  const metadata = {
    patient: `patient-${Math.floor(draw("patient") * 10_000)}`,
    site: pick(scenario.sites, draw("site")),
    assay: pick(scenario.assays, draw("assay")),
    technician,
    arrival_celsius: Math.round((warm ? 8.5 + draw("celsius") * 10 : 2 + draw("celsius") * 6) * 10) / 10,
  };
  const accept: Step = { verb: "move", to: "ACTIVE", by: "reception", reason: "accepted" };
  if (warm) return { id, metadata, steps: [{ ...accept, deniedBy: "cold-chain" }] };
  if (draw("withdrawn") < shares.withdrawn) {
    return {
      id,
      metadata,
      steps: [accept, { verb: "move", to: "CANCELLED", by: "reception", reason: "withdrawn by the patient" }],
    };
  }

  const failures = drawFailures(shares.failing, draw("failures"));
  const steps = [accept, ...failingSteps(technician, failures)];
  if (failures === shares.failing.length) return { id, metadata, steps };

  const value = Math.round(draw("value") * 1000) / 10;
  steps.push({ verb: "move", to: "PAUSED", by: technician, reason: "measured, waits for review", eventMetadata: { value } });
  steps.push({ verb: "move", to: "ACTIVE", by: releaser, reason: "reviewed" });
  const release: Step = {
    verb: "release",
    to: "COMPLETED",
    by: releaser,
    reason: "released",
    context: { controls: passedControls },
  };
  if (draw("control-failed") < shares["control-failed"]) {
    const controls = [passedControls[0], { name: "high", passed: false }];
    steps.push({ ...release, context: { controls }, deniedBy: "controls-passed" });
  }
  if (draw("self-release") < shares["self-release"]) steps.push({ ...release, by: technician, deniedBy: "four-eyes" });
  return { id, metadata, steps: [...steps, release] };
}

/** So many failed measurements, each one recovered if the rules let it be. */
function failingSteps(technician: string, failures: number): Step[] {
  const fail: Step = { verb: "move", to: "FAILED", by: technician, reason: "no result: clot in the needle" };
  const recover: Step = { verb: "recover", to: "ACTIVE", by: technician, reason: "measure again" };
  const cancel: Step = { verb: "move", to: "CANCELLED", by: "reception", reason: "no result, new sample asked for" };
  const steps: Step[] = [];
  for (let failure = 1; failure <= failures; failure += 1) {
    steps.push(fail, ...(failure <= 2 ? [recover] : [{ ...recover, deniedBy: "retest-limit" }, cancel]));
  }
  return steps;
}

/** How often a sample fails, if `shares` says how many fail once, twice, … */
function drawFailures(shares: readonly number[], drawn: number): number {
  let reached = 0;
  for (const [index, share] of shares.entries()) {
    reached += share;
    if (drawn < reached) return index + 1;
  }
  return 0;
}

function pick<T>(from: readonly T[], drawn: number): T {
  const picked = from[Math.floor(drawn * from.length)];
  if (picked === undefined) throw new Error("nothing to pick from");
  return picked;
}

/** In [0, 1). */
function uniform(key: string): number {
  return createHash("sha256").update(key).digest().readUInt32BE() / 2 ** 32;
}
