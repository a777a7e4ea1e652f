import { begin, newTransaction } from "../../../src/commit/core/coordinator.ts";
import type { CoordinatorEffect, CoordinatorInput, Step } from "../../../src/commit/core/coordinator-step.ts";
import type { CoordinatorMessage, ParticipantMessage } from "../../../src/commit/core/messages.ts";
import type { Acknowledgement, Moment, Part, Transaction } from "../../../src/commit/core/types.ts";
import { createDriver, type Driver, type DriverOptions } from "../../../src/commit/driver.ts";
import { createParticipant, type Participant, type ParticipantOptions } from "../../../src/commit/participant/participant.ts";
import type { DecisionLog, Logger, ParticipantLog, ParticipantTransport, Resource } from "../../../src/commit/ports.ts";
import { createSessions, type Sessions } from "../../../src/commit/sessions.ts";
import type { ExecuteRequest } from "../../../src/commit/verbs.ts";
import type { WatchAllMessage, WatchAllOptions } from "../../../src/commit/watches.ts";
import { AssertionError } from "../../../src/kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../../../src/kernel/ids.ts";
import { progressIntervalMs } from "../../../src/kernel/limits.ts";
import { timeNeverAhead } from "../../../src/kernel/time.ts";
import type { Breathe } from "../../../src/kernel/turns.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { createMemoryParticipantLog } from "../../../src/storage/memory/participant-log.ts";
import { unhurried } from "../../support/unhurried.ts";

export const id = (text: string): ParticipantId => text as ParticipantId;
export const tx = (text: string): TransactionId => text as TransactionId;

/** Says nothing, except of a defect. */
export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error(fields) {
    if ("err" in fields && fields.err instanceof AssertionError) throw fields.err;
  },
};

