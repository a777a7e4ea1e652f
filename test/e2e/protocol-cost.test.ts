import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDriver } from "../../src/commit/driver.ts";
import { createParticipant, type Participant } from "../../src/commit/participant/participant.ts";
import type { DecisionLog, Resource } from "../../src/commit/ports.ts";
import { createSessions } from "../../src/commit/sessions.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { TwoPhaseCommitDefinition } from "../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { voteAbort, voteCommit, voteReadOnly } from "../../src/participant.ts";
import { clientFactory, openChannel } from "../../src/rpc/clients/channel.ts";
import { createParticipantTransport } from "../../src/rpc/clients/participant-transport.ts";
import { createCommitService } from "../../src/rpc/commit-service.ts";
import { createRpcServer, withValidation } from "../../src/rpc/server.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { temporaryFolder } from "../support/concord.ts";
import { countingTransport } from "../support/counting-transport.ts";
import { unhurried } from "../support/unhurried.ts";
import { until } from "../support/until.ts";
import { id, silent, tx } from "../unit/commit/support.ts";

// What a transaction costs, counted and compared with docs/two-phase-commit.md. Everything is real: gRPC, sessions, SQLite logs.
// Messages are counted where they enter and leave the participants' streams, flushes as the writer threads report them.

type Prepare = Resource["prepare"];

const commit: Prepare = async () => voteCommit;
const readOnly: Prepare = async () => voteReadOnly;

const named = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `p${index + 1}`);
const all = <Value>(names: readonly string[], value: Value) => Object.fromEntries(names.map((name) => [name, value]));

const newTally = () => ({
  messages: {} as Record<string, number>,
  /** Writes of the coordinator's log that a transaction waited for, and the flushes that carried at least one of them. */
  forced: 0,
  forcedFlushes: new Set<number>(),
  /** Writes that nobody waits for: that it was aborted, that it is completed. */
  recorded: [] as Promise<unknown>[],
  coordinatorFlushes: 0,
  participantFlushes: {} as Record<string, number>,
});

