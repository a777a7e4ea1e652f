// What others feel when a coordinator starts that has much to take over, and when those come back who are owed all of it.

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Clients, connect } from "../src/cli/client.ts";
import { print, tableLines } from "../src/cli/output.ts";
import { TransactionEventType } from "../src/gen/concord/commit/v1/transaction.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { openSqliteDecisionLog } from "../src/storage/sqlite/decision-log.ts";
import { fill } from "../test/support/decision-log-rows.ts";
import { measureLatency } from "../test/support/hostile/latency.ts";
import { type ProbedServer, startProbedServer } from "../test/support/hostile/probed-server.ts";
import { createProtoClient } from "../test/support/proto-client.ts";
import { joinAs } from "../test/support/scripted-participant.ts";
import { progress } from "./progress.ts";

const help = `Starts a server on a decision log with many unfinished transactions: nine of ten decided and owed to two participants, one of ten
undecided, with a payload. Then lists them, one a page, and lets both participants come back. Another client asks for a workflow each few
milliseconds.

  node scripts/restart.ts [options]

  --count N      unfinished transactions (default 30000)
  --payload N    bytes of payload of the undecided ones (default 65536)
  --help

Exit code 0: it serves within 3 s, and the p99 of the other client stays below 100 ms. 1: it does not; on a machine that is busy otherwise it may
not either, so a start with an empty log is measured beside it.`;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "30000" },
    payload: { type: "string", default: "65536" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const count = Number(values.count);
const servingMsMax = 3_000;
const p99MaxMs = 100;
const pageCount = 50;
const names = ["a", "b"];

const folder = mkdtempSync(join(tmpdir(), "concord-restart-"));
const rows: string[][] = [];
let isWell = true;
try {
  progress("starting with an empty log");
  const [empty, emptyMs] = await start(join(folder, "empty"));
  await empty.stop();
  progress("filling the log");
  const last = await fillLog();
  progress("starting");
  const [server, servingMs] = await start(folder);
  isWell &&= servingMs < servingMsMax;
  const channel = openChannel(server.address);
  const proto = createProtoClient(server.address);
  const clients = connect(channel);
  const phase = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    progress(name);
    await server.look();
    const beganMs = performance.now();
    const other = measureLatency(server.address, "nobody");
    await work();
    const tookMs = performance.now() - beganMs;
    const { p50, p99, max } = await other.stop();
    const { longestMs, peakMiB } = await server.look();
    isWell &&= p99 < p99MaxMs;
    rows.push([name, ...[tookMs, p50, p99, max, longestMs, peakMiB].map((figure) => figure.toFixed(0))]);
  };
  await phase("taking over", () => takenOver(clients, last));
  await phase(`${pageCount} pages of one`, () => pagesOfOne(clients));
  await phase("both come back", async () => {
    for (const name of names) void (await joinAs(proto, name)).agreeToAll();
    await nothingIsOwed(clients);
  });
  progress("");
  channel.close();
  proto.close();
  await server.stop();
  print(`${availableParallelism()} cores, Node ${process.version}; ${count} unfinished`);
  print(`serving after ${servingMs.toFixed(0)} ms; with an empty log: ${emptyMs.toFixed(0)} ms`);
  print(tableLines(["", "took ms", "other: p50 ms", "p99 ms", "max ms", "loop held, CPU ms", "peak MiB"], rows));
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = isWell ? 0 : 1;

async function start(dataDir: string): Promise<readonly [ProbedServer, number]> {
  const startMs = performance.now();
  const server = await startProbedServer(dataDir);
  return [server, performance.now() - startMs];
}

async function fillLog(): Promise<string> {
  const opened = await openSqliteDecisionLog({ path: join(folder, "commit.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const records = await fill(opened.value, count, new Uint8Array(Number(values.payload)));
  await opened.value.close();
  return records.at(-1)?.id ?? "";
}

async function takenOver({ commits }: Clients, transactionId: string): Promise<void> {
  for (;;) {
    const { timeline } = await commits.getTransaction({ transactionId });
    if (timeline.some(({ type }) => type === TransactionEventType.TAKEN_OVER)) return;
    await sleep(20);
  }
}

async function pagesOfOne({ commits }: Clients): Promise<void> {
  let pageToken = "";
  for (let page = 0; page < pageCount; page += 1) {
    ({ nextPageToken: pageToken } = await commits.listTransactions({ pageSize: 1, pageToken }));
  }
}

async function nothingIsOwed({ commits }: Clients): Promise<void> {
  for (;;) {
    const { participants } = await commits.listParticipants({});
    if (participants.every(({ unacknowledged }) => unacknowledged === 0)) return;
    await sleep(50);
  }
}
