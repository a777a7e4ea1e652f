import { describe, expect, test } from "vitest";
import { createCluster } from "../support/cluster.ts";

// kill -9 of a participant and of the coordinator at each step of the protocol; when it is back there is one outcome, everywhere. A
// process that is killed on a line of its log runs on for an instant, so what follows that line may have happened or not: there only
// agreement is asserted. createCluster does that after each test and, in the participants' logs, after all of them.

const cluster = createCluster();
const { clients, connected, enter, execute, nextAsked, outcomeOf, settled } = cluster;

/** Runs a transaction. Resolves to its id when a participant has been asked. */
async function begin(seenBy: "alpha" | "beta", ...enlisted: readonly ("alpha" | "beta")[]): Promise<string> {
  const asked = nextAsked(seenBy, enlisted);
  execute(...enlisted);
  return asked();
}

describe("a participant is killed", () => {
  test.each([
    // Its stream is lost, which is no vote: it is asked again when it is back.
    { failOn: "prepare", when: "when it is asked to prepare" },
    // specs/TwoPhaseCommit.tla: PartRecover. A durable yes is said again.
    { failOn: "vote", when: "when it is prepared, before it says so" },
    { failOn: "commit", when: "when it has committed, before it says so" },
  ])("$when: the transaction is committed when it is back", async ({ failOn }) => {
    const beta = await enter("beta", "--fail-on", failOn);
    await connected();
    const transactionId = await begin("alpha", "alpha", "beta");
    await beta.exited;
    await enter("beta");
    await settled();
    expect(await outcomeOf(transactionId)).toBe("committed");
  });

  test("after a decision to abort, before it says that it knows: nothing stays prepared", async () => {
    const beta = await enter("beta", "--fail-on", "commit");
    await enter("alpha", "--commit-probability", "0", "--delay", "300ms");
    await connected();
    const transactionId = await begin("alpha", "alpha", "beta");
    await beta.exited;
    await enter("alpha");
    await enter("beta");
    await settled();
    expect(await outcomeOf(transactionId)).toBe("aborted");
  });
});

describe("the coordinator is killed", () => {
  test.each([
    { line: { msg: "transaction begun" } },
    { line: { msg: "send", kind: "prepare" } },
    { line: { msg: "vote received" } },
    { line: { msg: "record forced" } },
    { line: { msg: "transaction decided" } },
    { line: { msg: "decision acknowledged" } },
  ])("when it logs $line: all agree when it is back", async ({ line }) => {
    const killed = cluster.host("coordinator").killOn(line);
    execute("alpha", "beta");
    cluster.remember(String((await killed)["transaction"]));
    await cluster.start("coordinator");
  });

  test("while one has voted and one thinks: it is aborted everywhere, for no decision was durable", async () => {
    const beta = await enter("beta", "--delay", "2s");
    await connected();
    const transactionId = await begin("beta", "alpha", "beta");
    // It thinks until all of this has happened, however long that takes.
    beta.signal("SIGSTOP");
    await cluster.participant("alpha").logged({ msg: "vote sent", transaction: transactionId });
    await cluster.restart("coordinator");
    beta.signal("SIGCONT");
    await beta.logged({ msg: "resource prepared", transaction: transactionId });
    await settled();
    expect(await outcomeOf(transactionId)).toBe("aborted");
    await enter("beta");
  });

  test("while a decision to commit is not acknowledged: it is committed everywhere", async () => {
    const beta = await enter("beta", "--fail-on", "commit");
    await connected();
    const transactionId = await begin("alpha", "alpha", "beta");
    await beta.exited;
    await cluster.restart("coordinator");
    await enter("beta");
    await settled();
    expect(await outcomeOf(transactionId)).toBe("committed");
  });

  test("after it has handed the decision to the only participant: it learns what that one decided", async () => {
    const beta = await enter("beta", "--fail-on", "commit");
    await connected();
    const transactionId = await begin("beta", "beta");
    await beta.exited;
    await cluster.restart("coordinator");
    const { transaction } = await clients().commits.getTransaction({ transactionId });
    expect(transaction).toMatchObject({ phase: "TRANSACTION_PHASE_PREPARING", outcome: "OUTCOME_UNSPECIFIED" });
    await enter("beta");
    await settled();
    expect(await outcomeOf(transactionId)).toBe("committed");
  });

  test("after it has handed the decision to the only participant, who died before it decided: all agree", async () => {
    const beta = await enter("beta", "--fail-on", "prepare");
    await connected();
    await begin("beta", "beta");
    await beta.exited;
    await cluster.restart("coordinator");
    await enter("beta");
  });
});
