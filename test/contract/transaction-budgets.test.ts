import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";

// What is answered when transactions take as much memory as they may, as a stranger's client sees it.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, maxUndecided: "1MiB" });
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
