import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Channel } from "nice-grpc";
import { type Clients, connect } from "../src/cli/client.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { createProcess, type DemoProcess } from "./process.ts";
import type { Scenario } from "./scenario.ts";

/** Each of these is a process of its own, with its own data, and can be killed alone. */
export type Laboratory = {
  readonly engine: DemoProcess;
  readonly coordinator: DemoProcess;
  readonly manager: DemoProcess;
  readonly inventory: DemoProcess;
  readonly instrument: DemoProcess;
  /** In the order of their start. */
  readonly processes: readonly DemoProcess[];
  /** Where a process that serves can be reached. */
  addressOf(process: DemoProcess): string | undefined;
  /** The file that a participant keeps its log in. */
  participantLog(participantId: ParticipantName): string;
  start(): Promise<Clients>;
  /** Kills and starts again. Resolves to how long nobody was there. */
  killAndRestart(killed: readonly DemoProcess[]): Promise<number>;
  /** In order; true if each one ended well. */
  stop(): Promise<boolean>;
  /** Without waiting; for the last moment of this process. */
  killNow(): void;
  /** Nothing runs any more when it resolves, and nothing will be started. */
  close(): Promise<void>;
};

export type ParticipantName = keyof Scenario["participants"];

export function createLaboratory(options: {
  readonly folder: string;
  readonly scenario: Scenario;
  readonly seed: number;
}): Laboratory {
  const { folder, scenario, seed } = options;
  const dataDir = (name: string): string => join(folder, name);
  const logFile = (name: string): string => join(folder, "logs", `${name}.log`);
  const addresses = new Map<DemoProcess, string>();
  const channels: Channel[] = [];
  mkdirSync(join(folder, "logs"));

  const server = (name: string, service: string, peers: () => readonly string[] = () => []): DemoProcess => {
    const created: DemoProcess = createProcess({
      name,
      // The first start chooses a port; every other one keeps it.
      args: () => [
        ...["serve", "--services", service, "--data-dir", dataDir(service)],
        ...["--listen", addresses.get(created) ?? "127.0.0.1:0", ...peers()],
      ],
      readyMessage: "serving",
      logFile: logFile(service),
    });
    return created;
  };
  const participant = (name: ParticipantName): DemoProcess =>
    createProcess({
      name,
      args: () => [
        ...["participant", name, "--data-dir", dataDir(name), "--address", addressOf(coordinator)],
        ...["--seed", String(seed), "--commit-probability", String(scenario.participants[name])],
      ],
      readyMessage: "connected",
      logFile: logFile(name),
    });
  const addressOf = (process: DemoProcess): string => addresses.get(process) ?? "";

  const engine = server("predicate engine", "predicate");
  const coordinator = server("coordinator", "commit");
  const manager = server("workflow manager", "workflow", () => [
    ...["--predicate-address", addressOf(engine), "--commit-address", addressOf(coordinator)],
  ]);
  const inventory = participant("inventory");
  const instrument = participant("instrument");
  const processes = [engine, coordinator, manager, inventory, instrument];

  async function clientsOf(process: DemoProcess): Promise<Clients> {
    const { listen } = await process.start();
    addresses.set(process, String(listen));
    const channel = openChannel(String(listen));
    channels.push(channel);
    return connect(channel);
  }

  const killNow = (): void => {
    for (const process of processes) process.killNow();
  };

  return {
    engine,
    coordinator,
    manager,
    inventory,
    instrument,
    processes,
    addressOf: (process) => addresses.get(process),
    participantLog: (name) => join(dataDir(name), `participant-${name}.sqlite`),
    async start() {
      const [{ predicates }, { commits }] = await Promise.all([clientsOf(engine), clientsOf(coordinator)]);
      const [{ workflows }] = await Promise.all([clientsOf(manager), inventory.start(), instrument.start()]);
      return { workflows, predicates, commits };
    },
    async killAndRestart(killed) {
      await Promise.all(killed.map((process) => process.end("SIGKILL")));
      const goneMs = Date.now();
      await Promise.all(killed.map((process) => process.start()));
      return Date.now() - goneMs;
    },
    async stop() {
      const codes: (number | null)[] = [];
      for (const process of [manager, inventory, instrument, coordinator, engine]) codes.push(await process.end("SIGTERM"));
      return codes.every((code) => code === 0);
    },
    killNow,
    async close() {
      killNow();
      for (const channel of channels) channel.close();
      await Promise.all(processes.map((process) => process.end("SIGKILL")));
    },
  };
}
