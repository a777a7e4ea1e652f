import { setTimeout as sleep } from "node:timers/promises";
import type { Clients } from "../src/cli/client.ts";
import { enumText } from "../src/cli/output.ts";
import { Outcome, type Transaction } from "../src/gen/concord/commit/v1/transaction.ts";
import { type Workflow, type WorkflowEvent, WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import type { GetSystemStatsResponse } from "../src/gen/concord/workflow/v1/workflow_service.ts";
import { isMove, type WorkflowState as StateName, workflowStates } from "../src/kernel/lifecycle.ts";
import type { DurationMs } from "../src/kernel/time.ts";
import { untilAnswered } from "./retry.ts";

/** Everything that Concord says about the day, read back over gRPC. */
export type Evidence = {
  readonly workflows: readonly Workflow[];
  readonly events: readonly WorkflowEvent[];
  readonly transactions: readonly Transaction[];
  readonly stats: GetSystemStatsResponse;
};

/** What a participant's own log says: prepared, committed or aborted, by transaction. */
export type ParticipantRecords = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A claim, and what speaks against it. */
export type Check = { readonly claim: string; readonly problems: readonly string[] };

/** The last decisions may still be on their way; a process that was killed gets them when it is back. */
const settleMs: DurationMs = 30_000;
const settlePollMs: DurationMs = 100;

export async function readEvidence(clients: Clients, signal: AbortSignal): Promise<Evidence> {
  await untilSettled(clients, signal);
  const workflows = await readPages(signal, async (pageToken, options) => {
    const answer = await clients.workflows.listWorkflows({ pageSize: 1000, pageToken }, options);
    return { items: answer.workflows, nextPageToken: answer.nextPageToken };
  });
  const events = await readPages(signal, async (pageToken, options) => {
    const answer = await clients.workflows.listWorkflowEvents({ pageSize: 1000, pageToken }, options);
    return { items: answer.events, nextPageToken: answer.nextPageToken };
  });
  const transactions = await readPages(signal, async (pageToken, options) => {
    const answer = await clients.commits.listTransactions({ pageSize: 1000, pageToken }, options);
    return { items: answer.transactions, nextPageToken: answer.nextPageToken };
  });
  return { workflows, events, transactions, stats: await readStats(clients, signal) };
}

async function untilSettled(clients: Clients, signal: AbortSignal): Promise<void> {
  const endMs = Date.now() + settleMs;
  while (Date.now() < endMs) {
    const unfinished = await readPages(signal, async (pageToken, options) => {
      const answer = await clients.commits.listTransactions({ pageToken, filter: 'transaction.phase != "COMPLETED"' }, options);
      return { items: answer.transactions, nextPageToken: answer.nextPageToken };
    });
    if (unfinished.length === 0 && (await readStats(clients, signal)).inTransition === 0n) return;
    await sleep(settlePollMs, undefined, { signal });
  }
}

async function readStats(clients: Clients, signal: AbortSignal): Promise<GetSystemStatsResponse> {
  return mustAnswer(await untilAnswered((options) => clients.workflows.getSystemStats({}, options), signal));
}

type Page<T> = { readonly items: readonly T[]; readonly nextPageToken: string };

async function readPages<T>(
  signal: AbortSignal,
  read: (pageToken: string, options: { readonly deadline: number; readonly signal: AbortSignal }) => Promise<Page<T>>,
): Promise<readonly T[]> {
  const found: T[] = [];
  let pageToken = "";
  do {
    const page: Page<T> = mustAnswer(await untilAnswered((options) => read(pageToken, options), signal));
    found.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return found;
}

function mustAnswer<T>(
  answer: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { message: string } },
): T {
  if (!answer.ok) throw new Error(answer.error.message);
  return answer.value;
}

/** Compares what Concord says with what the client was told, and with what each participant has in its log. */
export function checkAll(
  { workflows, events, transactions, stats }: Evidence,
  ledger: readonly WorkflowEvent[],
  participants: ParticipantRecords,
): readonly Check[] {
  const acknowledged = new Set(ledger.map(({ sequence }) => sequence));
  return [
    {
      claim: `${acknowledged.size} changes were acknowledged, and each is in the history, as it was acknowledged`,
      problems: ledger
        .filter((told) => !sameEvent(told, events[Number(told.sequence) - 1]))
        .map(({ workflowId, version }) => `${workflowId} version ${version} is lost`),
    },
    {
      claim: "nothing else is in the history: no repeated request was carried out twice",
      problems: events
        .filter(({ sequence }) => !acknowledged.has(sequence))
        .map(
          ({ workflowId, version, sequence }) => `event ${sequence}, ${workflowId} version ${version}, was never acknowledged`,
        ),
    },
    {
      claim: `events are numbered 1 to ${events.length} without a gap; so are the versions of each sample; every move is legal`,
      problems: brokenChains(events),
    },
    {
      claim: "each sample is where its history ends; none is held by a transaction; the server's counts agree",
      problems: [...misplaced(workflows, events), ...wrongCounts(events, stats)],
    },
    {
      claim: `${transactions.length} transactions have ended: ${countOf(transactions, Outcome.COMMITTED)} committed, ${countOf(transactions, Outcome.ABORTED)} aborted`,
      problems: transactions
        .filter(({ phase, outcome }) => phase !== "TRANSACTION_PHASE_COMPLETED" || outcome === Outcome.UNSPECIFIED)
        .map(({ transactionId, phase }) => `${transactionId} is in phase ${phase}`),
    },
    {
      claim: `coordinator, workflow manager, ${[...participants.keys()].join(" and ")} agree on each one; nobody is in doubt`,
      problems: disagreements(transactions, events, participants),
    },
  ];
}

function sameEvent(told: WorkflowEvent, stored: WorkflowEvent | undefined): boolean {
  return JSON.stringify(told, bigintText) === JSON.stringify(stored, bigintText);
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function brokenChains(events: readonly WorkflowEvent[]): readonly string[] {
  const problems: string[] = [];
  const last = new Map<string, WorkflowEvent>();
  for (const [index, event] of events.entries()) {
    const { workflowId, sequence, version, fromState } = event;
    const before = last.get(workflowId);
    if (sequence !== BigInt(index + 1)) problems.push(`event ${sequence} is in place ${index + 1}`);
    if (version !== (before?.version ?? 0n) + 1n) problems.push(`${workflowId}: version ${version} after ${before?.version}`);
    if (before !== undefined && (fromState !== before.toState || !isMove(stateName(fromState), stateName(event.toState)))) {
      problems.push(`${workflowId}: ${fromState} to ${event.toState} after ${before.toState}`);
    }
    last.set(workflowId, event);
  }
  return problems;
}

/** How many samples are in each state, by the history. */
export function countStates(events: readonly WorkflowEvent[]): ReadonlyMap<StateName, number> {
  const states = new Map(events.map(({ workflowId, toState }) => [workflowId, stateName(toState)]));
  return new Map(workflowStates.map((name) => [name, [...states.values()].filter((state) => state === name).length]));
}

function misplaced(workflows: readonly Workflow[], events: readonly WorkflowEvent[]): readonly string[] {
  const last = new Map(events.map((event) => [event.workflowId, event]));
  const listed = new Set(workflows.map(({ workflowId }) => workflowId));
  const lost = [...last.keys()].filter((workflowId) => !listed.has(workflowId));
  const wrong = workflows.filter(({ workflowId, state, version, inTransition }) => {
    const event = last.get(workflowId);
    return state !== event?.toState || version !== event.version || inTransition !== undefined;
  });
  return [
    ...lost.map((workflowId) => `${workflowId} is lost`),
    ...wrong.map(({ workflowId, state, version }) => `${workflowId} is ${state} at version ${version}, or held`),
  ];
}

function wrongCounts(events: readonly WorkflowEvent[], stats: GetSystemStatsResponse): readonly string[] {
  const problems: string[] = [];
  if (stats.inTransition !== 0n) problems.push(`${stats.inTransition} workflows counted as held`);
  if (stats.totalEvents !== BigInt(events.length)) problems.push(`${stats.totalEvents} events counted, ${events.length} listed`);
  for (const [name, count] of countStates(events)) {
    const counted = stats.workflowsByState.find(({ state }) => state === WorkflowState[name])?.count ?? 0n;
    if (counted !== BigInt(count)) problems.push(`${counted} workflows counted ${name}, ${count} by the history`);
  }
  return problems;
}

function disagreements(
  transactions: readonly Transaction[],
  events: readonly WorkflowEvent[],
  participants: ParticipantRecords,
): readonly string[] {
  const problems: string[] = [];
  const outcomes = new Map(transactions.map(({ transactionId, outcome }) => [transactionId, outcome]));
  const moved = new Set(events.map(({ transactionId }) => transactionId).filter((transactionId) => transactionId !== ""));
  const ids = new Set([...outcomes.keys(), ...moved, ...[...participants.values()].flatMap((records) => [...records.keys()])]);
  for (const id of ids) {
    // No record means aborted: presumed abort.
    const outcome = outcomes.get(id) ?? "no record";
    const committed = outcome === Outcome.COMMITTED;
    if (moved.has(id) !== committed) problems.push(`${id}: ${outcome}, but the workflow manager disagrees`);
    for (const [name, records] of participants) {
      const record = records.get(id) ?? "aborted";
      if (record !== (committed ? "committed" : "aborted")) problems.push(`${id}: ${outcome}, but ${record} at ${name}`);
    }
  }
  return problems;
}

function countOf(transactions: readonly Transaction[], outcome: Outcome): number {
  return transactions.filter((transaction) => transaction.outcome === outcome).length;
}

function stateName(state: WorkflowState): StateName {
  return enumText("WORKFLOW_STATE_", state) as StateName;
}