async function createWorld() {
  const data = temporaryFolder();
  const metrics = createMetrics();
  let tally = newTally();
  const opened = await openSqliteDecisionLog({ path: join(data.path, "commit.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const log = opened.value;
  const closers: (() => unknown)[] = [data.remove, log.close];
  log.onFlush((flush) => {
    tally.coordinatorFlushes += 1;
    metrics.commit.flushed(flush);
  });
  const countedLog: DecisionLog = {
    ...log,
    force: async (...args) => {
      tally.forced += 1;
      const written = await log.force(...args);
      // A flush is reported just before its writes are acknowledged.
      tally.forcedFlushes.add(tally.coordinatorFlushes);
      return written;
    },
    record: (...args) => {
      const written = log.record(...args);
      tally.recorded.push(written);
      return written;
    },
  };

  const sessions = createSessions({ log: countedLog, clock: systemClock, logger: silent });
  let transactionCount = 0;
  const driver = createDriver({
    log: countedLog,
    sessions,
    // On a busy machine an acknowledgement may take longer than the pause after which a decision is sent again.
    clock: { ...systemClock, setTimer: () => () => {} },
    random: Math.random,
    newTransactionId: () => tx(`t${String(++transactionCount).padStart(6, "0")}`),
    newCoordinatorId: () => "c",
    turns: unhurried,
    logger: silent,
    metrics: metrics.commit,
  });
  await driver.start();
  const service = createCommitService({
    driver,
    sessions,
    clock: systemClock,
    turns: createTurns(),
    messageTurns: createTurns(),
  });
  const definition = withValidation(TwoPhaseCommitDefinition);
  const server = createRpcServer({
    services: [{ name: TwoPhaseCommitDefinition.fullName, addTo: (builder) => builder.add(definition, service) }],
    logger: createLogger({ level: "silent", format: "json" }),
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const channel = openChannel(address);
  const client = clientFactory.create(TwoPhaseCommitDefinition, channel);
  closers.push(async () => {
    channel.close();
    driver.close();
    await server.shutdown(1_000);
  });

  async function participate(name: string, prepare: Prepare): Promise<Participant> {
    const itsLog = await openSqliteParticipantLog({ path: join(data.path, `${name}.sqlite`) });
    if (!itsLog.ok) throw new Error(itsLog.error.message);
    itsLog.value.onFlush(() => {
      tally.participantFlushes[name] = (tally.participantFlushes[name] ?? 0) + 1;
    });
    const transport = createParticipantTransport({ address });
    const counting = countingTransport(transport, (type) => {
      tally.messages[type] = (tally.messages[type] ?? 0) + 1;
    });
    const participant = createParticipant({
      coordinators: [counting],
      participantId: id(name),
      instanceId: `${name}-1`,
      log: itsLog.value,
      resource: { prepare, async commit() {}, async abort() {} },
      clock: systemClock,
      random: Math.random,
      logger: silent,
    });
    await participant.start();
    closers.push(async () => {
      await participant.close(1_000);
      await itsLog.value.close();
    });
    return participant;
  }

  return {
    metrics,
    /** From here on, what is counted is transactions. */
    async enter(votes: Readonly<Record<string, Prepare>>): Promise<void> {
      const entered = await Promise.all(Object.entries(votes).map(([name, prepare]) => participate(name, prepare)));
      // By then each has written down whose session it is.
      await until(() => entered.every(({ connected }) => connected), "all participants are connected");
      tally = newTally();
    },
    /** Resolves when it is over, and in the log. */
    async run(names: readonly string[]): Promise<Outcome | undefined> {
      const participants = names.map((participantId) => ({ participantId, payload: Buffer.from("work") }));
      const { transaction } = await client.executeTransaction({ participants, prepareTimeout: { seconds: 60n } });
      for await (const _ of client.watchTransaction({ transactionId: transaction?.transactionId ?? "" }));
      await Promise.all(tally.recorded);
      return transaction?.outcome;
    },
    costs: () => ({ ...tally, recorded: tally.recorded.length, forcedFlushes: tally.forcedFlushes.size }),
    sentVotes: () => tally.messages["vote"] ?? 0,
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

let world: Awaited<ReturnType<typeof createWorld>>;

beforeEach(async () => {
  world = await createWorld();
});

afterEach(() => world.close());

describe("one transaction after the other", () => {
  test.each([2, 5, 10])("%i participants: 4 messages and 2 flushes each; 1 forced write at the coordinator", async (count) => {
    const names = named(count);
    await world.enter(all(names, commit));
    for (const _ of named(3)) expect(await world.run(names)).toBe(Outcome.COMMITTED);
    expect(world.costs()).toEqual({
      messages: { prepare: 3 * count, vote: 3 * count, decision: 3 * count, "decision-ack": 3 * count },
      forced: 3,
      forcedFlushes: 3,
      recorded: 3,
      coordinatorFlushes: 6,
      participantFlushes: all(names, 6),
    });
  });

  test("one participant, in one phase: 2 messages; 1 forced write, that it decides; 2 flushes", async () => {
    await world.enter({ p1: commit });
    expect(await world.run(["p1"])).toBe(Outcome.COMMITTED);
    expect(world.costs()).toEqual({
      messages: { prepare: 1, "decision-ack": 1 },
      forced: 1,
      forcedFlushes: 1,
      recorded: 1,
      coordinatorFlushes: 2,
      participantFlushes: { p1: 2 },
    });
  });

  test("one participant that refuses: 2 messages; its no is the decision, so it flushes it", async () => {
    await world.enter({ p1: async () => voteAbort("no") });
    expect(await world.run(["p1"])).toBe(Outcome.ABORTED);
    expect(world.costs()).toMatchObject({
      messages: { prepare: 1, "decision-ack": 1 },
      forced: 1,
      participantFlushes: { p1: 1 },
    });
  });

  test("a no aborts: nothing is forced at the coordinator; the one that refused hears and flushes nothing", async () => {
    const refuse: Prepare = async () => {
      await until(() => world.sentVotes() === 2, "the others have voted");
      return voteAbort("no");
    };
    await world.enter({ p1: commit, p2: commit, p3: refuse });
    expect(await world.run(named(3))).toBe(Outcome.ABORTED);
    expect(world.costs()).toEqual({
      messages: { prepare: 3, vote: 3, decision: 2, "decision-ack": 2 },
      forced: 0,
      forcedFlushes: 0,
      recorded: 2,
      coordinatorFlushes: 2,
      participantFlushes: { p1: 2, p2: 2 },
    });
  });

  test("a read-only participant hears no decision and flushes nothing", async () => {
    await world.enter({ p1: commit, p2: commit, p3: readOnly });
    expect(await world.run(named(3))).toBe(Outcome.COMMITTED);
    expect(world.costs()).toMatchObject({ messages: { prepare: 3, vote: 3, decision: 2, "decision-ack": 2 }, forced: 1 });
    expect(world.costs().participantFlushes).toEqual({ p1: 2, p2: 2 });
  });

  test.each([0, 3])("%i participants, all read-only: 2 messages each, and nothing is forced anywhere", async (count) => {
    const names = named(count);
    await world.enter(all(names, readOnly));
    expect(await world.run(names)).toBe(Outcome.COMMITTED);
    expect(world.costs()).toEqual({
      messages: count === 0 ? {} : { prepare: count, vote: count },
      forced: 0,
      forcedFlushes: 0,
      recorded: 1,
      coordinatorFlushes: 1,
      participantFlushes: {},
    });
  });
});

test("64 transactions at once share flushes, and cost no message less", async () => {
  const count = 64;
  const names = named(2);
  /** Votes when it is asked in all of them. */
  const together = (): Prepare => {
    const { promise, resolve } = Promise.withResolvers<typeof voteCommit>();
    let asked = 0;
    return () => {
      asked += 1;
      if (asked === count) resolve(voteCommit);
      return promise;
    };
  };
  await world.enter({ p1: together(), p2: together() });
  const outcomes = await Promise.all(named(count).map(() => world.run(names)));
  expect(new Set(outcomes)).toEqual(new Set([Outcome.COMMITTED]));
  const { messages, forced, forcedFlushes, recorded, coordinatorFlushes, participantFlushes } = world.costs();
  expect(messages).toEqual({ prepare: 2 * count, vote: 2 * count, decision: 2 * count, "decision-ack": 2 * count });
  expect([forced, recorded]).toEqual([count, count]);
  expect(forcedFlushes).toBeLessThan(count);
  expect(coordinatorFlushes).toBeLessThan(2 * count);
  for (const name of names) expect(participantFlushes[name], name).toBeLessThan(2 * count);
  const metrics = await world.metrics.registry.metrics();
  expect(metrics).toContain(`concord_commit_forced_writes_total ${count}`);
  // The claim of the log, two sessions, and two writes for each transaction.
  expect(metrics).toContain(`concord_commit_flush_writes_sum ${1 + 2 + 2 * count}`);
});
