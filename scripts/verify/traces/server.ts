import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createProcess, type DemoProcess } from "../../../demo/process.ts";
import { connect } from "../../../src/cli/client.ts";
import type { TraceEvent } from "../../../src/commit/core/trace.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { createDice } from "../../../test/simulation/random.ts";

export type Load = { readonly transactions: number; readonly kills: number; readonly seed: number };

export type Recording = { readonly events: readonly TraceEvent[]; readonly answered: number; readonly unanswered: number };

const participants = ["a", "b", "c"] as const;
const concurrency = 16;
const settleMs = 60_000;

/** A real coordinator and real participants under load, killed in turn. */
export async function recordServer({ transactions, kills, seed }: Load): Promise<Recording> {
  const dir = mkdtempSync(join(tmpdir(), "concord-trace-"));
  const traceFile = (name: string): string => join(dir, `${name}.jsonl`);
  let address = "127.0.0.1:0";
  const create = (name: string, readyMessage: string, args: () => readonly string[]): DemoProcess =>
    createProcess({ name, args, readyMessage, logFile: join(dir, `${name}.log`) });
  const coordinator = create("coordinator", "serving", () => [
    "serve",
    "--services",
    "commit",
    "--listen",
    address,
    "--data-dir",
    dir,
    "--trace",
    traceFile("coordinator"),
  ]);
  const others = participants.map((name) =>
    create(name, "connected", () => [
      "participant",
      name,
      "--address",
      address,
      "--data-dir",
      dir,
      "--obey",
      "--trace",
      traceFile(name),
    ]),
  );
  const all = [coordinator, ...others];
  const killAll = (): void => {
    for (const each of all) each.killNow();
  };
  process.once("exit", killAll);
  try {
    address = String((await coordinator.start())["listen"]);
    await Promise.all(others.map((each) => each.start()));
    const channel = openChannel(address);
    const { commits } = connect(channel);
    const dice = createDice(seed);
    let killed = 0;
    let answered = 0;
    let unanswered = 0;
    let killing: Promise<unknown> = Promise.resolve();

    const enlistments = () =>
      participants
        .filter(() => dice.chance(0.75))
        .map((participantId) => {
          const vote = dice.pick(["commit", "commit", "commit", "commit", "commit", "read-only", "abort"]);
          return { participantId, payload: Buffer.from(vote) };
        });

    async function transact(): Promise<void> {
      const prepareTimeout = { seconds: 3n, nanos: 0 };
      if (dice.chance(0.8)) {
        const enlisted = dice.chance(0.1) ? [] : enlistments();
        await commits.executeTransaction({ participants: enlisted, prepareTimeout, waitForParticipants: prepareTimeout });
        return;
      }
      const begun = await commits.beginTransaction({ prepareTimeout, idleTimeout: prepareTimeout });
      const transactionId = begun.transaction?.transactionId ?? "";
      for (const participant of enlistments()) await commits.enlistParticipant({ transactionId, participant });
      if (dice.chance(0.3)) await commits.abortTransaction({ transactionId });
      else await commits.commitTransaction({ transactionId });
    }

    /** The next one in turn, every other time the coordinator. */
    function kill(): void {
      const victim = killed % 2 === 1 ? coordinator : (others[(killed >> 1) % others.length] as DemoProcess);
      killed += 1;
      killing = killing.then(() => victim.end("SIGKILL")).then(() => victim.start());
    }

    async function client(): Promise<void> {
      while (answered < transactions) {
        if (killed < kills && answered >= ((killed + 1) * transactions) / (kills + 1)) kill();
        try {
          await transact();
          answered += 1;
        } catch {
          // Its coordinator was killed. What it has done by then is in the trace.
          unanswered += 1;
          await sleep(100);
        }
      }
    }

    await Promise.all(Array.from({ length: concurrency }, client));
    await killing;
    await settled(async () => {
      const { transactions: left } = await commits.listTransactions({ pageSize: 10, filter: 'transaction.phase != "COMPLETED"' });
      return left.map(({ transactionId }) => transactionId);
    });
    channel.close();
    for (const each of all.toReversed()) await each.end("SIGTERM");
    const events = ["coordinator", ...participants].flatMap((name) => readTrace(traceFile(name)));
    return { events: inOrder(events), answered, unanswered };
  } finally {
    for (const each of all) await each.end("SIGKILL");
    process.off("exit", killAll);
    rmSync(dir, { recursive: true, force: true });
  }
}

async function settled(unfinished: () => Promise<readonly string[]>): Promise<void> {
  let left: readonly string[] = [];
  for (const until = performance.now() + settleMs; performance.now() < until; await sleep(100)) {
    left = await unfinished();
    if (left.length === 0) return;
  }
  throw new Error(`transactions are not over after ${settleMs} ms: ${left.join(", ")}`);
}

export type Stamped = TraceEvent & { readonly at: string };

export const readTrace = (path: string): readonly Stamped[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Stamped);

/** By the clock that all processes of a machine share. */
export const inOrder = (events: readonly Stamped[]): readonly TraceEvent[] =>
  events
    .map((event) => ({ event, at: BigInt(event.at) }))
    .sort((a, b) => Number(a.at - b.at))
    .map(({ event }) => event);
