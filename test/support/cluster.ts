import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Clients, connect } from "../../src/cli/client.ts";
import { Outcome, TransactionPhase } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { failureOf, temporaryFolder } from "./concord.ts";
import { type LogLine, type Program, participate, type Server, serve } from "./process.ts";
import { until } from "./until.ts";

const hostFlags = { coordinator: ["--services", "predicate,commit"], manager: ["--services", "workflow"] } as const;
const names = ["alpha", "beta"] as const;

export type Host = keyof typeof hostFlags;
export type Name = (typeof names)[number];

/**
 * Four real processes for the tests of a file: a coordinator (with the predicate engine), a workflow manager, and the participants
 * alpha and beta. After each test every transaction has ended, nobody is in doubt, and no workflow is in transition: else the test fails.
 */
export function createCluster() {
  const data = temporaryFolder();
  const hosts = new Map<Host, Server>();
  const participants = new Map<Name, Program>();
  const channels: ReturnType<typeof openChannel>[] = [];
  /** Every transaction of the tests, and who is enlisted in it. */
  const transactions = new Map<string, readonly Name[]>();
  let opened: Clients | undefined;

  function host(name: Host): Server {
    const found = hosts.get(name);
    if (found === undefined) throw new Error(`the ${name} was never started`);
    return found;
  }

  function participant(name: Name): Program {
    const found = participants.get(name);
    if (found === undefined) throw new Error(`${name} was never started`);
    return found;
  }

  function clients(): Clients {
    if (opened === undefined) throw new Error("the cluster is not started");
    return opened;
  }

  /** Starts a host, or starts it again where it was. */
  async function start(name: Host): Promise<void> {
    const coordinator = hosts.get("coordinator")?.address ?? "";
    const peers = name === "manager" ? ["--commit-address", coordinator, "--predicate-address", coordinator] : [];
    const before = hosts.get(name);
    const listen = before === undefined ? {} : { listen: before.address };
    hosts.set(name, await serve(join(data.path, name), { ...listen, flags: [...hostFlags[name], ...peers] }));
  }

  async function restart(name: Host): Promise<void> {
    await host(name).kill();
    await start(name);
  }

  /** Starts a participant; the one before it is killed. */
  async function enter(name: Name, ...flags: readonly string[]): Promise<Program> {
    await participants.get(name)?.kill();
    const program = await participate(name, { address: host("coordinator").address, dataDir: data.path, flags });
    participants.set(name, program);
    return program;
  }

  const connected = (): Promise<unknown> =>
    until(async () => {
      const { participants: known } = await clients().commits.listParticipants({});
      return known.length === names.length + 1 && known.every((each) => each.connected);
    }, "the manager, alpha and beta are connected");

  const logPath = (name: Name): string => join(data.path, `participant-${name}.sqlite`);

  function isInDoubt(name: Name): boolean {
    // Its process may have it locked, while it recovers what a kill has left.
    const database = new DatabaseSync(logPath(name), { readOnly: true, timeout: 5_000 });
    try {
      return database.prepare("SELECT 1 FROM transactions WHERE state = 'prepared'").get() !== undefined;
    } finally {
      database.close();
    }
  }

  /** Every transaction that is not over, with its timeline, and all that each process has logged of it. */
  async function describeUnfinished(): Promise<string> {
    const { commits } = clients();
    const { transactions: unfinished } = await commits.listTransactions({
      pageSize: 1000,
      filter: 'transaction.phase != "COMPLETED"',
    });
    const texts = [...hosts, ...participants].map(([name, program]) => `--- ${name}\n${program.text()}`);
    return [...unfinished.map((each) => inspect(each, { depth: 9 })), ...texts].join("\n");
  }

  async function settled(): Promise<void> {
    const { commits, workflows } = clients();
    await until(
      async () => {
        const page = await commits.listTransactions({ pageSize: 1000 });
        return page.transactions.every(({ phase }) => phase === TransactionPhase.COMPLETED);
      },
      "every transaction is COMPLETED",
      { describe: describeUnfinished },
    );
    for (const name of names) await until(() => !isInDoubt(name), `${name} is not in doubt`);
    await until(async () => (await workflows.getSystemStats({})).inTransition === 0n, "no workflow is in transition");
    await connected();
  }

  const enlist = (...enlisted: readonly Name[]) =>
    enlisted.map((participantId) => ({ participantId, payload: Buffer.from(`work of ${participantId}`) }));

  /** Runs a transaction whose caller may never hear of it. */
  function execute(...enlisted: readonly Name[]): void {
    const prepareTimeout = { seconds: 30n, nanos: 0 };
    const call = clients().commits.executeTransaction({ participants: enlist(...enlisted), prepareTimeout });
    call.catch(() => undefined);
  }

  /** The next transaction that a participant is asked to prepare, from when this is called on. */
  function nextAsked(name: Name, enlisted: readonly Name[] = names): () => Promise<string> {
    const program = participant(name);
    const seen = program.log.length;
    const asked = (): LogLine | undefined => program.log.slice(seen).find(({ msg }) => msg === "prepare received");
    return async () => {
      const transactionId = String((await until(asked, `${name} is asked to prepare`))["transaction"]);
      transactions.set(transactionId, enlisted);
      return transactionId;
    };
  }

  /** The coordinator's outcome. Under presumed abort, no record means aborted. */
  async function outcomeOf(transactionId: string): Promise<"committed" | "aborted"> {
    const { commits } = clients();
    const found = await commits.getTransaction({ transactionId }).catch(() => undefined);
    if (found === undefined) {
      expect((await failureOf(commits.getTransaction({ transactionId }))).reason).toBe("TRANSACTION_NOT_FOUND");
      return "aborted";
    }
    expect(found.transaction?.outcome, `${transactionId} is decided`).not.toBe(Outcome.UNSPECIFIED);
    return found.transaction?.outcome === Outcome.COMMITTED ? "committed" : "aborted";
  }

  /** Stops everything as an operator does, and compares every participant's log with what the coordinator says. */
  async function expectAgreement(): Promise<void> {
    const outcomes = new Map<string, string>();
    for (const id of transactions.keys()) outcomes.set(id, await outcomeOf(id));
    for (const name of names) {
      expect(await participant(name).terminate(), `exit code of ${name}`).toBe(0);
      const log = await openSqliteParticipantLog({ path: logPath(name) });
      if (!log.ok) throw new Error(log.error.message);
      expect(await log.value.load(), `in doubt at ${name}`).toEqual([]);
      for (const [id, enlisted] of transactions) {
        if (!enlisted.includes(name)) continue;
        const record = await log.value.get(id as TransactionId);
        // Without a record it was never prepared here, which is how an aborted one may end.
        expect(record?.state ?? "aborted", `${id} at ${name}`).toBe(outcomes.get(id));
      }
      await log.value.close();
    }
    for (const name of ["manager", "coordinator"] as const) {
      expect(await host(name).terminate(), `exit code of the ${name}`).toBe(0);
    }
  }

  beforeAll(async () => {
    await start("coordinator");
    await start("manager");
    const forCoordinator = openChannel(host("coordinator").address);
    const forManager = openChannel(host("manager").address);
    channels.push(forCoordinator, forManager);
    opened = { ...connect(forCoordinator), workflows: connect(forManager).workflows };
    await Promise.all(names.map((name) => enter(name)));
    await connected();
  });

  afterEach(settled);

  afterAll(async () => {
    try {
      await expectAgreement();
    } finally {
      for (const channel of channels) channel.close();
      data.remove();
    }
  });

  return {
    clients,
    host,
    start,
    restart,
    participant,
    enter,
    connected,
    settled,
    enlist,
    execute,
    nextAsked,
    outcomeOf,
    remember: (transactionId: string): void => void transactions.set(transactionId, names),
  };
}
