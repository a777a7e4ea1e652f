import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import { Command, InvalidArgumentError } from "commander";
import { collect, durationArgument, integerArgument } from "../../src/cli/arguments.ts";
import { CommandError } from "../../src/cli/failure.ts";
import { tableLines } from "../../src/cli/output.ts";
import { printable } from "../../src/kernel/text.ts";
import type { DurationMs } from "../../src/kernel/time.ts";
import { print } from "../print.ts";
import { runDemo } from "../run-demo.ts";
import type { Agreement } from "./agreement.ts";
import { type Cluster, createCluster } from "./cluster.ts";
import { wrap } from "./diagram.ts";
import { type Scene, scenes } from "./scenes.ts";
import { createStage } from "./stage.ts";

type Options = {
  readonly scene?: readonly Scene[];
  readonly list?: true;
  readonly participants: number;
  readonly dataDir?: string;
  readonly pace: DurationMs;
};

/** A scene takes a few seconds; one that is not over by then never will be. */
const sceneMs: DurationMs = 60_000;

/** Of a line, if nobody tells how wide it may be; and what is still readable. */
const widths = { unknown: 100, min: 60, max: 120 };

const marginText = "      ";

export function commitDemoCommand(): Command {
  return new Command("commit")
    .description("play what can happen to a two-phase commit, with real processes, as sequence diagrams")
    .option("--scene <name>", "play this one only; may be repeated", collect(sceneArgument))
    .option("--list", "list the scenes")
    .option("--participants <n>", "how many participants, 2 to 10", integerArgument(2, 10), 3)
    .option("--data-dir <folder>", "keep the data and the logs there, instead of removing them")
    .option("--pace <duration>", "wait this long before each scene, for those who read along", durationArgument, 0)
    .action(run);
}

function sceneArgument(name: string): Scene {
  const scene = scenes.find((each) => each.name === name);
  if (scene === undefined) throw new InvalidArgumentError("--list shows the names.");
  return scene;
}

async function run(options: Options): Promise<void> {
  if (options.list) {
    const rows = scenes.map(({ name, title }) => [name, title]);
    print(tableLines(["scene", "what happens"], rows).join("\n"));
    return;
  }
  await runDemo({
    dataDir: options.dataDir,
    create: (folder) => createCluster({ folder, participantCount: options.participants }),
    play: (cluster, signal) => playAll(options, cluster, signal),
  });
}

/** Resolves to whether everything is as it must be. */
async function playAll({ scene: chosen = scenes, pace }: Options, cluster: Cluster, signal: AbortSignal): Promise<boolean> {
  const startedMs = Date.now();
  await withinLimit(cluster.start(), "the start", signal);
  const names = ["coordinator", ...cluster.participants];
  say(`Real processes: ${names.map((name) => `${name} (pid ${cluster.process(name).pid})`).join(", ")}. The client is this one.`);
  say(
    "Each reaches the coordinator over TCP, through a proxy that can hold back or cut what goes over it. What is drawn was logged by them.",
  );
  let failures = 0;
  for (const [index, scene] of chosen.entries()) {
    await sleep(pace, undefined, { signal });
    print(`\n${styleText("bold", `${index + 1}/${chosen.length}  ${scene.title}`)}`);
    const succeeded = tellAgreement(scene, await playScene(scene, cluster, signal));
    if (!succeeded) failures += 1;
  }
  const stopped = await cluster.stop();
  if (!stopped) print("  FAIL  a process did not stop in order when asked to");
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  const succeeded = failures === 0 && stopped;
  print(
    `\n${succeeded ? "All is as it must be" : "NOT all is as it must be"}. Scenes: ${chosen.length}, failed: ${failures}, in ${seconds} s.`,
  );
  return succeeded;
}

async function playScene(scene: Scene, cluster: Cluster, signal: AbortSignal): Promise<Agreement> {
  const processes = [...cluster.participants, ...(scene.hasTwin ? [cluster.twin] : [])];
  say(scene.about);
  print("");
  const stage = createStage({ cluster, processes, width: width(), print, signal });
  try {
    return await withinLimit(scene.play(stage).then(stage.agreed), scene.name, signal);
  } finally {
    await stage.end();
  }
}

/** Returns whether the scene has ended as it must. */
function tellAgreement({ name, outcome, mayBeLate }: Scene, { outcomes, problems }: Agreement): boolean {
  const found = outcomes.map((each) => each.toUpperCase()).join(", ");
  const isOther = outcomes.some((each) => each !== outcome);
  const wrong = isOther && !mayBeLate ? [...problems, `it ended as ${found}`] : problems;
  print("");
  if (wrong.length === 0) {
    say(`ok    ${found}: every log and every answer agree; nobody is in doubt`, marginText);
    if (isOther) say(`${marginText}The kill came later than it was meant to. That all agree is what counts.`, marginText);
    return true;
  }
  for (const problem of wrong) say(`FAIL  ${problem}`, marginText);
  say(`FAIL  again: concord demo commit --scene ${name}`, marginText);
  return false;
}

/** A scene that hangs has failed, and says so. */
async function withinLimit<T>(work: Promise<T>, what: string, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const limit = sleep(sceneMs, undefined, { signal: AbortSignal.any([signal, over.signal]) }).then(() => {
    throw new CommandError(`${what} is not over after ${sceneMs} ms`);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    over.abort();
    // What did not win the race may fail when everything is ended.
    for (const each of [work, limit]) each.catch(() => {});
  }
}

const width = (): number => Math.min(widths.max, Math.max(widths.min, process.stdout.columns || widths.unknown));

/** Breaks between words; what follows is indented by `hang`. */
function say(text: string, hang = ""): void {
  const [first = "", ...rest] = wrap(printable(text), width() - 2 - hang.length);
  print([first, ...rest.map((line) => hang + line)].map((line) => `  ${line}`).join("\n"));
}
