import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Channel } from "nice-grpc";
import { type Clients, connect } from "../../src/cli/client.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createProcess, type DemoProcess, type LogLine } from "../process.ts";
import { createLink, type Link } from "./link.ts";
import { createSessionBook } from "./session-book.ts";

export const coordinator = "coordinator";

/** The first participant thinks for a shorter time, so that there is a moment in which it alone has voted. */
const thinking = { first: "150ms", others: "400ms" };

/** A coordinator, participants `p1`, `p2`, …, and the network between them. */
export type Cluster = {
  readonly participants: readonly string[];
  /** A second process with the id and the network of `p1`, and a log of its own. Not started. */
  readonly twin: string;
  /** The id under which it takes part. */
  participantId(name: string): string;
  /** Which process has the newest session of a participant id, or had the one of this number. */
  holder(participantId: string, sessionEpoch?: number): string;
  process(name: string): DemoProcess;
  /** Of a participant, or of `client`. */
  link(name: string): Link;
  readonly commits: Clients["commits"];
  /** The file that a participant keeps its log in. */
  participantLog(name: string): string;
  /** Who hears each line that is logged; one at a time. */
  listen(listener?: (process: string, line: LogLine) => void): void;
  start(): Promise<void>;
  /** SIGKILL; its connections end, and what was on the way to or from it is lost. */
  kill(name: string): Promise<void>;
  /** In order; true if each one ended well. */
  stop(): Promise<boolean>;
  killNow(): void;
  close(): Promise<void>;
};

export function createCluster(options: { readonly folder: string; readonly participantCount: number }): Cluster {
  const { folder, participantCount } = options;
  const participants = Array.from({ length: participantCount }, (_, index) => `p${index + 1}`);
  const twin = "p1'";
  const links = new Map<string, Link>();
  const book = createSessionBook();
  let onLine = (_process: string, _line: LogLine): void => {};
  let address = "127.0.0.1:0";
  let channel: Channel | undefined;
  let commits: Clients["commits"] | undefined;
  mkdirSync(join(folder, "logs"), { recursive: true });

  const dataDir = (name: string): string => join(folder, name === twin ? "p1-twin" : name);
  const create = (name: string, readyMessage: string, args: () => readonly string[]): DemoProcess =>
    createProcess({
      name,
      args: () => [...args(), "--data-dir", dataDir(name), "--log-level", "debug"],
      readyMessage,
      logFile: join(folder, "logs", `${name}.log`),
      onLine(line) {
        book.hear(name, line);
        onLine(name, line);
      },
    });
  const participantId = (name: string): string => (name === twin ? "p1" : name);
  const participant = (name: string): DemoProcess => {
    const id = participantId(name);
    const delay = id === "p1" ? thinking.first : thinking.others;
    return create(name, "connected", () => ["participant", id, "--address", link(id).address, "--obey", "--delay", delay]);
  };
  const processes = new Map<string, DemoProcess>([
    [coordinator, create(coordinator, "serving", () => ["serve", "--services", "commit", "--listen", address])],
    ...[...participants, twin].map((name) => [name, participant(name)] as const),
  ]);

  const process = (name: string): DemoProcess => found(processes.get(name), name);
  const link = (name: string): Link => found(links.get(name), name);
  const killNow = (): void => {
    for (const each of processes.values()) each.killNow();
  };

  return {
    participants,
    twin,
    participantId,
    holder: book.holder,
    process,
    link,
    get commits() {
      return found(commits, "the client");
    },
    participantLog: (name) => join(dataDir(name), `participant-${participantId(name)}.sqlite`),
    listen(listener = () => {}) {
      onLine = listener;
    },
    async start() {
      const ready = await process(coordinator).start();
      // Each other start is at the same address.
      address = String(ready["listen"]);
      for (const name of ["client", ...participants]) links.set(name, await createLink(() => address));
      channel = openChannel(link("client").address);
      ({ commits } = connect(channel));
      await Promise.all(participants.map((name) => process(name).start()));
    },
    async kill(name) {
      await process(name).end("SIGKILL");
      for (const [end, each] of links) if (name === coordinator || name === end) each.reset();
    },
    async stop() {
      const codes = await Promise.all(participants.map((name) => process(name).end("SIGTERM")));
      codes.push(await process(coordinator).end("SIGTERM"));
      return codes.every((code) => code === 0);
    },
    killNow,
    async close() {
      killNow();
      channel?.close();
      for (const each of links.values()) each.close();
      await Promise.all([...processes.values()].map((each) => each.end("SIGKILL")));
    },
  };
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`${name} is not there yet`);
  return value;
}
