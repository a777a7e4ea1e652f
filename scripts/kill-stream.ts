// A stream of transactions over real processes, one of which is killed every second. In the end all must agree.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { readParticipantRecords } from "../demo/participant-records.ts";
import { failureText, untilAnswered } from "../demo/retry.ts";
import { freePort } from "../examples/bank-transfer/postgres.ts";
import { type Supervised, supervise } from "../examples/bank-transfer/supervisor.ts";
import { type Clients, connect } from "../src/cli/client.ts";
import { openCertificateFolder } from "../src/cli/dev-certs/folder.ts";
import type { Transaction } from "../src/commit/core/types.ts";
import { Outcome } from "../src/gen/concord/commit/v1/transaction.ts";
import { assert } from "../src/kernel/assert.ts";
import type { TransactionId } from "../src/kernel/ids.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import type { ClientTls } from "../src/rpc/clients/security.ts";
import { openSqliteDecisionLog } from "../src/storage/sqlite/decision-log.ts";
import { createDice, type Dice } from "../test/simulation/random.ts";
import { disagreements, type Remains, type Told } from "./kill-stream/compare.ts";
import { progress } from "./progress.ts";

const help = `Streams transactions through a coordinator and its participants, each a process of its own, and every second kills
(SIGKILL) the next of them in turn, when it works. Then everything must come to its end, and all must agree: clients, coordinator,
participants.

  node scripts/kill-stream.ts [options]

  --seconds N        how long the stream is (default 60)
  --participants N   how many participants there are (default 3)
  --clients N        how many transactions are under way at once (default 32)
  --tls              over mutual TLS
  --seed N           chooses who takes part in which transaction (default 1). What a kill hits, no seed can choose.
  --help

Exit code 0: all agree. 1: they do not; the transactions are named, and the logs are kept.`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    participants: { type: "string", default: "3" },
    clients: { type: "string", default: "32" },
    seed: { type: "string", default: "1" },
    tls: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const clientCount = Number(values.clients);
const seed = Number(values.seed);

const killIntervalMs = 1_000;

/** What was killed must be back by then, what was begun be over: a participant may pause for 10 s before it connects again. */
const settleMs = 60_000;

/** So that some transactions have a participant that says no. */
const commitProbability = 0.9;

const program = join(import.meta.dirname, "../src/main.ts");
const coordinatorName = "coordinator";
const names = Array.from({ length: Number(values.participants) }, (_, index) => `p${index + 1}`);

// Code that was compiled once starts in half the time.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../.cache/node");

type World = {
  readonly clients: Clients;
  /** The coordinator is the first. */
  readonly processes: readonly Supervised[];
  readonly logFile: (name: string) => string;
  readonly commitLog: string;
  readonly participantLog: (name: string) => string;
};

type Tally = { readonly told: Told[]; readonly problems: string[]; retries: number; readonly kills: Map<string, number> };

