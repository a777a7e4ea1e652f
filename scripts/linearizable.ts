// Histories of real processes under kills, held against one caller's model; and watches beside them, held against the log.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { failureText, untilAnswered } from "../demo/retry.ts";
import { type Clients, connect } from "../src/cli/client.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { createDice, type Dice } from "../test/simulation/random.ts";
import { failureOf } from "../test/support/concord.ts";
import { type Call, recordCalls, whyNot } from "../test/support/linearizable.ts";
import { lockRule, type Verb, verbArbitrary, withOwnRequestId, workflowModel } from "../test/support/workflow-model.ts";
import { askOver, isEnlisted, type Known } from "./linearizable/ask.ts";
import { disagreements, readLog, type Watcher, watchAll } from "./linearizable/watcher.ts";
import { createWorld, hang, kill, type Topology, topologies, type World } from "./linearizable/world.ts";
import { progress } from "./progress.ts";

const help = `Callers change the same few workflows over gRPC, alone and in transactions, while processes are killed (SIGKILL) and stand still
(SIGSTOP). What they hear one caller could have heard, in some order in which a call without an answer was made or was not. Two watches go on
where they were whenever they break; in the end each was told what the log has, once and in order, and nothing else.

  node scripts/linearizable.ts [options]

  --minutes N   how long, for half of it all in one process, then each service in its own (default 2)
  --seed N      chooses what is asked and who is killed when. What a kill hits, no seed can choose.
  --help

Exit code 0: all histories are linearizable, and all watches right. 1: the first that is not is shown, and data and logs are kept.`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    help: { type: "boolean", default: false },
  },
});

/** Of one history. */
const callerCount = 4;
const historiesAtOnce = 4;
const watcherCount = 2;

/** A watch has been told all by then, after the last call. */
const settleMs = 60_000;

process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../.cache/node");

type Tally = {
  histories: number;
  readonly known: Record<Known["type"], number>;
  readonly verbs: Map<string, number>;
  readonly faults: Map<string, number>;
};

async function main(): Promise<number> {
  if (values.help) {
    console.log(help);
    return 0;
  }
  const seed = Number(values.seed);
  console.log(
    `${historiesAtOnce} histories at once of ${callerCount} callers, ${watcherCount} watches, ${values.minutes} min, seed ${seed}`,
  );
  for (const [index, topology] of topologies.entries()) {
    const problem = await runTopology(topology, seed + index, (Number(values.minutes) * 60_000) / topologies.length);
    if (problem === undefined) continue;
    console.log(`FAILED  ${topology}, seed ${seed}\n${problem}`);
    return 1;
  }
  console.log("ok      all histories are linearizable, and all watches were told what the log has");
  return 0;
}

/** What is wrong, if anything is. */
async function runTopology(topology: Topology, seed: number, lengthMs: number): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "concord-linearizable-"));
  const world = await createWorld(topology, folder);
  const dice = createDice(seed);
  const tally: Tally = { histories: 0, known: { answered: 0, "not-done": 0, unknown: 0 }, verbs: new Map(), faults: new Map() };
  process.once("exit", world.killNow);
  const channel = openChannel(world.address);
  const clients = connect(channel);
  const watchers: Watcher[] = [];
  try {
    await world.start();
    await writeRule(world);
    watchers.push(...Array.from({ length: watcherCount }, () => watchAll(clients)));
    const endsAtMs = Date.now() + lengthMs;
    let problem: string | undefined;
    while (problem === undefined && Date.now() < endsAtMs) problem = await round(world, clients, dice, tally);
    const wrong = problem ?? (await whatWatchesLack(clients, watchers));
    console.log(reportOf(topology, tally, watchers));
    if (wrong !== undefined) return `${wrong}\ndata and logs of each process: ${folder}`;
    rmSync(folder, { recursive: true });
    return undefined;
  } finally {
    for (const each of watchers) await each.stop();
    channel.close();
    for (const each of world.processes) await each.end("SIGKILL");
    process.off("exit", world.killNow);
  }
}

async function writeRule({ engineAddress }: World): Promise<void> {
  const channel = openChannel(engineAddress);
  const { predicates } = connect(channel);
  await predicates.createRule(lockRule, { deadline: settleMs });
  await predicates.activateRule({ ruleId: lockRule.ruleId, reason: "a test", requestedBy: "test" }, { deadline: settleMs });
  channel.close();
}

