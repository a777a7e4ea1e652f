import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";

// What is answered when transactions take as much memory as they may, as a stranger's client sees it.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, maxUndecided: "1MiB", maxOwed: 1 });
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
  ).toMatchObject(overloaded);
  const participants = [{ participant_id: "d", payload }];
  expect(await client.failure("TwoPhaseCommit/ExecuteTransaction", { participants })).toMatchObject(overloaded);
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
