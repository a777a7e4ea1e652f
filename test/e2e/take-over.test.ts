import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readParticipantRecords } from "../../demo/participant-records.ts";
import { connect } from "../../src/cli/client.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { failureOf, temporaryFolder } from "../support/concord.ts";
import { type Program, participate, type Server, serve } from "../support/process.ts";
import { until } from "../support/until.ts";

// Two processes, one decision log. specs/TwoPhaseCommit.tla: TakeOver, and the ForceCommit of a zombie, which the fence refuses.

const data = temporaryFolder();
const channels: ReturnType<typeof openChannel>[] = [];
afterAll(() => {
  for (const channel of channels) channel.close();
  data.remove();
});

const host = (name: string, decisionLog: "exclusive" | "take-over", listen = "127.0.0.1:0"): Promise<Server> =>
  serve(join(data.path, name), { listen, flags: ["--services", "commit", "--decision-log", decisionLog] });

/** An address at which nobody listens, for a process that comes later. */
async function freeAddress(): Promise<string> {
  const spare = await host("spare", "exclusive");
  await spare.kill();
  return spare.address;
}

function clientOf(address: string) {
  const channel = openChannel(address);
  channels.push(channel);
  return connect(channel).commits;
}

/** What the participant's log says of each transaction. Read when its process has ended. */
const endsAt = (name: string) => readParticipantRecords(join(data.path, `participant-${name}.sqlite`));

const messageOf = (starting: Promise<unknown>): Promise<string> =>
  starting.then(
    () => "started",
    (error: Error) => error.message,
  );

const work = (...names: readonly string[]) => ({
  participants: names.map((participantId) => ({ participantId })),
  prepareTimeout: { seconds: 300n, nanos: 0 },
  waitForParticipants: { seconds: 60n, nanos: 0 },
});

test("a coordinator that hangs is replaced, and decides nothing when it goes on", async () => {
  const first = await host("hung", "exclusive");
  const later = await freeAddress();
  const address = `${first.address},${later}`;
  const alpha = await participate("alpha", { address, dataDir: data.path });
  const beta = await participate("beta", { address, dataDir: data.path, flags: ["--delay", "1s"] });
  const toFirst = clientOf(first.address);

  // Both promise, and their votes lie in the socket of a process that does not read.
  const answer = failureOf(toFirst.executeTransaction(work("alpha", "beta")));
  const transactionId = String((await beta.logged("prepare received"))["transaction"]);
  const { transactionId: enlisting = "" } = (await toFirst.beginTransaction({})).transaction ?? {};
  const watches = [toFirst.watchTransaction({ transactionId: enlisting }), toFirst.watchTransactions({})].map((watch) =>
    failureOf(
      (async () => {
        for await (const _ of watch);
      })(),
    ),
  );
  first.signal("SIGSTOP");
  for (const each of [alpha, beta]) await each.logged({ msg: "vote sent", transaction: transactionId });

  const refused = await messageOf(host("hung", "exclusive"));
  expect(refused).toContain(`in use by process ${first.pid} on`);
  expect(refused).toContain("--decision-log take-over");

  const second = await host("hung", "take-over", later);
  for (const each of [alpha, beta]) {
    await each.logged({ msg: "decision acknowledged", transaction: transactionId, decision: "aborted" });
  }
  const { transaction: next } = await clientOf(later).executeTransaction(work("alpha", "beta"));
  expect(next?.outcome).toBe(Outcome.COMMITTED);

  first.signal("SIGCONT");
  expect((await answer).reason).toBe("COORDINATOR_FENCED");
  await first.logged("replaced by another coordinator; this one stops");
  for (const watch of watches) expect((await watch).reason).toBe("COORDINATOR_FENCED");
  for (const verb of [toFirst.commitTransaction, toFirst.forgetTransaction]) {
    expect((await failureOf(verb({ transactionId: enlisting }))).reason).toBe("COORDINATOR_FENCED");
  }
  expect((await failureOf(toFirst.executeTransaction(work("alpha")))).reason).toBe("COORDINATOR_FENCED");
  expect((await failureOf(toFirst.getTransaction({ transactionId }))).reason).toBe("COORDINATOR_FENCED");

  expect(await first.terminate()).toBe(0);
  for (const [name, program] of Object.entries({ alpha, beta })) {
    expect(await program.terminate()).toBe(0);
    expect(endsAt(name)).toEqual(
      new Map([
        [transactionId, "aborted"],
        [String(next?.transactionId), "committed"],
      ]),
    );
  }
  expect(await second.terminate()).toBe(0);
});

test("a coordinator that is replaced in the middle of its work has told its clients the truth", async () => {
  const first = await host("busy", "exclusive");
  const later = await freeAddress();
  const programs: Program[] = [];
  for (const name of ["gamma", "delta"]) {
    // Time enough that many transactions are in doubt when the second comes.
    const flags = ["--delay", name === "gamma" ? "5ms" : "50ms"];
    programs.push(await participate(name, { address: `${first.address},${later}`, dataDir: data.path, flags }));
  }
  const toFirst = clientOf(first.address);
  const told = new Map<string, string>();
  const client = async (): Promise<string | undefined> => {
    for (;;) {
      const answer = await toFirst.executeTransaction(work("gamma", "delta")).catch((error: unknown) => error);
      if (answer instanceof Error) return (await failureOf(Promise.reject(answer))).reason;
      const { transaction } = answer as Awaited<ReturnType<typeof toFirst.executeTransaction>>;
      told.set(String(transaction?.transactionId), transaction?.outcome === Outcome.COMMITTED ? "committed" : "aborted");
    }
  };
  const clients = Array.from({ length: 32 }, client);
  await until(() => told.size > 200, "the first is busy");
  const second = await host("busy", "take-over", later);
  expect(new Set(await Promise.all(clients))).toEqual(new Set(["COORDINATOR_FENCED"]));

  // What the first had decided, the second sends again.
  const toSecond = clientOf(later);
  await until(
    async () => (await toSecond.listTransactions({ filter: 'transaction.phase != "COMPLETED"' })).transactions.length === 0,
    "all have ended",
  );
  const last = await toSecond.executeTransaction(work("gamma", "delta"));
  expect(last.transaction?.outcome).toBe(Outcome.COMMITTED);
  for (const program of programs) expect(await program.terminate()).toBe(0);
  const [gamma, delta] = [endsAt("gamma"), endsAt("delta")];
  expect(gamma).toEqual(delta);
  for (const [id, outcome] of told) expect(gamma.get(id) ?? "aborted", id).toBe(outcome);
  for (const server of [first, second]) expect(await server.terminate()).toBe(0);
});
