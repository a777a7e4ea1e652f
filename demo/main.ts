import { Command } from "commander";
import { integerArgument, seedArgument } from "../src/cli/arguments.ts";
import type { Clients } from "../src/cli/client.ts";
import { CommandError } from "../src/cli/failure.ts";
import { tableLines } from "../src/cli/output.ts";
import { runProgram } from "../src/cli/run-program.ts";
import { type Check, checkAll, countStates, type ParticipantRecords, readEvidence } from "./audit.ts";
import { handSample, runByHand } from "./by-hand.ts";
import { createChaos } from "./chaos.ts";
import { commitDemoCommand } from "./commit/command.ts";
import { createLaboratory, type Laboratory } from "./laboratory.ts";
import { createLaboratoryClient, type LaboratoryClient } from "./laboratory-client.ts";
import { createNarrator, type Narrator } from "./narrator.ts";
import { readParticipantRecords } from "./participant-records.ts";
import { print } from "./print.ts";
import { propertyCommands } from "./properties/command.ts";
import { failureText, untilAnswered } from "./retry.ts";
import { runDemo } from "./run-demo.ts";
import { countSteps, type Report, runSamples } from "./samples.ts";
import { makeSample, readRules, readScenario, type Sample } from "./scenario.ts";

type Options = {
  readonly workflows: number;
  readonly concurrency: number;
  readonly seed: number;
  readonly chaos: boolean;
  readonly keep?: true;
};

/** A problem is shown with a few examples; the rest is like them. */
const problemCountMax = 5;

const program = new Command("concord demo")
  .description("run the samples of a laboratory through their lives, with failures; starts and ends all it needs")
  .option("--workflows <n>", "how many samples, 2 to 100000", integerArgument(2, 100_000), 500)
  .option("--concurrency <n>", "how many at a time, 1 to 256", integerArgument(1, 256), 16)
  .option("--seed <n>", "decides what happens to each sample", seedArgument, 1)
  .option("--no-chaos", "kill nothing")
  .option("--keep", "keep the data and the logs, and say where")
  .action(run)
  .addCommand(commitDemoCommand());
for (const command of propertyCommands()) program.addCommand(command);

async function run(options: Options): Promise<void> {
  const scenario = readScenario();
  const narrator = createNarrator();
  const samples = Array.from({ length: options.workflows - 1 }, (_, index) => makeSample(scenario, index + 2, options.seed));
  await runDemo({
    keep: options.keep,
    create: (folder) => createLaboratory({ folder, scenario, seed: options.seed }),
    play: (laboratory, signal) => runDay({ options, samples, laboratory, narrator, signal }),
    onEnd: narrator.endProgress,
  });
}

type Day = {
  readonly options: Options;
  readonly samples: readonly Sample[];
  readonly laboratory: Laboratory;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
};

/** Resolves to whether everything is as it must be. */
async function runDay(day: Day): Promise<boolean> {
  const { options, laboratory, narrator, signal } = day;
  const startedMs = Date.now();
  print(`A day in a laboratory: ${options.workflows} samples, seed ${options.seed}`);
  narrator.heading("Five processes, each with its own data, and the rules of examples/laboratory/rules");
  const clients = await laboratory.start();
  for (const process of laboratory.processes) {
    const address = laboratory.addressOf(process) ?? "participant";
    narrator.line(`${process.name.padEnd(18)}${address.padEnd(18)}pid ${process.pid}`);
  }
  narrator.line(await applyRules(clients, signal));

  narrator.heading(`What can happen, with one sample: ${handSample.id}`);
  const client = createLaboratoryClient({ clients, signal });
  await runByHand({ laboratory, client, narrator });

  const report = await runAll(day, client);

  narrator.heading("Checks");
  const evidence = await readEvidence(clients, signal);
  const stopped = await laboratory.stop();
  const checks = [
    { claim: "every answer was the one that the scenario foresees", problems: report.surprises },
    ...checkAll(evidence, client.ledger, readParticipants(laboratory)),
    { claim: "every process stopped in order when asked to", problems: stopped ? [] : ["one did not"] },
  ];
  for (const check of checks) narrateCheck(narrator, check);

  const states = [...countStates(evidence.events)].map(([name, count]) => [name, String(count)]);
  narrator.heading(tableLines(["state", "samples"], states).join("\n"));
  const succeeded = checks.every(({ problems }) => problems.length === 0);
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  narrator.heading(
    `${succeeded ? "All is as it must be" : "NOT all is as it must be"}, after ${seconds} s (seed ${options.seed}).`,
  );
  return succeeded;
}

/** The names of the rules, for people. */
async function applyRules({ predicates }: Clients, signal: AbortSignal): Promise<string> {
  const rules = readRules();
  const request = { ...rules, requestedBy: "head of laboratory", reason: "quality control", requestId: "rules", dryRun: false };
  const applied = await untilAnswered((options) => predicates.applyRuleSet(request, options), signal);
  if (!applied.ok) throw new CommandError(`the rules: ${failureText(applied.error)}`);
  const names = rules.rules.map(({ ruleId }) => ruleId).join(", ");
  return `${"rules".padEnd(18)}${names} (rule set revision ${applied.value.change?.ruleSetRevision})`;
}

async function runAll({ options, samples, laboratory, narrator, signal }: Day, client: LaboratoryClient): Promise<Report> {
  const { concurrency } = options;
  const startedMs = Date.now();
  const acknowledgedBefore = client.ledger.length;
  const retriesBefore = client.counts.retries;
  const total = countSteps(samples);
  const chaos = options.chaos ? createChaos({ laboratory, narrator }) : undefined;
  narrator.heading(`The other ${samples.length}, ${concurrency} at a time${options.chaos ? ", while processes are killed" : ""}`);
  narrator.startProgress(total);
  const onStep = (done: number): void => {
    narrator.progress(done);
    chaos?.onProgress(done / total);
  };
  const running = runSamples({ client, samples, concurrency, signal, onStep });
  const report = await (chaos === undefined ? running : Promise.race([running, chaos.failure]));
  await chaos?.finished();
  narrator.endProgress();

  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  const { vetoes } = report;
  const byRule = [...vetoes].map(([rule, count]) => `${rule} ${count}`).toSorted();
  narrator.line(`changes acknowledged: ${client.ledger.length - acknowledgedBefore}, in ${seconds} s`);
  narrator.line(`moves vetoed: ${sum(vetoes.values())}${vetoes.size === 0 ? "" : ` (${byRule.join(", ")})`}`);
  narrator.line(`releases aborted, and tried again: ${client.counts.aborted}`);
  narrator.line(`calls repeated, after UNAVAILABLE or as RetryInfo said: ${client.counts.retries - retriesBefore}`);
  return report;
}

function readParticipants(laboratory: Laboratory): ParticipantRecords {
  const names = ["inventory", "instrument"] as const;
  return new Map(names.map((name) => [name, readParticipantRecords(laboratory.participantLog(name))]));
}

function narrateCheck(narrator: Narrator, { claim, problems }: Check): void {
  narrator.line(`${problems.length === 0 ? "ok  " : "FAIL"}  ${claim}`);
  for (const problem of problems.slice(0, problemCountMax)) narrator.detail(`    ${problem}`);
  if (problems.length > problemCountMax) narrator.detail(`    and ${problems.length - problemCountMax} more`);
}

function sum(counts: Iterable<number>): number {
  return [...counts].reduce((total, count) => total + count, 0);
}

await runProgram(program);