/** A few histories at once, each of its own workflows: each fault hits all of them. What is wrong with one, if anything is. */
async function round(world: World, clients: Clients, dice: Dice, tally: Tally): Promise<string | undefined> {
  const faultsAt = new Set(Array.from({ length: dice.between(1, 3) }, () => dice.between(2, historiesAtOnce * 24)));
  let calls = 0;
  let back: Promise<unknown> = Promise.resolve();
  const run = async (verb: Verb, scope: string): Promise<Known> => {
    calls += 1;
    if (faultsAt.has(calls)) back = Promise.all([back, fault(world, dice, tally)]);
    const known = await askOver(clients, verb, scope);
    tally.known[known.type] += 1;
    count(tally.verbs, isEnlisted(verb) ? `${verb.type} together` : verb.type);
    if (known.type === "unknown") await back.then(() => reachable(clients));
    return known;
  };
  const scopes = Array.from({ length: historiesAtOnce }, (_, index) => `h${tally.histories + index}`);
  const histories = await Promise.all(
    scopes.map((scope) => recordCalls(programsOf(dice), (verb) => run(verb, scope)).then((recorded) => ({ scope, recorded }))),
  );
  await back;
  await reachable(clients);
  tally.histories += histories.length;
  progress(`${tally.histories} histories, ${tally.known.unknown} calls of unknown outcome`);
  const wrong = histories.flatMap(({ scope, recorded }) => {
    const why = whyNot(workflowModel, recorded.flatMap(knownOf));
    return why === undefined ? [] : `history ${scope} is not linearizable:\n${why}`;
  });
  return wrong[0];
}

/** Each begins with what all need to meet, and seldom asks for a version that is not there, or to purge: most moves shall be made. */
function programsOf(dice: Dice): readonly (readonly Verb[])[] {
  const options = { seed: dice.between(0, 2 ** 31 - 1), numRuns: callerCount };
  const programs = fc.sample(fc.array(verbArbitrary, { minLength: 6, maxLength: 9 }), options);
  const first = ["a", "b"].map((id): Verb => ({ type: "create", id, locked: false, started: true, orFind: true }));
  const bolder = (verb: Verb): Verb => ("expected" in verb && dice.chance(0.8) ? { ...verb, expected: undefined } : verb);
  const kept = (verb: Verb): boolean => verb.type !== "purge" || dice.chance(0.2);
  return programs.map((program) => [...first, ...program.filter(kept).map(bolder)].map(withOwnRequestId));
}

function knownOf({ output, ...call }: Call<Verb, Known>): readonly Call<Verb, string>[] {
  if (output?.type === "not-done") return [];
  const isAnswered = output?.type === "answered";
  return [{ ...call, output: isAnswered ? output.heard : undefined, answeredAt: isAnswered ? call.answeredAt : Infinity }];
}

async function fault(world: World, dice: Dice, tally: Tally): Promise<void> {
  const victim = dice.pick(world.processes);
  const hangs = dice.chance(0.25);
  count(tally.faults, `${victim.name} ${hangs ? "stands still" : "killed"}`);
  const earlier = busy.get(victim.name) ?? Promise.resolve();
  const done = earlier.then(() => (hangs ? hang(victim, dice.between(50, 1_500)) : kill(victim)));
  busy.set(victim.name, done);
  await done;
}

/** What would go to a server that is just back fails at once for a moment. */
async function reachable({ workflows }: Clients): Promise<void> {
  const answer = await untilAnswered((options) => workflows.getServerInfo({}, options), new AbortController().signal);
  if (!answer.ok) throw new Error(failureText(answer.error));
}

/** One fault of a process after the other. */
const busy = new Map<string, Promise<void>>();

async function whatWatchesLack(clients: Clients, watchers: readonly Watcher[]): Promise<string | undefined> {
  const log = await readLog(clients);
  const newest = Math.max(...log.keys());
  for (const givesUpAtMs = Date.now() + settleMs; watchers.some(({ upTo }) => upTo < newest) && Date.now() < givesUpAtMs; )
    await new Promise((resolve) => void setTimeout(resolve, 50));
  for (const each of watchers) await each.stop();
  const purged = new Map<string, Promise<boolean>>();
  const isPurged = (workflowId: string): Promise<boolean> => {
    const known =
      purged.get(workflowId) ??
      failureOf(clients.workflows.getWorkflow({ workflowId })).then(
        ({ reason }) => reason === "WORKFLOW_PURGED",
        () => false,
      );
    purged.set(workflowId, known);
    return known;
  };
  for (const [index, each] of watchers.entries()) {
    const wrong = await disagreements(each, log, isPurged);
    if (wrong.length > 0) return [`watch ${index} and the log disagree:`, ...wrong.slice(0, 20)].join("\n");
  }
  return undefined;
}

function reportOf(topology: Topology, { histories, known, verbs, faults }: Tally, watchers: readonly Watcher[]): string {
  const calls = known.answered + known["not-done"] + known.unknown;
  const counted = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, number]) => `${name} ${number}`)
      .join(", ");
  const events = watchers.map(({ told, resumed }) => `${told.size} events over ${resumed} breaks`).join("; ");
  return [
    `${topology}: ${histories} histories, ${calls} calls: ${known.answered} answered, ${known["not-done"]} refused and not done, ${known.unknown} of unknown outcome`,
    `  asked: ${counted(verbs)}`,
    `  faults: ${counted(faults)}`,
    `  watches: ${events}`,
  ].join("\n");
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.exit(await main());
