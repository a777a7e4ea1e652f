import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { chart } from "./chart.ts";
import type { InProcess } from "./checks-in-process.ts";
import type { FanOut } from "./fan-out.ts";
import type { Machine } from "./machine.ts";
import { bareEcho, echo, executeWith, get, operations, transition } from "./operations.ts";
import type { Options } from "./options.ts";
import { warmUpShare } from "./rounds.ts";
import type { Row } from "./row.ts";
import { batchSize, poolSize } from "./shape.ts";
import { median } from "./statistics.ts";
import { fanOutTable, inProcessTable, rowsTable, threadsTable, transactionsTable, verdictsTable } from "./table.ts";
import { verdicts } from "./targets.ts";
import { participantProcessCount } from "./transactions.ts";

export type Results = {
  readonly machine: Machine;
  readonly generator: string;
  readonly rows: readonly Row[];
  readonly fanOuts: readonly FanOut[];
  readonly checks: readonly InProcess[];
};

/** The operations whose rates are drawn. */
const drawn = [bareEcho, echo, get, "CreateWorkflow", transition, executeWith(2)];

export function headLines({ machine, generator }: Pick<Results, "machine" | "generator">, options: Options): readonly string[] {
  const { cores, model, memoryGib, kernel, node, sqlite, dataOn, busyBefore, commit } = machine;
  const { rounds, durationMs } = options;
  const warmUpMs = durationMs * warmUpShare;
  return [
    `${cores} x ${model}, ${memoryGib} GiB, Linux ${kernel}; Node ${node}, SQLite ${sqlite}; commit ${commit}`,
    `data on ${dataOn}, synchronous=FULL, log level info to a file; ${poolSize} workflows, 10 active rules, 2 of which apply to each move`,
    `load by ${generator} on the same machine, of which ${busyBefore.toFixed(2)} cores were busy before it began`,
    `${rounds} ${rounds === 1 ? "round" : "rounds, alternating,"} of ${durationMs / 1000} s each after ${warmUpMs / 1000} s of warm-up; their median`,
  ];
}

/** The tables on standard output, and what else is wanted into its files. */
export function report(results: Results, options: Options): void {
  const { machine, fanOuts, checks } = results;
  const rows = results.rows.toSorted((a, b) => orderOf(a) - orderOf(b));
  const judged = verdicts(rows);
  const parts = [
    rowsTable(rows, judged),
    legendLines(rows),
    threadsTable(rows),
    transactionsTable(rows),
    fanOutTable(fanOuts),
    inProcessTable(checks),
    verdictsTable(judged),
  ];
  for (const lines of parts) if (lines.length > 0) console.log(`\n${lines.join("\n")}`);
  const { json, svg } = options;
  const title = `Concord on ${machine.cores} x ${machine.model}, commit ${machine.commit}`;
  const all = { ...results, rows, verdicts: judged, rounds: options.rounds, durationMs: options.durationMs };
  if (json !== undefined) write(json, `${JSON.stringify(all, null, 1)}\n`);
  if (svg !== undefined) write(svg, chart(rows, { title, lines: drawn }));
}

/** As they are listed; what is measured besides comes last. */
function orderOf({ operation, concurrency }: Row): number {
  const listed = operations.findIndex(({ name }) => name === operation);
  return (listed === -1 ? operations.length : listed) * 1e6 + concurrency;
}

function legendLines(rows: readonly Row[]): readonly string[] {
  // Participants would be among the others.
  const rounds = rows.filter(({ transaction }) => transaction === undefined).flatMap((row) => row.rounds);
  const others = median(rounds.map(({ othersShare }) => othersShare));
  return [
    "CPU, bytes and flushes are the server's, for each call that it has carried out, warm-up among them; messages are those of participants'",
    `streams. load: of one core. Failed are calls by reason, of all rounds, warm-up among them. A batch has ${batchSize} items. Besides server and`,
    `load, others used ${others.toFixed(2)} of a core (median). ${participantProcessCount} processes hold the participants.`,
  ];
}

function write(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  console.log(`\nwritten: ${file}`);
}
