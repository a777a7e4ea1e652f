import { Command } from "commander";
import { createNarrator } from "../narrator.ts";
import { runDemo } from "../run-demo.ts";
import { concurrency } from "./concurrency.ts";
import { lifecycle } from "./lifecycle.ts";
import { recovery } from "./recovery.ts";
import { rules } from "./rules.ts";
import { createServers, createStage, type Stage } from "./stage.ts";

type Scene = { readonly name: string; readonly about: string; readonly play: (stage: Stage) => Promise<void> };

const scenes: readonly Scene[] = [
  { name: "lifecycle", about: "try every move from every state", play: lifecycle },
  { name: "concurrency", about: "let many callers change the same workflow at once", play: concurrency },
  { name: "rules", about: "forbid, change the rules beside moves, and kill the predicate engine", play: rules },
  { name: "recovery", about: "recover failed work, and kill the workflow manager", play: recovery },
];

/** Each shows properties of specs/WorkflowManager.tla on real processes, by name. */
export const propertyCommands = (): readonly Command[] =>
  scenes.map((scene) =>
    new Command(scene.name)
      .description(scene.about)
      .option("--keep", "keep the data and the logs, and say where")
      .action((options: { readonly keep?: true }) => run(scene, options.keep)),
  );

async function run({ about, play }: Scene, keep: true | undefined): Promise<void> {
  const narrator = createNarrator();
  await runDemo({
    keep,
    create: createServers,
    play: async (servers, signal) => {
      const startedMs = Date.now();
      const clients = await servers.start();
      const pids = [servers.engine, servers.manager].map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
      narrator.heading(`${about[0]?.toUpperCase()}${about.slice(1)}. Real processes: ${pids}.`);
      const stage = createStage({ servers, clients, narrator, signal });
      await play(stage);
      const stopped = await servers.stop();
      if (!stopped) narrator.line("FAIL  a process did not stop in order when asked to");
      const succeeded = stage.broken() === 0 && stopped;
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      narrator.heading(`${succeeded ? "All is as it must be" : "NOT all is as it must be"}, after ${seconds} s.`);
      return succeeded;
    },
  });
}
