import { randomUUID } from "node:crypto";
import { ClientError, Status } from "nice-grpc";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { DurationMs } from "../../src/kernel/time.ts";
import { durationToWire } from "../../src/rpc/duration.ts";
import { clientFailure } from "../../src/rpc/errors.ts";
import { readParticipantRecords } from "../participant-records.ts";
import type { LogLine } from "../process.ts";
import { type Agreement, type Decided, type Played, untilAgreed } from "./agreement.ts";
import { type Cluster, coordinator } from "./cluster.ts";
import { createStory } from "./story.ts";

export type Vote = "commit" | "abort" | "read-only";

/** Longer than any participant thinks. */
const prepareTimeoutMs: DurationMs = 10_000;

/** A participant that has just been started may not be connected yet. */
const waitForParticipantsMs: DurationMs = 15_000;

/** What a scene can do. Everything it does is told. */
export type Stage = ReturnType<typeof createStage>;

export function createStage(options: {
  readonly cluster: Cluster;
  /** The participants that take part in the scene. */
  readonly processes: readonly string[];
  readonly width: number;
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
}) {
  const { cluster, processes, width, print, signal } = options;
  const story = createStory({ columns: ["client", coordinator, ...processes], width, print, holder: cluster.holder });
  const { participants, twin } = cluster;
  const [first = "", ...others] = participants;
  const heard: { readonly process: string; readonly line: LogLine }[] = [];
  const waiting = new Set<() => void>();
  const transactions = new Map<string, Played>();

  /** What this finds, as soon as it finds it. */
  function when<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  }

  function learn(id: unknown, what: Partial<Played>): void {
    const known = transactions.get(String(id)) ?? { id: String(id), told: undefined, decided: undefined };
    transactions.set(known.id, { ...known, ...what });
  }

  cluster.listen((process, line) => {
    heard.push({ process, line });
    story.heard(process, line);
    if (line["msg"] === "transaction begun") learn(line["transaction"], {});
    if (line["msg"] === "transaction decided") learn(line["transaction"], { decided: line["decision"] as Decided });
    for (const look of [...waiting]) look();
  });

  return {
    participants,
    first,
    others,
    twin,
    /** Shows what a participant's own log says about the transactions of this scene. */
    openLog(name: string): void {
      const records = readParticipantRecords(cluster.participantLog(name));
      const states = [...transactions.keys()].map((id) => records.get(id) ?? "nothing");
      story.happened({ type: "mark", at: [name], sign: "?", note: `its log says: ${states.join(", ")}` });
    },
    /** A line of the log that says this, as soon as there is one in this scene. */
    logged(process: string, msg: string, fields: LogLine = {}): Promise<LogLine> {
      const wanted = Object.entries({ msg, ...fields });
      const isIt = (line: LogLine): boolean => wanted.every(([name, value]) => line[name] === value);
      return when(() => heard.find((each) => each.process === process && isIt(each.line))?.line);
    },
    /** Resolves when the newest session of its participant id is its own. */
    inSession: (name: string): Promise<true> => when(() => cluster.holder(cluster.participantId(name)) === name || undefined),
    agreed: (): Promise<Agreement> => untilAgreed({ cluster, processes, played: [...transactions.values()], signal }),
    async end(): Promise<void> {
      await story.end();
      cluster.listen();
    },

    /** Everybody who takes part, with the same vote. */
    allVote: (vote: Vote): Readonly<Record<string, Vote>> => Object.fromEntries(participants.map((name) => [name, vote])),

    /** The client asks for a transaction, again and again if a retry is safe. Resolves when it knows the outcome, or has given up. */
    async execute(
      votes: Readonly<Record<string, Vote>>,
      { timeoutMs = prepareTimeoutMs, retries = false }: { readonly timeoutMs?: DurationMs; readonly retries?: boolean } = {},
    ): Promise<void> {
      const request = {
        participants: Object.entries(votes).map(([participantId, vote]) => ({ participantId, payload: Buffer.from(vote) })),
        prepareTimeout: durationToWire(timeoutMs),
        waitForParticipants: durationToWire(waitForParticipantsMs),
        requestedBy: "concord demo commit",
        ...(retries && { requestId: randomUUID() }),
      };
      const toCoordinator = { type: "arrow", from: ["client"], to: [coordinator] } as const;
      for (let attempt = 1; ; attempt += 1) {
        story.happened({ ...toCoordinator, label: "Execute", ...(attempt > 1 && { note: "again, same request_id" }) });
        try {
          const { transaction } = await cluster.commits.executeTransaction(request, { signal });
          const committed = transaction?.outcome === Outcome.COMMITTED;
          learn(transaction?.transactionId, { told: committed ? "committed" : "aborted" });
          const [label, tone] = committed ? (["COMMIT", "green"] as const) : (["ABORT", "red"] as const);
          story.happened({ type: "arrow", from: [coordinator], to: ["client"], label, tone });
          return;
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof ClientError)) throw error;
          const { code } = clientFailure(error);
          story.happened({ type: "mark", at: ["client"], sign: "×", note: Status[code], tone: "red" });
          if (!retries) return;
        }
      }
    },

    async kill(name: string): Promise<void> {
      story.happened({ type: "mark", at: [name], sign: "×", note: "kill -9", life: "down", tone: "red" });
      await cluster.kill(name);
    },
    start: (name: string): Promise<LogLine> => cluster.process(name).start(),
    async stop(name: string): Promise<void> {
      await cluster.process(name).end("SIGTERM");
      story.happened({ type: "mark", at: [name], sign: "×", note: "stopped", life: "down" });
    },

    /** What these say from now on is under way until somebody is killed. */
    hold(...names: readonly string[]): void {
      for (const name of names) {
        if (name === coordinator) for (const end of ["client", ...participants]) cluster.link(end).hold("coordinator");
        else cluster.link(name).hold("other");
      }
      story.happened({ type: "mark", at: names, sign: "~", note: "held back from now on" });
    },
    cut(name: string): void {
      cluster.link(name).cut();
      story.happened({ type: "mark", at: [name], sign: "≠", note: "cut off from the network", life: "cut off", tone: "red" });
    },
    heal(name: string): void {
      cluster.link(name).heal();
      story.happened({ type: "mark", at: [name], sign: "○", note: "the network is back", life: "up" });
    },
  };
}
