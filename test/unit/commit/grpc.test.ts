import { afterEach, describe, expect, test } from "vitest";
import type { Numbered, ParticipantMessage } from "../../../src/commit/core/messages.ts";
import { createDriver } from "../../../src/commit/driver.ts";
import { createParticipant } from "../../../src/commit/participant/participant.ts";
import type { Logger, Resource } from "../../../src/commit/ports.ts";
import { createQueue } from "../../../src/commit/queue.ts";
import { createSessions } from "../../../src/commit/sessions.ts";
import { Outcome, TransactionPhase, VoteValue } from "../../../src/gen/concord/commit/v1/transaction.ts";
import {
  type DeepPartial,
  type ParticipateRequest,
  TwoPhaseCommitDefinition,
} from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { createParticipantTransport } from "../../../src/rpc/clients/participant-transport.ts";
import { createCommitService } from "../../../src/rpc/commit-service.ts";
import { createRpcServer, withValidation } from "../../../src/rpc/server.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createLogger } from "../../../src/runtime/logger.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { createMemoryParticipantLog } from "../../../src/storage/memory/participant-log.ts";
import { failureOf } from "../../support/concord.ts";
import { unhurried } from "../../support/unhurried.ts";
import { until } from "../../support/until.ts";
import { id, memoryResource, silent, tx } from "./support.ts";

// The service and the participant's transport over real gRPC, on loopback.

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

let transactions = 0;

async function startService({ messageTurns = createTurns() } = {}) {
  const log = createMemoryDecisionLog();
  /** Who has said Goodbye. */
  const heard: unknown[] = [];
  const logger: Logger = {
    ...silent,
    info: (fields: { readonly participant?: unknown }, message) => {
      if (message === "participant says goodbye") heard.push(fields.participant);
    },
  };
  const sessions = createSessions({ log, clock: systemClock, logger });
  const driver = createDriver({
    log,
    sessions,
    clock: systemClock,
    random: Math.random,
    newTransactionId: () => tx(`t${String(++transactions).padStart(6, "0")}`),
    newCoordinatorId: () => "c",
    turns: unhurried,
    logger: silent,
  });
  await driver.start();
  const service = createCommitService({ driver, sessions, clock: systemClock, turns: createTurns(), messageTurns });
  const server = createRpcServer({
    services: [
      {
        name: TwoPhaseCommitDefinition.fullName,
        addTo: (builder) => void builder.add(withValidation(TwoPhaseCommitDefinition), service),
      },
    ],
    logger: createLogger({ level: "silent", format: "json" }),
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const channel = openChannel(address);
  const client = clientFactory.create(TwoPhaseCommitDefinition, channel);
  cleanups.push(async () => {
    driver.close();
    channel.close();
    await server.shutdown(1_000);
  });

  async function participant(name: string, votes?: Resource["prepare"]) {
    const parts = memoryResource(votes);
    const started = createParticipant({
      coordinators: [createParticipantTransport({ address })],
      participantId: id(name),
      instanceId: `${name}-1`,
      log: createMemoryParticipantLog(),
      resource: parts.resource,
      clock: systemClock,
      random: Math.random,
      logger: silent,
    });
    await started.start();
    const close = () => started.close(60_000);
    cleanups.push(close);
    return { ...parts, close };
  }

  return { client, address, driver, log, participant, heard };
}

/** Speaks the protocol by hand. */
function stream(
  client: Awaited<ReturnType<typeof startService>>["client"],
  requests: readonly DeepPartial<ParticipateRequest>[],
) {
  const leave = new AbortController();
  cleanups.push(() => leave.abort());
  const responses = client.participate(
    (async function* () {
      yield* requests;
      await new Promise((resolve) => leave.signal.addEventListener("abort", resolve));
    })(),
    { signal: leave.signal },
  );
  return responses[Symbol.asyncIterator]();
}

const hello = (change = {}): DeepPartial<ParticipateRequest> => ({
  sequence: 1n,
  body: {
    $case: "hello",
    value: { participantId: "a", instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 8, ...change },
  },
});

test("before each word of a participant others may have their turn, however many have come at once", async () => {
  let asked = 0;
  let held = 0;
  const messageTurns = () => () => {
    asked += 1;
    held += 1;
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        held -= 1;
        resolve();
      });
    });
  };
  const { client } = await startService({ messageTurns });
  const inquiries = Array.from({ length: 100 }, (_, index) => ({
    sequence: BigInt(index + 2),
    body: { $case: "inquiry" as const, value: { transactionId: `x${index}`, coordinatorId: "c" } },
  }));
  const responses = stream(client, [hello(), ...inquiries]);
  let decisions = 0;
  while (decisions < inquiries.length) {
    const { value } = await responses.next();
    if (value?.body?.$case === "decision") decisions += 1;
    expect(held).toBeLessThanOrEqual(1);
  }
  expect(asked).toBe(1 + inquiries.length);
});