async function main(): Promise<number> {
  if (values.help) {
    console.log(help);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), "concord-kill-stream-"));
  const address = `127.0.0.1:${await freePort()}`;
  const logFile = (name: string): string => join(folder, `${name}.log`);
  const start = (name: string, ...args: readonly string[]): Supervised =>
    supervise({ name, args: [program, ...args, "--log-format", "json"], logFile: logFile(name) });
  const votes = ["--commit-probability", String(commitProbability), "--seed", String(seed)];
  const certificates = values.tls ? openCertificateFolder(join(folder, "certificates")) : undefined;
  const tlsOf = (name: string): ClientTls | undefined =>
    certificates && {
      ca: certificates.ca,
      ...certificates.write(name, { hosts: ["127.0.0.1"], uris: [], uses: ["server", "client"] }),
    };
  const server = tlsOf(coordinatorName);
  const channel = openChannel(address, { tls: tlsOf("client") });
  const world: World = {
    clients: connect(channel),
    processes: [
      start(
        coordinatorName,
        "serve",
        ...["--services", "commit", "--listen", address, "--data-dir", folder],
        ...(server ? ["--tls-cert", `${server.cert}`, "--tls-key", `${server.key}`, "--tls-client-ca", `${server.ca}`] : []),
      ),
      ...names.map((name) => {
        const tls = tlsOf(name);
        const flags = tls ? ["--tls-ca", `${tls.ca}`, "--tls-cert", `${tls.cert}`, "--tls-key", `${tls.key}`] : [];
        return start(name, "participant", name, "--address", address, "--data-dir", folder, ...votes, ...flags);
      }),
    ],
    logFile,
    commitLog: join(folder, "commit.sqlite"),
    participantLog: (name) => join(folder, `participant-${name}.sqlite`),
  };
  process.once("exit", () => {
    for (const each of world.processes) each.killNow();
  });
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
  try {
    const problems = await run(world);
    channel.close();
    if (problems.length > 0) {
      // The first are enough: the rest is in the logs.
      for (const problem of problems.slice(0, 20)) console.log(`FAILED  ${problem}`);
      console.log(`${problems.length} problems; seed ${seed}; data and logs of each process: ${folder}`);
      return 1;
    }
    console.log("ok      all agree, and nothing is in doubt");
    rmSync(folder, { recursive: true });
    return 0;
  } catch (error) {
    console.log(`FAILED  seed ${seed}; data and logs of each process: ${folder}`);
    throw error;
  }
}

/** Resolves to what is wrong. */
async function run(world: World): Promise<readonly string[]> {
  console.log(
    `${clientCount} clients, ${names.length} participants, ${seconds} s, seed ${seed}; a process is killed every second`,
  );
  await working(world, names);
  const tally: Tally = { told: [], problems: [], retries: 0, kills: new Map(world.processes.map(({ name }) => [name, 0])) };
  const over = new AbortController();
  const dice = createDice(seed);
  let number = 0;
  const clients = Array.from({ length: clientCount }, async () => {
    while (!over.signal.aborted) await transact(world, `s${seed}-${++number}`, dice, tally);
  });
  await Promise.all([...clients, killInTurn(world, tally).finally(() => over.abort())]);
  progress("");
  const committed = tally.told.filter(({ outcome }) => outcome === "committed").length;
  const kills = [...tally.kills].map(([name, count]) => `${name} ${count} times`).join(", ");
  const aborted = tally.told.length - committed;
  console.log(`${tally.told.length} transactions: ${committed} committed, ${aborted} aborted; ${tally.retries} calls repeated`);
  console.log(`killed: ${kills}`);
  await settled(world);
  progress("");
  return [
    ...(committed === 0 || aborted === 0 ? ["nothing was committed, or nothing aborted"] : []),
    ...tally.problems,
    ...(await stop(world, tally)),
    ...disagreements(await remainsOf(world, tally)),
  ];
}

/** As an operator does. Resolves to what is wrong with how the processes have ended. */
async function stop({ processes, logFile }: World, { kills }: Tally): Promise<readonly string[]> {
  const problems: string[] = [];
  // The coordinator is the last to go: the others say goodbye to it.
  for (const { name, stop } of processes.toReversed()) {
    const code = await stop();
    if (code !== 0) problems.push(`${name}: exit code ${code} after SIGTERM`);
    const started = readFileSync(logFile(name), "utf8").match(/"msg":"(coordinator|participant) started"/g) ?? [];
    if (started.length > (kills.get(name) ?? 0) + 1) problems.push(`${name}: it ended by itself; its log says why`);
  }
  return problems;
}

/** Resolves when these processes work: the coordinator answers, and each other one is connected to it. */
async function working({ clients }: World, wanted: readonly string[]): Promise<void> {
  const givesUpAtMs = Date.now() + settleMs;
  while (Date.now() < givesUpAtMs) {
    const answer = await clients.commits.listParticipants({}, { deadline: settleMs }).catch(() => undefined);
    const connected = answer?.participants.filter((each) => each.connected).map(({ participantId }) => participantId);
    if (connected && wanted.every((name) => name === coordinatorName || connected.includes(name))) return;
    await sleep(50);
  }
  throw new Error(`${wanted.join(", ")}: not back within ${settleMs} ms`);
}

