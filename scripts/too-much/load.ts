// A process of its own that moves workflows to and fro, each call another one. Prints what it has measured, as JSON.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { TransitionWorkflowRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { workflowName } from "../../test/bench/shape.ts";
import { type Connection, openConnection, type Status } from "./connection.ts";

export type Load = {
  readonly address: string;
  /** So many calls are under way for the whole time; or so many are made in a second, whatever becomes of them. */
  readonly callers?: number;
  readonly perSecond?: number;
  readonly timeoutMs?: number;
  /** How long a caller pauses who was refused. */
  readonly pauseMs: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Of workflows. */
  readonly count: number;
  readonly connections: number;
  /** Where each of them is, from one measurement to the next. */
  readonly stateFile: string;
};

export type Measured = {
  /** Answers of any kind, before the measurement and after it, too. */
  readonly all: number;
  /** Answers by `grpc-status`, "late" being those that had none in time. */
  readonly byStatus: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Of those that succeeded, and of those that were refused. */
  readonly done: Latency;
  readonly refused: Latency;
};

export type Latency = { readonly p50: number; readonly p99: number; readonly max: number };

const path = "/concord.workflow.v1.WorkflowService/TransitionWorkflow";
const [ok, exhausted, precondition] = [0, 8, 9];
const { ACTIVE, PAUSED } = WorkflowState;

const load = JSON.parse(process.argv[2] ?? "") as Load;
const opening = Array.from({ length: load.connections }, () => openConnection(load.address, path));
const connections = await Promise.all(opening);

/** A workflow, and where it is asked to go next. */
type Subject = { readonly to: readonly [Uint8Array, Uint8Array]; turn: 0 | 1; readonly connection: Connection };

const request = (workflowId: string, targetState: WorkflowState): Uint8Array =>
  TransitionWorkflowRequest.encode(
    TransitionWorkflowRequest.fromPartial({ workflowId, targetState, reason: "measured", requestedBy: "load" }),
  ).finish();

const turns = existsSync(load.stateFile) ? (JSON.parse(readFileSync(load.stateFile, "utf8")) as readonly (0 | 1)[]) : [];

const subjects = Array.from({ length: load.count }, (_, index): Subject => {
  const id = workflowName(index);
  const connection = connections[index % connections.length] as Connection;
  return { to: [request(id, PAUSED), request(id, ACTIVE)], turn: turns[index] ?? 0, connection };
});

const beginMs = performance.now() + load.warmUpMs;
const endMs = beginMs + load.durationMs;
let all = 0;
const byStatus: Record<string, number> = {};
const tookMs = { done: [] as number[], refused: [] as number[] };

function ask(subject: Subject): Promise<Status | "late"> {
  const askedMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<Status | "late">();
  const cancel = subject.connection.call(subject.to[subject.turn], load.timeoutMs, (status) => {
    clearTimeout(timer);
    resolve(status);
  });
  const giveUp = (): void => {
    cancel();
    resolve("late");
  };
  const timer = load.timeoutMs === undefined ? undefined : setTimeout(giveUp, load.timeoutMs);
  return promise.then((status) => {
    const nowMs = performance.now();
    // What was not known to be made may have been made: it is asked for from the other state then.
    if (status === ok || status === precondition) subject.turn = subject.turn === 0 ? 1 : 0;
    all += 1;
    if (nowMs >= beginMs && nowMs < endMs) {
      byStatus[status] = (byStatus[status] ?? 0) + 1;
      if (status === ok) tookMs.done.push(nowMs - askedMs);
      if (status === exhausted) tookMs.refused.push(nowMs - askedMs);
    }
    return status;
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

async function caller(index: number): Promise<void> {
  for (let turn = index; performance.now() < endMs; turn += load.callers ?? 1) {
    const status = await ask(subjects[turn % subjects.length] as Subject);
    if (status === exhausted) await pause(load.pauseMs);
  }
}

/** Whoever is free is asked for; with none free, the call is not made, and counts as one that was not. */
async function openLoop(perSecond: number): Promise<void> {
  const free = [...subjects];
  const startMs = performance.now();
  const answers: Promise<unknown>[] = [];
  for (let made = 0; performance.now() < endMs; ) {
    const due = ((performance.now() - startMs) * perSecond) / 1_000;
    for (; made < due; made += 1) {
      const subject = free.shift();
      if (subject === undefined) byStatus["not made"] = (byStatus["not made"] ?? 0) + 1;
      else answers.push(ask(subject).then(() => free.push(subject)));
    }
    await pause(1);
  }
  await Promise.all(answers);
}

const latency = (times: readonly number[]): Latency => {
  const sorted = Float64Array.from(times).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
};

if (load.callers !== undefined) {
  const callers = Array.from({ length: load.callers }, (_, index) => caller(index));
  await Promise.race([Promise.all(callers), pause(load.warmUpMs + load.durationMs + 10_000)]);
} else await openLoop(load.perSecond ?? 0);
for (const { close } of connections) close();
writeFileSync(load.stateFile, JSON.stringify([...subjects.map(({ turn }) => turn), ...turns.slice(subjects.length)]));
const measured: Measured = {
  all,
  byStatus,
  seconds: load.durationMs / 1_000,
  done: latency(tookMs.done),
  refused: latency(tookMs.refused),
};
console.log(JSON.stringify(measured));
process.exit();