describe("ExecuteTransaction", () => {
  test("commits at participants over gRPC, and shows each vote", async () => {
    const { client, participant } = await startService();
    const a = await participant("a");
    await participant("b", async () => ({ value: "read-only", reason: "" }));
    const participants = ["a", "b"].map((participantId) => ({ participantId, payload: Buffer.from("work") }));
    const { transaction } = await client.executeTransaction({
      participants,
      waitForParticipants: { seconds: 20n },
      requestId: "r1",
      reason: "test",
      requestedBy: "alice",
    });
    expect(transaction?.outcome).toBe(Outcome.COMMITTED);
    expect(transaction?.participants.map(({ vote }) => vote)).toEqual([VoteValue.COMMIT, VoteValue.READ_ONLY]);
    const watched = [];
    const { transactionId = "" } = transaction ?? {};
    for await (const response of client.watchTransaction({ transactionId })) watched.push(response.transaction?.phase);
    expect(watched.at(-1)).toBe(TransactionPhase.COMPLETED);
    expect(a.state.get(tx(transactionId))).toBe("committed");

    const retried = await client.executeTransaction({
      participants,
      waitForParticipants: { seconds: 20n },
      requestId: "r1",
      reason: "test",
      requestedBy: "alice",
    });
    expect(retried.transaction?.transactionId).toBe(transactionId);
    const failure = await failureOf(client.executeTransaction({ requestId: "r1" }));
    expect(failure.reason).toBe("REQUEST_ID_REUSED");
  });

  test("answers an abort, and names who is missing", async () => {
    const { client } = await startService();
    const { transaction } = await client.executeTransaction({ participants: [{ participantId: "a" }] });
    expect(transaction).toMatchObject({
      outcome: Outcome.ABORTED,
      abortReason: 'participant "a" is not connected',
      phase: TransactionPhase.COMPLETED,
    });
  });

  test("refuses a participant that is named twice", async () => {
    const { client } = await startService();
    const participants = [{ participantId: "a" }, { participantId: "a" }];
    expect((await failureOf(client.executeTransaction({ participants }))).reason).toBe("INVALID_REQUEST");
  });
});

describe("reading", () => {
  test("GetTransaction and WatchTransaction of what is unknown", async () => {
    const { client } = await startService();
    expect((await failureOf(client.getTransaction({ transactionId: "x" }))).reason).toBe("TRANSACTION_NOT_FOUND");
    const watch = client.watchTransaction({ transactionId: "x" })[Symbol.asyncIterator]();
    expect((await failureOf(watch.next())).reason).toBe("TRANSACTION_NOT_FOUND");
  });

  test("ListTransactions filters and pages", async () => {
    const { client } = await startService();
    for (const reason of ["one", "two", "three"]) await client.executeTransaction({ reason });
    await client.executeTransaction({ participants: [{ participantId: "a" }] });
    const filter = 'transaction.outcome == "COMMITTED" && transaction.phase == "COMPLETED" && !transaction.in_doubt';
    const first = await client.listTransactions({ filter, pageSize: 2 });
    const second = await client.listTransactions({ filter, pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.transactions, ...second.transactions].map(({ reason }) => reason)).toEqual(["three", "two", "one"]);
    expect(second.nextPageToken).toBe("");
    const named = await client.listTransactions({ filter: '"a" in transaction.participants' });
    expect(named.transactions.length).toBe(1);
    expect((await failureOf(client.listTransactions({ filter: "nonsense" }))).reason).toBe("INVALID_REQUEST");
    const misused = client.listTransactions({ filter: "true", pageToken: first.nextPageToken });
    expect((await failureOf(misused)).reason).toBe("INVALID_REQUEST");
  });

  test("ListParticipants tells who is connected", async () => {
    const { client, participant } = await startService();
    await participant("a");
    await participant("b");
    await client.executeTransaction({
      participants: [{ participantId: "a" }, { participantId: "b" }],
      waitForParticipants: { seconds: 20n },
    });
    const first = await client.listParticipants({ pageSize: 1 });
    const second = await client.listParticipants({ pageSize: 1, pageToken: first.nextPageToken });
    const all = [...first.participants, ...second.participants];
    expect(all.map(({ participantId, connected, sessionEpoch }) => [participantId, connected, sessionEpoch])).toEqual([
      ["a", true, 1n],
      ["b", true, 1n],
    ]);
    expect(second.nextPageToken).toBe("");
  });
});

