import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ExecuteTransactionRequest } from "../../src/gen/concord/commit/v1/two_phase_commit.ts";
import type { BenchServer } from "./server-process.ts";
import { participantCounts, participantName } from "./shape.ts";

/** One would be the bottleneck of ten participants, and each more only takes the cores from the others. */
export const participantProcessCount = 2;

/** After a measurement everything that has begun must be over by then; the time to vote is 10 s. */
const settleMs = 30_000;

/** What has happened so far at the coordinator and at all participants. */
export type Counters = {
  readonly begun: number;
  readonly committed: number;
  readonly aborted: number;
  /** Writes of the coordinator that a transaction waited for. */
  readonly forced: number;
  readonly flushes: number;
  readonly messages: number;
  readonly participantFlushes: number;
};

export type Participants = {
  /** When everything that has begun is over. */
  counters(): Promise<Counters>;
  stop(): void;
};

/** The largest number of participants, spread over their processes. */
export async function startParticipants({ port, series }: BenchServer, folder: string): Promise<Participants> {
  const names = Array.from({ length: Math.max(...participantCounts) }, (_, index) => participantName(index));
  const processes = Array.from({ length: participantProcessCount }, (_, turn) => {
    const own = names.filter((_, index) => index % participantProcessCount === turn);
    return fork(join(import.meta.dirname, "participants.ts"), [`127.0.0.1:${port}`, folder, ...own]);
  });
  await Promise.all(processes.map((each) => once(each, "message")));

  async function coordinatorWhenOver(): Promise<(name: string) => number> {
    const givesUpAtMs = Date.now() + settleMs;
    for (;;) {
      const values = await series();
      const value = (name: string): number => values.get(`concord_commit_${name}`) ?? 0;
      const [undecided, inDoubt] = [value("transactions_undecided"), value("transactions_in_doubt")];
      if (undecided === 0 && inDoubt === 0) return value;
      if (Date.now() > givesUpAtMs)
        throw new Error(`${undecided} transactions are undecided, ${inDoubt} in doubt, after ${settleMs} ms`);
      await pause(20);
    }
  }

  return {
    async counters() {
      const value = await coordinatorWhenOver();
      const reports = await Promise.all(processes.map(report));
      return {
        begun: value("transactions_begun_total"),
        committed: value('transactions_decided_total{outcome="committed"}'),
        aborted: value('transactions_decided_total{outcome="aborted"}'),
        forced: value("forced_writes_total"),
        flushes: value("flush_writes_count"),
        messages: reports.reduce((sum, { messages }) => sum + messages, 0),
        participantFlushes: reports.reduce((sum, { flushes }) => sum + flushes, 0),
      };
    },
    stop() {
      for (const each of processes) each.disconnect();
    },
  };
}

async function report(child: ChildProcess): Promise<{ readonly messages: number; readonly flushes: number }> {
  child.send("report");
  const [counted] = await once(child, "message");
  return counted;
}

/** A load generator repeats it: without a request id each call is a new transaction. */
export function transactionBody(participantCount: number): Uint8Array {
  const participants = Array.from({ length: participantCount }, (_, index) => ({
    participantId: participantName(index),
    payload: Buffer.from("work of some bytes"),
  }));
  const request = ExecuteTransactionRequest.fromPartial({ participants, reason: "measured", requestedBy: "bench" });
  return ExecuteTransactionRequest.encode(request).finish();
}
