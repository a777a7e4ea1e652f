import { join } from "node:path";
import { createProcess, type DemoProcess } from "../../demo/process.ts";
import { freePort } from "../../examples/bank-transfer/postgres.ts";
import { assert } from "../../src/kernel/assert.ts";

export const topologies = ["one", "split"] as const;

/** All three services in one process, or each in its own. The participant is one of its own in both. */
export type Topology = (typeof topologies)[number];

export type World = {
  /** Where the workflow manager is. */
  readonly address: string;
  readonly engineAddress: string;
  /** Each has a turn to be killed, or to stand still. */
  readonly processes: readonly DemoProcess[];
  readonly start: () => Promise<void>;
  readonly killNow: () => void;
};

export const participantId = "alpha";

/** Beside much else a start may take long, and is no problem here. */
const readyMs = 300_000;

/** So that some transactions are aborted. */
const votes = ["--commit-probability", "0.9"];

export async function createWorld(topology: Topology, folder: string): Promise<World> {
  const [manager, coordinator, engine] = await Promise.all([freePort(), freePort(), freePort()]);
  const at = (port: number | undefined): string => `127.0.0.1:${port}`;
  const logFile = (name: string): string => join(folder, `${name}.log`);
  const host = (name: string, listen: string, ...args: readonly string[]): DemoProcess =>
    createProcess({
      name,
      args: () => ["serve", "--listen", listen, "--data-dir", join(folder, "data", name), ...args],
      readyMessage: "serving",
      logFile: logFile(name),
      readyMs,
    });
  const peers = ["--commit-address", at(coordinator), "--predicate-address", at(engine)];
  const hosts =
    topology === "one"
      ? [host("concord", at(manager))]
      : [
          host("engine", at(engine), "--services", "predicate"),
          host("coordinator", at(coordinator), "--services", "commit"),
          host("manager", at(manager), "--services", "workflow", ...peers),
        ];
  const commits = topology === "one" ? at(manager) : at(coordinator);
  const participant = createProcess({
    name: participantId,
    args: () => ["participant", participantId, "--address", commits, "--data-dir", join(folder, "data"), ...votes],
    readyMessage: "participant started",
    logFile: logFile(participantId),
    readyMs,
  });
  const processes = [...hosts, participant];
  return {
    address: at(manager),
    engineAddress: topology === "one" ? at(manager) : at(engine),
    processes,
    async start() {
      for (const each of processes) await each.start();
    },
    killNow() {
      for (const each of processes) each.killNow();
    },
  };
}

/** Kills it, and starts it where it was. */
export async function kill(victim: DemoProcess): Promise<void> {
  await victim.end("SIGKILL");
  await victim.start();
}

/** It stands still for so long, as on a machine that has no time for it. */
export function hang(victim: DemoProcess, forMs: number): Promise<void> {
  assert(victim.pid !== undefined, "what hangs was started");
  const { pid } = victim;
  process.kill(pid, "SIGSTOP");
  return new Promise((resolve) => {
    setTimeout(() => {
      process.kill(pid, "SIGCONT");
      resolve();
    }, forMs);
  });
}
