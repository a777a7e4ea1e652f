// PostgreSQL, with every commit on the disk before it is answered: one function call that reads, checks, compares and sets, and writes the event.
// pgbench asks for it, with statements that were prepared.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "pg";
import { startPostgres, whyNoPostgres } from "../../../examples/bank-transfer/postgres.ts";
import { runProcess } from "../run-process.ts";
import { treeMicros } from "./cpu.ts";
import type { Missing, Peer, Pressure, Round } from "./peer.ts";
import { pgbenchRound } from "./pgbench-log.ts";

/** The largest concurrency, and some for who looks. */
const connectionCountMax = 300;

/** PostgreSQL's own defaults; the example that starts it has smaller ones. */
const settings = { max_connections: connectionCountMax, shared_buffers: "128MB", fsync: "on", synchronous_commit: "on" };

/** Of pgbench. One would do for what one server on two cores can answer. */
const threadCount = 2;

/** So that no two clients want the same workflow. */
const workflowsOfEach = 8;

/** Each client goes round its workflows, and moves them to and fro. */
const script = `\\set n :n + 1
\\set workflow :client_id * ${workflowsOfEach} + mod(:n, ${workflowsOfEach})
\\set turn mod(:n / ${workflowsOfEach}, 2)
SELECT transition('bench-' || :workflow, CASE WHEN :turn = 0 THEN 'PAUSED' ELSE 'ACTIVE' END, 'bench', 'measured');
`;

export async function openPostgres(folder: string): Promise<Peer | Missing> {
  const noServer = await whyNoPostgres();
  if (noServer !== undefined) return { missing: noServer };
  const pgbench = await findPgbench();
  if (pgbench === undefined) return { missing: "pgbench (Debian: postgresql-contrib)" };
  const server = await startPostgres(folder, { settings });
  const url = server.url("postgres");
  await query(url, readFileSync(join(import.meta.dirname, "transition.sql"), "utf8"));
  await query(
    url,
    `INSERT INTO workflow SELECT 'bench-' || n, 'ACTIVE', 2, '{"temperature": 4, "site": "B"}', 'bench', now() FROM generate_series(0, ${connectionCountMax * workflowsOfEach - 1}) n`,
  );
  const rows = await query(
    url,
    "SELECT current_setting('server_version') AS server, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS sync",
  );
  // The first line of its lock file. Each connection is a child of it.
  const pid = Number.parseInt(readFileSync(join(folder, "postgres", "postmaster.pid"), "utf8"), 10);
  return {
    version: `PostgreSQL ${rows[0]?.["server"]}, fsync=${rows[0]?.["fsync"]}, synchronous_commit=${rows[0]?.["sync"]}; ${pgbench.version}`,
    run: (pressure) => runPgbench({ path: pgbench.path, url, pid, folder }, pressure),
    stop: server.stop,
  };
}

async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // Of several statements it is a list, which nobody looks at.
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Debian keeps it beside the server, where no PATH leads. */
async function findPgbench(): Promise<{ readonly path: string; readonly version: string } | undefined> {
  const debian = "/usr/lib/postgresql";
  const releases = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  for (const path of ["pgbench", ...releases.map((release) => `${debian}/${release}/bin/pgbench`)]) {
    const version = await runProcess(path, ["--version"]).catch(() => undefined);
    if (version !== undefined) return { path, version: version.trim() };
  }
  return undefined;
}

/** pgbench runs for whole seconds. In the first ones connections are made (256 take 1.5 s on a busy machine), and each plans the function's statements. */
const beforehandSeconds = 3;

/** Between the end of the measurement and that of pgbench. */
const marginMs = 400;

type Bench = { readonly path: string; readonly url: string; readonly pid: number; readonly folder: string };

async function runPgbench({ path, url, pid, folder }: Bench, { concurrency, warmUpMs, durationMs }: Pressure): Promise<Round> {
  const seconds = Math.ceil((warmUpMs + durationMs) / 1000) + beforehandSeconds;
  const own = mkdtempSync(join(folder, "pgbench-"));
  try {
    const file = join(own, "transition.pgbench");
    writeFileSync(file, script);
    const args = [
      "--no-vacuum",
      "--protocol=prepared",
      "--define=n=0",
      `--file=${file}`,
      `--client=${concurrency}`,
      `--jobs=${Math.min(concurrency, threadCount)}`,
      `--time=${seconds}`,
      "--log",
      `--log-prefix=${join(own, "log")}`,
      url,
    ];
    const running = runProcess(path, args);
    // Its time counts from its start; the last part of it is measured, before 256 connections end, which takes CPU, too.
    const ended = running.then(() => {});
    await Promise.race([pause(seconds * 1000 - durationMs - marginMs), ended]);
    const begin = { atMs: Date.now(), micros: treeMicros(pid) };
    await Promise.race([pause(durationMs), ended]);
    const end = { atMs: Date.now(), micros: treeMicros(pid) };
    await running;
    const logs = readdirSync(own).filter((name) => name.startsWith("log"));
    const log = logs.map((name) => readFileSync(join(own, name), "utf8")).join("");
    const { carriedOut, ...round } = pgbenchRound(log, { beginMs: begin.atMs, endMs: end.atMs });
    return { ...round, cpuMicros: (end.micros - begin.micros) / Math.max(1, carriedOut) };
  } finally {
    rmSync(own, { recursive: true });
  }
}
