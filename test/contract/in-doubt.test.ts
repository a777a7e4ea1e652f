import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

// In doubt: somebody may have promised, and has not heard how it ended.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});
afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const inDoubt = async (): Promise<readonly string[]> => {
  const { transactions } = await client.call("TwoPhaseCommit/ListTransactions", { filter: "transaction.in_doubt" });
  return transactions.map(({ transaction_id }: { readonly transaction_id: string }) => transaction_id);
};
const countOf = async (participantId: string): Promise<number> => {
  const { participants } = await client.call("TwoPhaseCommit/ListParticipants", {});
  return participants.find(({ participant_id }: { readonly participant_id: string }) => participant_id === participantId)
    .in_doubt;
};

test("a lone participant that dies with the question may have committed: the transaction is in doubt until it says so", async () => {
  const lone = await joinAs(client, "lone");
  const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants: [{ participant_id: "lone" }] });
  const { transaction_id } = await lone.expect("prepare");
  lone.leave();
  expect(await inDoubt()).toEqual([transaction_id]);
  expect(await countOf("lone")).toBe(1);

  const again = await joinAs(client, "lone", { instance_id: "again" });
  await again.expect("prepare");
  again.ack(transaction_id, "OUTCOME_COMMITTED");
  expect((await executed).transaction).toMatchObject({ outcome: "OUTCOME_COMMITTED" });
  expect([await inDoubt(), await countOf("lone")]).toEqual([[], 0]);
  again.leave();
});

test("one of several that was asked and has died may have promised, also when it is aborted", async () => {
  const [silent, voter] = [await joinAs(client, "silent"), await joinAs(client, "voter")];
  const participants = ["silent", "voter"].map((participant_id) => ({ participant_id }));
  const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
  const { transaction_id } = await silent.expect("prepare");
  silent.leave();
  await voter.expect("prepare");
  voter.vote(transaction_id, "VOTE_VALUE_ABORT", "no");
  expect((await executed).transaction).toMatchObject({ outcome: "OUTCOME_ABORTED" });
  expect(await inDoubt()).toEqual([transaction_id]);
  expect([await countOf("silent"), await countOf("voter")]).toEqual([1, 0]);

  const again = await joinAs(client, "silent", { instance_id: "again" });
  await again.expect("decision");
  again.ack(transaction_id, "OUTCOME_ABORTED");
  await until(async () => (await inDoubt()).length === 0, "it is not in doubt any more");
  expect(await countOf("silent")).toBe(0);
  again.leave();
  voter.leave();
});