describe("a watch", () => {
  test("of an idle coordinator ends with it: replaced, or shutting down", async () => {
    for (const [reason, end] of [
      ["COORDINATOR_FENCED", "fence"],
      ["SHUTTING_DOWN", "close"],
    ] as const) {
      const { client, driver, log } = await startService();
      const { transaction } = await client.beginTransaction({ requestId: reason });
      const { transactionId = "" } = transaction ?? {};
      const one = client.watchTransaction({ transactionId })[Symbol.asyncIterator]();
      const all = client.watchTransactions({})[Symbol.asyncIterator]();
      expect((await one.next()).value).toMatchObject({ transaction: { transactionId } });
      expect((await all.next()).value).toMatchObject({ body: { $case: "progress", value: {} } });
      expect((await all.next()).value).toMatchObject({ body: { $case: "transaction", value: { transactionId } } });
      expect((await all.next()).value).toMatchObject({ body: { $case: "progress", value: { asOf: expect.any(Date) } } });
      const failures = [failureOf(one.next()), failureOf(all.next())];
      if (end === "close") driver.close();
      else {
        await log.claim("c");
        // Asks the log.
        await failureOf(client.getTransaction({ transactionId }));
      }
      expect((await Promise.all(failures)).map((failure) => failure.reason)).toEqual([reason, reason]);
      for (const verb of [client.commitTransaction, client.forgetTransaction]) {
        expect((await failureOf(verb({ transactionId }))).reason).toBe(reason);
      }
    }
  });
});

describe("a defect of the coordinator", () => {
  test("in a session ends that stream with INTERNAL", async () => {
    const { client, log } = await startService();
    log.openSession = () => Promise.reject(new Error("a damaged page"));
    expect((await failureOf(stream(client, [hello()]).next())).reason).toBe("INTERNAL");
  });

  test("in a transaction is INTERNAL to its caller, with its id", async () => {
    const { client, log, participant } = await startService();
    for (const name of ["a", "b"]) await participant(name);
    log.force = () => Promise.reject(new Error("a damaged page"));
    const failure = await failureOf(
      client.executeTransaction({
        participants: [{ participantId: "a" }, { participantId: "b" }],
        waitForParticipants: { seconds: 20n },
      }),
    );
    const [only] = (await client.listTransactions({})).transactions;
    expect(failure).toMatchObject({ reason: "INTERNAL", metadata: { transaction_id: only?.transactionId } });
  });
});

