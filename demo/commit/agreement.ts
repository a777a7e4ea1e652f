import { setTimeout as sleep } from "node:timers/promises";
import { Outcome, TransactionPhase, VoteValue } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { DurationMs } from "../../src/kernel/time.ts";
import { readParticipantRecords } from "../participant-records.ts";
import { failureText, untilAnswered } from "../retry.ts";
import type { Cluster } from "./cluster.ts";

export type Decided = "committed" | "aborted";

/** A transaction: what the client was told of it, and what the coordinator has logged as its decision. */
export type Played = { readonly id: string; readonly told: Decided | undefined; readonly decided: Decided | undefined };

/** What the coordinator says of it afterwards. `bound` are those who voted to commit. */
type Known = Played & { readonly outcome: Decided; readonly isOver: boolean; readonly bound: readonly string[] };

/** What a process has in its own log: prepared, committed or aborted, by transaction. */
type Log = { readonly name: string; readonly participantId: string; readonly states: ReadonlyMap<string, string> };

export type Agreement = { readonly outcomes: readonly Decided[]; readonly problems: readonly string[] };

/** What is still on its way has arrived by then, also where a process waits before it connects again. */
const agreementMs: DurationMs = 20_000;
const pollMs: DurationMs = 25;

/** Compares what everybody says of these transactions, until all agree or it has taken too long. */
export async function untilAgreed(options: {
  readonly cluster: Cluster;
  /** Whose logs are read. */
  readonly processes: readonly string[];
  readonly played: readonly Played[];
  readonly signal: AbortSignal;
}): Promise<Agreement> {
  const { cluster, processes, played, signal } = options;
  const givesUpAtMs = Date.now() + agreementMs;
  for (;;) {
    const logs = processes.map((name) => {
      const states = readParticipantRecords(cluster.participantLog(name));
      return { name, participantId: cluster.participantId(name), states };
    });
    const known = await Promise.all(played.map((each) => look(cluster, each, signal)));
    const problems = disagreements(known, logs);
    if (problems.length === 0 || Date.now() > givesUpAtMs) return { outcomes: known.map(({ outcome }) => outcome), problems };
    await sleep(pollMs, undefined, { signal });
  }
}

export function disagreements(known: readonly Known[], logs: readonly Log[]): readonly string[] {
  const problems = known.length === 0 ? ["no transaction was begun"] : [];
  for (const { id, told, decided, outcome, isOver, bound } of known) {
    if (!isOver) problems.push(`${id} is not over`);
    if (told !== undefined && told !== outcome) problems.push(`${id} is ${outcome}, but the client was told ${told}`);
    if (decided !== undefined && decided !== outcome) problems.push(`${id} is ${outcome}, but was decided as ${decided}`);
    for (const { name, states } of logs) {
      const state = states.get(id) ?? outcome;
      if (state !== outcome) problems.push(`${id} is ${outcome}, but ${state} at ${name}`);
    }
    for (const participantId of outcome === "committed" ? bound : []) {
      const isKept = logs.some((log) => log.participantId === participantId && log.states.has(id));
      if (!isKept) problems.push(`${id} is committed, but unknown at ${participantId}`);
    }
  }
  for (const { name, states } of logs) {
    const count = [...states.values()].filter((state) => state === "prepared").length;
    if (count > 0) problems.push(`${name} is in doubt about ${count}`);
  }
  return problems;
}

/** Under presumed abort, no record means aborted. */
async function look({ commits }: Cluster, played: Played, signal: AbortSignal): Promise<Known> {
  const answer = await untilAnswered((options) => commits.getTransaction({ transactionId: played.id }, options), signal);
  if (!answer.ok && answer.error.reason !== "TRANSACTION_NOT_FOUND") throw new Error(failureText(answer.error));
  const transaction = answer.ok ? answer.value.transaction : undefined;
  const bound = transaction?.participants.filter(({ vote }) => vote === VoteValue.COMMIT) ?? [];
  return {
    ...played,
    outcome: transaction?.outcome === Outcome.COMMITTED ? "committed" : "aborted",
    isOver: transaction === undefined || transaction.phase === TransactionPhase.COMPLETED,
    bound: bound.map(({ participantId }) => participantId),
  };
}
