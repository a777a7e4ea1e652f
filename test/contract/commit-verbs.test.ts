import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Incoming, type Message, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";

// The verbs of TwoPhaseCommit on a transaction that has begun, as a stranger's client sees them.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const payload = Buffer.from("two tubes");

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

async function begin(request: Message = {}): Promise<string> {
  const { transaction } = await client.call("TwoPhaseCommit/BeginTransaction", { ...by, ...request });
  return transaction.transaction_id;
}

const enlist = (transaction_id: string, participant_id: string, request: Message = {}) => ({
  transaction_id,
  participant: { participant_id, payload },
  ...request,
});

/** A transaction that its lone participant was asked for, and has not told of. */
async function delegated(participant_id: string) {
  const participant = await joinAs(client, participant_id);
  const transaction_id = await begin();
  await client.call("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, participant_id));
  const committing = client.call("TwoPhaseCommit/CommitTransaction", { transaction_id });
  await participant.expect("prepare");
  return { transaction_id, participant, committing };
}

/** Progress between them is passed over. */
async function nextTransaction(watch: Incoming): Promise<Message> {
  for (;;) {
    const { body, transaction } = await watch.next();
    if (body === "transaction") return transaction;
  }
}

const invalid = (field: string) => ({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: [field] });

describe("a transaction whose work is enlisted as it happens", () => {
  test("commits what was enlisted, and shows its timeline", async () => {
    const a = await joinAs(client, "a");
    const b = await joinAs(client, "b");
    void a.agreeToAll();
    void b.agreeToAll();
    const transaction_id = await begin({ idle_timeout: { seconds: 90 } });
    const open = await client.call("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "a"));
    expect(open.transaction).toMatchObject({
      phase: "TRANSACTION_PHASE_INIT",
      idle_timeout: { seconds: "90" },
      participants: [{ participant_id: "a", prepares_sent: 0 }],
      ...by,
    });
    await client.call("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "b"));
    const { transaction } = await client.call("TwoPhaseCommit/CommitTransaction", { transaction_id });
    expect(transaction).toMatchObject({ outcome: "OUTCOME_COMMITTED", idle_timeout: null, resolution: null });
    const { timeline, timeline_omitted } = await client.call("TwoPhaseCommit/GetTransaction", { transaction_id });
    expect(timeline_omitted).toBe(0);
    expect(timeline.slice(0, 4)).toMatchObject([
      { type: "TRANSACTION_EVENT_TYPE_BEGUN", detail: "a test" },
      { type: "TRANSACTION_EVENT_TYPE_ENLISTED", participant_id: "a" },
      { type: "TRANSACTION_EVENT_TYPE_ENLISTED", participant_id: "b" },
      { type: "TRANSACTION_EVENT_TYPE_COMMIT_REQUESTED" },
    ]);
    const votes = timeline.filter(({ type }: Message) => type === "TRANSACTION_EVENT_TYPE_VOTE_RECEIVED");
    expect(votes).toMatchObject([
      { attempt: 1, detail: "COMMIT" },
      { attempt: 1, detail: "COMMIT" },
    ]);
    a.leave();
    b.leave();
  });

  test("answers each retry as the first time, and each misuse with its reason", async () => {
    const transaction_id = await begin({ request_id: "begin-1" });
    expect(await begin({ request_id: "begin-1" })).toBe(transaction_id);
    const reused = await client.failure("TwoPhaseCommit/BeginTransaction", { ...by, reason: "other", request_id: "begin-1" });
    expect(reused).toMatchObject({ code: "INVALID_ARGUMENT", reason: "REQUEST_ID_REUSED" });
    const first = enlist(transaction_id, "a", { request_id: "enlist-1" });
    for (let i = 0; i < 2; i += 1) {
      const { transaction } = await client.call("TwoPhaseCommit/EnlistParticipant", first);
      expect(transaction.participants.length).toBe(1);
    }
    expect(await client.failure("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "a"))).toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "PARTICIPANT_ENLISTED",
      metadata: { transaction_id },
    });
    const other = enlist(transaction_id, "b", { request_id: "enlist-1" });
    expect(await client.failure("TwoPhaseCommit/EnlistParticipant", other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    for (let i = 1; i < 64; i += 1) await client.call("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, `p${i}`));
    expect(await client.failure("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "p64"))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "PARTICIPANT_LIMIT_REACHED",
      metadata: { transaction_id, limit: "64" },
    });
    for (let i = 0; i < 2; i += 1) {
      const { transaction } = await client.call("TwoPhaseCommit/AbortTransaction", { transaction_id, ...by });
      expect(transaction).toMatchObject({ outcome: "OUTCOME_ABORTED", abort_reason: 'aborted by "ada": a test' });
    }
    expect(await client.failure("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "p64"))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "TRANSACTION_STATE",
      metadata: { transaction_id, phase: "COMPLETED", outcome: "ABORTED" },
    });
    const { transaction } = await client.call("TwoPhaseCommit/CommitTransaction", { transaction_id });
    expect(transaction).toMatchObject({ outcome: "OUTCOME_ABORTED" });
  });

  test("is refused with field violations where a field breaks its rule", async () => {
    expect(await client.failure("TwoPhaseCommit/BeginTransaction", { idle_timeout: { seconds: 601 } })).toMatchObject(
      invalid("idle_timeout"),
    );
    expect(await client.failure("TwoPhaseCommit/EnlistParticipant", { transaction_id: "x" })).toMatchObject(
      invalid("participant"),
    );
    const guess = { transaction_id: "x", outcome: "OUTCOME_COMMITTED", requested_by: "ada" };
    expect(await client.failure("TwoPhaseCommit/ResolveTransaction", guess)).toMatchObject(invalid("reason"));
    expect(await client.failure("TwoPhaseCommit/WatchTransactions", { filter: "nonsense" })).toMatchObject(invalid("filter"));
  });

  test.each(["Commit", "Abort", "Retry", "Forget"] as const)("%sTransaction of what is unknown is not found", async (verb) => {
    const failure = await client.failure(`TwoPhaseCommit/${verb}Transaction`, { transaction_id: "x" });
    expect(failure).toMatchObject({ code: "NOT_FOUND", reason: "TRANSACTION_NOT_FOUND" });
  });
});

describe("what an operator does", () => {
  test("RetryTransaction asks a lone participant again, AbortTransaction cannot help, ResolveTransaction ends it", async () => {
    const { transaction_id, participant, committing } = await delegated("lone");
    const retried = await client.call("TwoPhaseCommit/RetryTransaction", { transaction_id, ...by });
    expect(retried.transaction.participants).toMatchObject([{ prepares_sent: 2 }]);
    expect(await participant.expect("prepare")).toMatchObject({ attempt: 2 });
    expect(await client.failure("TwoPhaseCommit/AbortTransaction", { transaction_id })).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "TRANSACTION_STATE",
      metadata: { phase: "PREPARING", outcome: "" },
    });
    const guess = { transaction_id, outcome: "OUTCOME_ABORTED", ...by };
    const { transaction } = await client.call("TwoPhaseCommit/ResolveTransaction", guess);
    expect(transaction).toMatchObject({
      phase: "TRANSACTION_PHASE_COMPLETED",
      outcome: "OUTCOME_ABORTED",
      heuristic: "HEURISTIC_UNCONFIRMED",
      resolution: by,
    });
    expect((await committing).transaction).toMatchObject({ outcome: "OUTCOME_ABORTED" });
    // The participant had committed after all.
    const watch = client.stream("TwoPhaseCommit/WatchTransactions", { filter: 'transaction.heuristic == "MIXED"' });
    participant.ack(transaction_id, "OUTCOME_COMMITTED");
    expect(await nextTransaction(watch)).toMatchObject({
      transaction_id,
      heuristic: "HEURISTIC_MIXED",
      participants: [{ acknowledged_outcome: "OUTCOME_COMMITTED" }],
    });
    watch.cancel();
    const listed = await client.call("TwoPhaseCommit/ListTransactions", { filter: 'transaction.heuristic == "MIXED"' });
    expect(listed.transactions.map((each: Message) => each.transaction_id)).toEqual([transaction_id]);
    const contrary = { ...guess, outcome: "OUTCOME_COMMITTED" };
    expect(await client.failure("TwoPhaseCommit/ResolveTransaction", contrary)).toMatchObject({ reason: "TRANSACTION_STATE" });
    await client.call("TwoPhaseCommit/ForgetTransaction", { transaction_id, ...by });
    const gone = await client.failure("TwoPhaseCommit/GetTransaction", { transaction_id });
    expect(gone).toMatchObject({ reason: "TRANSACTION_NOT_FOUND" });
    participant.leave();
  });

  test("a lost promise is told by its participant, is MIXED with the reason, and is ended by ResolveTransaction", async () => {
    const steady = await joinAs(client, "steady");
    const loser = await joinAs(client, "loser");
    const participants = [{ participant_id: "steady" }, { participant_id: "loser" }];
    const executing = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
    const { transaction_id } = await steady.expect("prepare");
    await loser.expect("prepare");
    for (const each of [steady, loser]) each.vote(transaction_id, "VOTE_VALUE_COMMIT");
    expect((await executing).transaction).toMatchObject({ outcome: "OUTCOME_COMMITTED" });
    for (const each of [steady, loser]) await each.expect("decision");
    steady.ack(transaction_id, "OUTCOME_COMMITTED");
    const watch = client.stream("TwoPhaseCommit/WatchTransactions", { filter: 'transaction.heuristic == "MIXED"' });
    loser.ack(transaction_id, "OUTCOME_LOST");
    expect(await loser.expect("nack")).toMatchObject({ reason: "decision_ack.reason: LOST needs one" });
    const reason = "no such prepared transaction";
    loser.send({ decision_ack: { transaction_id, outcome: "OUTCOME_LOST", reason } });
    const lost = { participant_id: "loser", acknowledged_outcome: "OUTCOME_LOST", lost_reason: reason, done: false };
    expect(await nextTransaction(watch)).toMatchObject({
      transaction_id,
      phase: "TRANSACTION_PHASE_COMMITTING",
      heuristic: "HEURISTIC_MIXED",
      participants: [{ acknowledged_outcome: "OUTCOME_COMMITTED", lost_at: null }, lost],
    });
    watch.cancel();
    const { timeline } = await client.call("TwoPhaseCommit/GetTransaction", { transaction_id });
    expect(timeline.at(-1)).toMatchObject({ type: "TRANSACTION_EVENT_TYPE_ACK_RECEIVED", detail: `LOST: ${reason}` });
    // Asked again, it may have found it.
    await client.call("TwoPhaseCommit/RetryTransaction", { transaction_id, ...by });
    expect(await loser.expect("decision")).toMatchObject({ transaction_id, outcome: "OUTCOME_COMMITTED" });
    const word = { transaction_id, ...by };
    expect(await client.failure("TwoPhaseCommit/ResolveTransaction", { ...word, outcome: "OUTCOME_LOST" })).toMatchObject(
      invalid("outcome"),
    );
    const { transaction } = await client.call("TwoPhaseCommit/ResolveTransaction", { ...word, outcome: "OUTCOME_COMMITTED" });
    expect(transaction).toMatchObject({
      phase: "TRANSACTION_PHASE_COMPLETED",
      heuristic: "HEURISTIC_MIXED",
      resolution: by,
      participants: [{ done: true }, { ...lost, done: true }],
    });
    for (const each of [steady, loser]) each.leave();
  });

  test("ForgetTransaction keeps what is not completed", async () => {
    const transaction_id = await begin();
    expect(await client.failure("TwoPhaseCommit/ForgetTransaction", { transaction_id })).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "TRANSACTION_STATE",
      metadata: { phase: "INIT" },
    });
    await client.call("TwoPhaseCommit/AbortTransaction", { transaction_id });
  });

  test("ListTransactions finds by age, participant, phase and outcome", async () => {
    const transaction_id = await begin({ reason: "to be found" });
    await client.call("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "shelf"));
    const found = async (filter: string) => {
      const { transactions } = await client.call("TwoPhaseCommit/ListTransactions", { filter });
      return transactions.some((each: Message) => each.transaction_id === transaction_id);
    };
    expect(await found('"shelf" in transaction.participants && transaction.phase == "INIT" && transaction.outcome == ""')).toBe(
      true,
    );
    expect(await found('transaction.age >= duration("0s") && now - transaction.created_at < duration("5m")')).toBe(true);
    expect(await found('transaction.age > duration("5m")')).toBe(false);
    expect(await found("transaction.in_doubt")).toBe(false);
  });

  test("WatchTransactions answers at once, tells what is not over, then that it has, then each change", async () => {
    const transaction_id = await begin({ reason: "watched" });
    const watch = client.stream("TwoPhaseCommit/WatchTransactions", {
      filter: 'transaction.reason == "watched"',
      progress_interval: { nanos: 100_000_000 },
    });
    expect(await watch.next()).toMatchObject({ body: "progress", progress: { as_of: null } });
    expect((await watch.next()).transaction).toMatchObject({ transaction_id, phase: "TRANSACTION_PHASE_INIT" });
    const asOf = async (): Promise<number> => Number((await watch.next()).progress.as_of.seconds);
    const first = await asOf();
    expect(await asOf()).toBeGreaterThanOrEqual(first);
    await client.call("TwoPhaseCommit/AbortTransaction", { transaction_id });
    expect(await nextTransaction(watch)).toMatchObject({ transaction_id, phase: "TRANSACTION_PHASE_COMPLETED" });
    watch.cancel();
  });

  test("WatchTransactions answers at once where nothing matches", async () => {
    const watch = client.stream("TwoPhaseCommit/WatchTransactions", { filter: "false" });
    expect(await watch.next()).toMatchObject({ body: "progress", progress: { as_of: null } });
    expect(Number((await watch.next()).progress.as_of.seconds)).toBeGreaterThan(0);
    watch.cancel();
  });
});

describe("ForgetParticipant", () => {
  const forget = (participant_id: string) => client.call("TwoPhaseCommit/ForgetParticipant", { participant_id, ...by });
  const listed = async () => {
    const { participants } = await client.call("TwoPhaseCommit/ListParticipants", {});
    return participants.map(({ participant_id }: Message) => participant_id);
  };

  test("drops one that is away, and tells what it was; a repeat finds nothing; one that comes back is new", async () => {
    for (const epoch of ["1", "2"]) {
      const stream = await joinAs(client, "old");
      expect(stream.welcome.session_epoch).toBe(epoch);
      stream.leave();
      await stream.end();
      await expect.poll(async () => connectedOf("old")).toBe(false);
    }
    expect((await forget("old")).participant).toMatchObject({ participant_id: "old", connected: false, session_epoch: "2" });
    expect(await listed()).not.toContain("old");
    expect((await forget("old")).participant).toBeNull();
    const back = await joinAs(client, "old");
    expect(back.welcome.session_epoch).toBe("1");
    back.leave();
  });

  test("keeps one that is in session or has work, and says each reason", async () => {
    await joinAs(client, "busy");
    const transaction_id = await begin();
    await client.call("TwoPhaseCommit/EnlistParticipant", enlist(transaction_id, "busy"));
    const kept = await client.failure("TwoPhaseCommit/ForgetParticipant", { participant_id: "busy", ...by });
    expect(kept).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "PARTICIPANT_STATE",
      metadata: { participant_id: "busy" },
      message: 'participant "busy" is not forgotten: it is in session; it takes part in what is not decided',
    });
    expect(kept.preconditions).toEqual([
      { type: "CONNECTED", subject: "busy", description: "it is in session" },
      { type: "UNDECIDED", subject: "busy", description: "it takes part in what is not decided" },
    ]);
    expect(await listed()).toContain("busy");
  });

  test("refuses what is no participant id", async () => {
    expect(await client.failure("TwoPhaseCommit/ForgetParticipant", { participant_id: "a b" })).toMatchObject(
      invalid("participant_id"),
    );
  });

  async function connectedOf(participantId: string): Promise<boolean> {
    const { participants } = await client.call("TwoPhaseCommit/ListParticipants", {});
    return participants.find(({ participant_id }: Message) => participant_id === participantId)?.connected;
  }
});
