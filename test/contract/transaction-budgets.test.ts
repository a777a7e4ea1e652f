import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";

// What is answered when transactions take as much memory as they may, as a stranger's client sees it.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, maxUndecided: "1MiB", addressShare: 100, maxOwed: 1 });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

test("payloads beyond --max-undecided are OVERLOADED, with the limit and when to try again; others go on", async () => {
  const payload = Buffer.alloc(256 * 1024);
  const { transaction } = await client.call("TwoPhaseCommit/BeginTransaction", {});
  const { transaction_id } = transaction;
  const enlist = (participant_id: string) =>
    client.call("TwoPhaseCommit/EnlistParticipant", { transaction_id, participant: { participant_id, payload } });
  for (const name of ["a", "b", "c"]) await enlist(name);
  const overloaded = {
    code: "RESOURCE_EXHAUSTED",
    reason: "OVERLOADED",
    metadata: { limit: String(2 ** 20) },
    retryAfterMs: 500,
  };
  expect(
    await client.failure("TwoPhaseCommit/EnlistParticipant", { transaction_id, participant: { participant_id: "d", payload } }),
  ).toMatchObject({ ...overloaded, message: expect.stringContaining("; nothing was enlisted;") });
  const participants = [{ participant_id: "d", payload }];
  expect(await client.failure("TwoPhaseCommit/ExecuteTransaction", { participants })).toMatchObject({
    ...overloaded,
    message: expect.stringContaining("; nothing was begun;"),
  });
  expect((await client.call("TwoPhaseCommit/ExecuteTransaction", {})).transaction.outcome).toBe("OUTCOME_COMMITTED");
  await client.call("TwoPhaseCommit/AbortTransaction", { transaction_id });
  const anew = await client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
  expect(anew.transaction.abort_reason).toBe('participant "d" is not connected');
});

test("a participant that leaves --max-owed decisions unacknowledged gets no new work, and says why", async () => {
  const slow = await joinAs(client, "slow");
  const other = await joinAs(client, "other");
  void other.agreeToAll();
  const participants = ["slow", "other"].map((participant_id) => ({ participant_id, payload: Buffer.alloc(0) }));
  const executing = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
  const { transaction_id } = await slow.expect("prepare");
  slow.vote(transaction_id, "VOTE_VALUE_COMMIT");
  expect((await executing).transaction.outcome).toBe("OUTCOME_COMMITTED");
  const lags = await client.failure("TwoPhaseCommit/ExecuteTransaction", { participants });
  expect(lags).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "PARTICIPANT_LAGS",
    metadata: { participant_id: "slow", unacknowledged: "1", limit: "1", last_seen_at: expect.stringMatching(/^20.*Z$/) },
    retryAfterMs: 5_000,
  });
  expect(lags.message).toMatch(/^participant "slow" has not acknowledged 1 decisions \(--max-owed 1\), and was last seen at 20/);
  const withOther = { participants: participants.slice(1) };
  expect((await client.call("TwoPhaseCommit/ExecuteTransaction", withOther)).transaction.outcome).toBe("OUTCOME_COMMITTED");
  slow.ack(transaction_id, "OUTCOME_COMMITTED");
  await expect
    .poll(() => client.call("TwoPhaseCommit/GetTransaction", { transaction_id }).then(({ transaction }) => transaction.phase))
    .toBe("TRANSACTION_PHASE_COMPLETED");
  const again = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
  const next = await slow.expect("prepare");
  slow.vote(next.transaction_id, "VOTE_VALUE_ABORT");
  expect((await again).transaction.outcome).toBe("OUTCOME_ABORTED");
});

test("who takes all of its address's share of undecided transactions, or of their bytes, hears so; others begin and enlist", async () => {
  const folder = temporaryFolder();
  // 82 transactions of each address, and 655 KiB.
  const shared = await startServer({ dataDir: folder.path, maxUndecided: "64MiB", addressShare: 1 });
  const relay = await relayFrom("127.0.0.2", shared.address);
  const [greedy, other] = [createProtoClient(shared.address), createProtoClient(relay.address)];
  const payload = Buffer.alloc(256 * 1024);
  const work = (participant_id: string) => ({ participant_id, payload });
  const begin = async (caller: ProtoClient): Promise<string> =>
    (await caller.call("TwoPhaseCommit/BeginTransaction", { idle_timeout: { seconds: 600 } })).transaction.transaction_id;
  const overloaded = (limit: number, message: RegExp) => ({
    code: "RESOURCE_EXHAUSTED",
    reason: "OVERLOADED",
    message: expect.stringMatching(message),
    metadata: { limit: String(limit) },
    retryAfterMs: 500,
  });
  try {
    const transaction_id = await begin(greedy);
    await greedy.call("TwoPhaseCommit/EnlistParticipant", { transaction_id, participant: work("a") });
    await greedy.call("TwoPhaseCommit/EnlistParticipant", { transaction_id, participant: work("b") });
    const ofBytes = overloaded(
      Math.ceil(0.64 * 2 ** 20),
      /begun from the address that began this one .*--address-share.*--max-undecided; nothing was enlisted;/,
    );
    const third = { transaction_id, participant: work("c") };
    expect(await greedy.failure("TwoPhaseCommit/EnlistParticipant", third)).toMatchObject(ofBytes);
    const id = await begin(other);
    await other.call("TwoPhaseCommit/EnlistParticipant", { transaction_id: id, participant: work("a") });

    await greedy.call("TwoPhaseCommit/AbortTransaction", { transaction_id });
    for (let count = 0; count < 82; count += 1) await begin(greedy);
    const ofCount = overloaded(82, /^82 transactions begun from this address.*--address-share.*; nothing was begun;/);
    expect(await greedy.failure("TwoPhaseCommit/BeginTransaction", {})).toMatchObject(ofCount);
    expect(await greedy.failure("TwoPhaseCommit/ExecuteTransaction", {})).toMatchObject(ofCount);
    expect((await other.call("TwoPhaseCommit/ExecuteTransaction", {})).transaction.outcome).toBe("OUTCOME_COMMITTED");
  } finally {
    greedy.close();
    other.close();
    relay.close();
    await shared.stop();
    folder.remove();
  }
});

/** Callers of it come from another address: on Linux, the loopback has all of 127.0.0.0/8. */
async function relayFrom(localAddress: string, address: string) {
  const { hostname, port } = new URL(`http://${address}`);
  const server = createServer((socket) => {
    const onward = connect({ host: hostname, port: Number(port), localAddress });
    for (const end of [socket, onward]) end.on("error", () => undefined);
    socket.pipe(onward).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