/** Lets everything run that waits for no timer. */
export async function flush(): Promise<void> {
  await new Promise((resolve) => void setImmediate(resolve));
  for (let i = 0; i < 300; i += 1) await Promise.resolve();
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Time passes only when a test says so. */
export function virtualClock(startMs = 1_000_000) {
  let nowMs = startMs;
  let setByMs = 0;
  let made = 0;
  const timers = new Map<number, { readonly atMs: number; readonly run: () => void }>();
  return {
    nowMs: () => nowMs + setByMs,
    monotonicMs: () => nowMs,
    get timerCount() {
      return timers.size;
    },
    /** Somebody sets the wall clock. */
    setBy(ms: number) {
      setByMs += ms;
    },
    /** Time passes while the process is stopped: its timers run late, before anything else. */
    stall(ms: number) {
      nowMs += ms;
    },
    setTimer(delayMs: number, run: () => void) {
      const key = made++;
      timers.set(key, { atMs: nowMs + delayMs, run });
      return () => timers.delete(key);
    },
    nextTurn: (run: () => void) => void setImmediate(run),
    async advance(ms: number) {
      const untilMs = nowMs + ms;
      await flush();
      for (;;) {
        const [next] = [...timers].filter(([, { atMs }]) => atMs <= untilMs).sort(([a, x], [b, y]) => x.atMs - y.atMs || a - b);
        if (!next) break;
        timers.delete(next[0]);
        nowMs = Math.max(nowMs, next[1].atMs);
        next[1].run();
        await flush();
      }
      nowMs = untilMs;
    },
  };
}

export type VirtualClock = ReturnType<typeof virtualClock>;

export const at = (nowMs = 1_000_000): Moment => ({ nowMs, random: 0.5 });

/** A transaction that has begun with these participants, all connected unless said otherwise. */
export function begun(
  names: readonly string[],
  options: { readonly missing?: readonly string[]; readonly waitMs?: number } = {},
): Step {
  const { missing = [], waitMs = 0 } = options;
  const first = newTransaction(
    {
      id: tx("t1"),
      coordinatorEpoch: 1,
      enlistments: names.map((name) => ({ participantId: id(name), payload: new TextEncoder().encode(`work of ${name}`) })),
      connected: new Set(names.filter((name) => !missing.includes(name)).map(id)),
      waitForParticipantsMs: waitMs,
      prepareTimeoutMs: 10_000,
      requestedBy: "alice",
      reason: "test",
      request: undefined,
    },
    at().nowMs,
  );
  return begin(first, at());
}

export const vote = (name: string, value: "commit" | "abort" | "read-only", reason = ""): CoordinatorInput => ({
  type: "vote",
  participantId: id(name),
  value,
  reason,
  ...at(),
});

export const ack = (name: string, outcome: Acknowledgement, reason = ""): CoordinatorInput => ({
  type: "ack",
  participantId: id(name),
  outcome,
  reason,
  ...at(),
});

/** Effects in short: `persist COMMITTING`, `send b commit`. Without the trace. */
export function shown(effects: readonly CoordinatorEffect[]): string[] {
  return effects.flatMap((effect) => {
    switch (effect.type) {
      case "trace":
        return [];
      case "persist":
      case "record":
        return `${effect.type} ${effect.transaction.phase}`;
      case "reply":
        return `reply ${effect.answer}`;
      case "send": {
        const { message } = effect;
        const what = message.type === "prepare" ? (message.onePhase ? "prepare one-phase" : "prepare") : message.outcome;
        return `send ${effect.participantId} ${what}`;
      }
      case "set-timer":
      case "clear-timer": {
        const { timer } = effect;
        return `${effect.type} ${timer.type}${timer.type === "resend" ? ` ${timer.participantId}` : ""}`;
      }
      default:
        return `${effect.type}: ${effect.reason}`;
    }
  });
}

/** Without timers. */
export const acts = (effects: readonly CoordinatorEffect[]): string[] =>
  shown(effects.filter(({ type }) => type !== "set-timer" && type !== "clear-timer"));

export const part = (step: Step, name: string): Part | undefined =>
  step.transaction.parts.find(({ participantId }) => participantId === name);

/** One coordinator process on a log. */
export type CoordinatorProcess = { readonly driver: Driver; readonly sessions: Sessions };

let transactions = 0;
const anyTransactionId = (): TransactionId => tx(`t${String(++transactions).padStart(6, "0")}`);

export async function startCoordinator(
  log: DecisionLog,
  clock: VirtualClock,
  options: Partial<DriverOptions> = {},
): Promise<CoordinatorProcess> {
  const sessions = createSessions({ log, clock, logger: silent, ...options });
  const driver = createDriver({
    log,
    sessions,
    clock,
    logger: silent,
    random: () => 0.5,
    newTransactionId: anyTransactionId,
    newCoordinatorId: () => "c",
    turns: unhurried,
    ...options,
  });
  const started = await driver.start();
  if (!started.ok) throw new Error(JSON.stringify(started.error));
  if (!options.turns) await driver.recovered;
  return { driver, sessions };
}

/** A watch of all transactions. */
export const allUntil = (signal: AbortSignal): WatchAllOptions => ({ wanted: undefined, progressIntervalMs, signal });

export async function* transactionsOf(messages: AsyncIterable<WatchAllMessage>): AsyncIterable<Transaction> {
  for await (const message of messages) if (message.type === "transaction") yield message.transaction;
}

export const newest = async (driver: Driver, limit = 1): Promise<readonly Transaction[]> =>
  (await driver.list({ beforeId: undefined, limit })).transactions;

export async function found(driver: Driver, transactionId: TransactionId): Promise<Transaction | undefined> {
  const got = await driver.get(transactionId);
  return got.ok ? got.value : undefined;
}

/** Connects a participant to whatever coordinator process there is at the moment. */
export function memoryTransport(coordinator: () => Sessions | undefined): ParticipantTransport {
  return {
    name: "memory",
    async *open(outgoing, signal) {
      const sessions = coordinator();
      if (!sessions) throw new Error("connection refused");
      const session = sessions.open("memory");
      signal.addEventListener("abort", () => session.disconnect(), { once: true });
      void (async () => {
        for await (const message of outgoing) await session.receive(message);
        session.disconnect();
      })();
      yield* session.outgoing;
      throw new Error(session.end?.reason ?? "no reason");
    },
  };
}

/** Keeps what it was asked, and is as idempotent as its port wants it. */
export function memoryResource(votes: Resource["prepare"] = async () => ({ value: "commit", reason: "" })) {
  const calls: string[] = [];
  const state = new Map<TransactionId, "prepared" | "committed" | "aborted">();
  const resource: Resource = {
    async prepare(work) {
      calls.push(`prepare ${work.transactionId}`);
      const answer = await votes(work);
      if (answer.value === "commit" && !state.has(work.transactionId)) state.set(work.transactionId, "prepared");
      return answer;
    },
    async commit({ transactionId }) {
      calls.push(`commit ${transactionId}`);
      if (!state.has(transactionId)) throw new Error("never prepared");
      state.set(transactionId, "committed");
    },
    async abort({ transactionId }) {
      calls.push(`abort ${transactionId}`);
      if (state.get(transactionId) === "committed") throw new Error("committed already");
      if (state.has(transactionId)) state.set(transactionId, "aborted");
    },
  };
  return { resource, calls, state };
}

let instances = 0;

export async function startParticipant(
  name: string,
  clock: VirtualClock,
  options: Pick<ParticipantOptions, "log" | "resource" | "coordinators"> & Partial<ParticipantOptions>,
): Promise<Participant> {
  const participant = createParticipant({
    participantId: id(name),
    instanceId: `${name}-${++instances}`,
    clock,
    random: () => 0.5,
    logger: silent,
    ...options,
  });
  await participant.start();
  await flush();
  return participant;
}

export const request = (names: readonly string[], options: Partial<ExecuteRequest> = {}): ExecuteRequest => ({
  enlistments: names.map((name) => ({ participantId: id(name), payload: new TextEncoder().encode(`work of ${name}`) })),
  prepareTimeoutMs: 10_000,
  waitForParticipantsMs: 0,
  request: undefined,
  reason: "test",
  requestedBy: "alice",
  ...options,
});

/** A log whose next writes fail. */
export function failingLog(log: ParticipantLog, failures: { count: number }): ParticipantLog {
  return {
    ...log,
    persist: async (record) => {
      if (failures.count > 0) {
        failures.count -= 1;
        throw new Error("disk full");
      }
      await log.persist(record);
    },
  };
}

/** A coordinator and participants that can be stopped and started, in one process, with time in the test's hands. */
export function world(options: Partial<DriverOptions> = {}) {
  const clock = virtualClock();
  const log = createMemoryDecisionLog(timeNeverAhead(clock));
  let current: CoordinatorProcess | undefined;
  const transport: ParticipantTransport = memoryTransport(() => current?.sessions);
  const coordinator = () => {
    if (!current) throw new Error("no coordinator runs");
    return current;
  };
  return {
    clock,
    log,
    coordinator,
    async start(more: Partial<DriverOptions> = {}) {
      current = await startCoordinator(log, clock, { ...options, ...more });
    },
    /** As if killed: what is in memory is gone, what is in the log stays. */
    stop() {
      current?.driver.close();
      current = undefined;
    },
    async participant(name: string, votes?: Resource["prepare"]) {
      const parts = memoryResource(votes);
      const participantLog = createMemoryParticipantLog();
      const start = (options = {}) =>
        startParticipant(name, clock, { log: participantLog, resource: parts.resource, coordinators: [transport], ...options });
      return { ...parts, log: participantLog, start, participant: await start() };
    },
    async run(names: readonly string[], options = {}) {
      const answer = await coordinator().driver.execute(request(names, options));
      if (!answer.ok) throw new Error(JSON.stringify(answer.error));
      return answer.value;
    },
  };
}

/** Slices that end when the test says so. */
export function handTurned() {
  let next = Promise.withResolvers<void>();
  return {
    turns: (): Breathe => () => next.promise,
    async turn() {
      const { resolve } = next;
      next = Promise.withResolvers();
      resolve();
      await flush();
    },
  };
}

/** A participant that says what the test says, and what it has heard. */
export async function join({ sessions }: { readonly sessions: Sessions }, name: string, ...inDoubt: readonly string[]) {
  const session = sessions.open(name);
  const heard: CoordinatorMessage[] = [];
  void (async () => {
    for await (const { message } of session.outgoing)
      if (message.type !== "heartbeat" && message.type !== "welcome") heard.push(message);
  })();
  let sequence = 0;
  const say = async (message: ParticipantMessage): Promise<void> => {
    await session.receive({ sequence: ++sequence, message });
    await flush();
  };
  void say({
    ...{ type: "hello", participantId: id(name), instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 8 },
    inDoubt: inDoubt.map((each) => ({ transactionId: tx(each), coordinatorId: "c" })),
  });
  await flush();
  return { heard, say, leave: session.disconnect };
}