/** Asks again, with the same request id, until there is an answer. */
async function transact({ clients }: World, requestId: string, dice: Dice, tally: Tally): Promise<void> {
  const count = dice.between(1, names.length);
  const first = dice.between(0, names.length - 1);
  const enlisted = Array.from({ length: count }, (_, index) => names[(first + index) % names.length] ?? "");
  const request = {
    requestId,
    participants: enlisted.map((participantId) => ({ participantId, payload: Buffer.from(requestId) })),
    prepareTimeout: { seconds: 2n, nanos: 0 },
    waitForParticipants: { seconds: 2n, nanos: 0 },
  };
  const answer = await untilAnswered(
    (options) => clients.commits.executeTransaction(request, options),
    new AbortController().signal,
    () => {
      tally.retries += 1;
    },
  );
  if (!answer.ok) {
    tally.problems.push(`${requestId}: ${failureText(answer.error)}`);
    return;
  }
  const { transactionId = "", outcome } = answer.value.transaction ?? {};
  tally.told.push({ requestId, transactionId, outcome: outcome === Outcome.COMMITTED ? "committed" : "aborted" });
}

/** Until the time is over, and each was killed once at least. */
async function killInTurn(world: World, { told, kills }: Tally): Promise<void> {
  const endsAtMs = Date.now() + seconds * 1_000;
  for (let turn = 0; Date.now() < endsAtMs || turn < world.processes.length; turn += 1) {
    await sleep(killIntervalMs);
    const victim = world.processes[turn % world.processes.length];
    assert(victim !== undefined, "there is a coordinator");
    // On a busy machine it may still be starting: then its turn comes late.
    await working(world, [victim.name]);
    victim.kill();
    kills.set(victim.name, (kills.get(victim.name) ?? 0) + 1);
    progress(`${told.length} transactions; killed ${victim.name}`);
  }
}

/** Resolves when every transaction is COMPLETED and no participant holds a promise, or when that has taken too long. */
async function settled(world: World): Promise<void> {
  const startedMs = Date.now();
  for (;;) {
    const unfinished = await countUnfinished(world);
    const holding = names.filter((name) => [...readParticipantRecords(world.participantLog(name)).values()].includes("prepared"));
    const tookMs = Date.now() - startedMs;
    if (unfinished === 0 && holding.length === 0) {
      console.log(`everything had come to its end ${(tookMs / 1_000).toFixed(1)} s after the last answer`);
      return;
    }
    progress(`${unfinished} transactions are not COMPLETED; in doubt: ${holding.join(", ") || "nobody"}`);
    if (tookMs > settleMs) return;
    await sleep(200);
  }
}

async function countUnfinished({ clients }: World): Promise<number> {
  let count = 0;
  const filter = 'transaction.phase != "COMPLETED"';
  for (let pageToken = ""; ; ) {
    const answer = await untilAnswered(
      (options) => clients.commits.listTransactions({ filter, pageSize: 1_000, pageToken }, options),
      new AbortController().signal,
    );
    if (!answer.ok) throw new Error(failureText(answer.error));
    count += answer.value.transactions.length;
    pageToken = answer.value.nextPageToken;
    if (pageToken === "") return count;
  }
}

async function remainsOf({ commitLog, participantLog }: World, { told }: Tally): Promise<Remains> {
  const opened = await openSqliteDecisionLog({ path: commitLog });
  if (!opened.ok) throw new Error(opened.error.message);
  const log = opened.value;
  const transactions: Transaction[] = [];
  let beforeId: TransactionId | undefined;
  do {
    const page = await log.list({ beforeId, limit: 1_000 });
    transactions.push(...page.transactions);
    beforeId = page.nextBeforeId;
  } while (beforeId !== undefined);
  await log.close();
  return { told, transactions, participants: new Map(names.map((name) => [name, readParticipantRecords(participantLog(name))])) };
}

process.exitCode = await main();