describe("Participate", () => {
  test("says Welcome, and answers what is in doubt by presumption", async () => {
    const { client } = await startService();
    const responses = stream(client, [hello({ inDoubt: [{ transactionId: "unknown", coordinatorId: "c" }] })]);
    expect((await responses.next()).value?.body).toMatchObject({
      $case: "welcome",
      value: { sessionEpoch: 1n, coordinatorId: "c" },
    });
    expect((await responses.next()).value?.body).toMatchObject({
      $case: "decision",
      value: { transactionId: "unknown", outcome: Outcome.ABORTED, inReply: true },
    });
  });

  test("hears Goodbye and the last vote of each participant that closes", async () => {
    const { client, participant, heard } = await startService();
    const names = Array.from({ length: 10 }, (_, i) => `p${i}`);
    const gate = Promise.withResolvers<void>();
    const asked = new Set<string>();
    const participants = await Promise.all(
      names.map((name) =>
        participant(name, async () => {
          asked.add(name);
          await gate.promise;
          return { value: "commit", reason: "" };
        }),
      ),
    );
    const executed = client.executeTransaction({
      participants: names.map((participantId) => ({ participantId })),
      waitForParticipants: { seconds: 20n },
    });
    await until(() => asked.size === names.length, "all are asked");
    const closed = Promise.all(participants.map(({ close }) => close()));
    gate.resolve();
    await closed;
    expect(heard.toSorted()).toEqual(names);
    const { transaction } = await executed;
    expect(transaction?.participants.map(({ vote }) => vote)).toEqual(names.map(() => VoteValue.COMMIT));
  });

  test("refuses for good who will not be taken by trying again", async () => {
    const { address } = await startService();
    const transport = createParticipantTransport({ address });
    const refusal = async (participantId: string, version: number) => {
      const sent = createQueue<Numbered<ParticipantMessage>>();
      const versions = { versionMin: version, versionMax: version };
      const greeting = { participantId: id(participantId), instanceId: "i", ...versions, inDoubt: [], prepareCredit: 1 };
      sent.push({ sequence: 1, message: { type: "hello", ...greeting } });
      try {
        for await (const _ of transport.open(sent.items, AbortSignal.timeout(20_000)));
      } catch (error) {
        return error;
      }
      return undefined;
    };
    expect(await refusal("../../x", 1)).toMatchObject({
      name: "Refusal",
      message: expect.stringContaining("INVALID_REQUEST: hello.participant_id: must be 1 to 128 characters"),
      remedy: expect.stringContaining("check the participant's id"),
    });
    expect(await refusal("a", 2)).toMatchObject({ name: "Refusal", remedy: expect.stringContaining("upgrade the older one") });
  });

  test("answers what it cannot read with Nack, and goes on", async () => {
    const { client } = await startService();
    const responses = stream(client, [
      hello(),
      { sequence: 2n },
      { sequence: 3n, body: { $case: "vote", value: { transactionId: "t", attempt: 1, reason: "" } } },
      { sequence: 4n, body: { $case: "inquiry", value: { transactionId: "t", coordinatorId: "other" } } },
      { sequence: 5n, body: { $case: "decisionAck", value: { transactionId: "t", outcome: Outcome.LOST } } },
      { sequence: 6n, body: { $case: "inquiry", value: { transactionId: "t", coordinatorId: "c" } } },
    ]);
    await responses.next();
    expect((await responses.next()).value?.body).toMatchObject({ $case: "nack", value: { sequence: 2n } });
    expect((await responses.next()).value?.body).toMatchObject({ $case: "nack", value: { sequence: 3n } });
    const stranger = { sequence: 4n, reason: 'the promise belongs to coordinator "other"' };
    expect((await responses.next()).value?.body).toMatchObject({ $case: "nack", value: stranger });
    const unfounded = { sequence: 5n, reason: "decision_ack.reason: LOST needs one" };
    expect((await responses.next()).value?.body).toMatchObject({ $case: "nack", value: unfounded });
    expect((await responses.next()).value?.body?.$case).toBe("decision");
  });

  test("ends the older of two streams of one participant", async () => {
    const { client } = await startService();
    const older = stream(client, [hello()]);
    await older.next();
    const newer = stream(client, [hello()]);
    expect((await newer.next()).value?.body).toMatchObject({ $case: "welcome", value: { sessionEpoch: 2n } });
    expect(await failureOf(older.next())).toMatchObject({
      reason: "SESSION_SUPERSEDED",
      metadata: { participant_id: "a", session_epoch: "2" },
    });
  });

  test("ends a stream that breaks the protocol", async () => {
    const { client } = await startService();
    const failure = (requests: readonly DeepPartial<ParticipateRequest>[]) => {
      const responses = stream(client, requests);
      return failureOf(
        (async () => {
          for (let next = await responses.next(); !next.done; next = await responses.next());
        })(),
      );
    };
    const noHello: DeepPartial<ParticipateRequest> = { sequence: 1n, body: { $case: "goodbye", value: {} } };
    expect((await failure([noHello])).reason).toBe("PROTOCOL_VIOLATION");
    expect(await failure([hello({ participantId: "" })])).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field: "hello.participant_id" }],
    });
    expect((await failure([hello(), hello()])).reason).toBe("PROTOCOL_VIOLATION");
    expect((await failure([hello({ versionMin: 2, versionMax: 2 })])).reason).toBe("PROTOCOL_VERSION");
  });

  test("ends when the coordinator leaves, after GoAway", async () => {
    const { client, driver } = await startService();
    const responses = stream(client, [hello()]);
    await responses.next();
    await driver.drain(1_000);
    expect((await responses.next()).value?.body?.$case).toBe("goAway");
    driver.close();
    expect((await failureOf(responses.next())).reason).toBe("SHUTTING_DOWN");
    expect((await failureOf(client.executeTransaction({}))).reason).toBe("SHUTTING_DOWN");
  });

  test("is asked, and its coordinator leaves before it has decided alone: the caller hears which transaction that is", async () => {
    const { client, driver } = await startService();
    const responses = stream(client, [hello()]);
    await responses.next();
    const failed = failureOf(client.executeTransaction({ requestId: "r1", participants: [{ participantId: "a" }] }));
    const { value } = await responses.next();
    const transactionId = value?.body?.$case === "prepare" ? value.body.value.transactionId : "";
    await driver.drain(0);
    driver.close();
    const metadata = { transaction_id: transactionId, request_id: "r1" };
    expect(await failed).toMatchObject({ reason: "SHUTTING_DOWN", metadata });
  });
});
