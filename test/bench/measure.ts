import { setTimeout as pause } from "node:timers/promises";
import { endsOf } from "./ends.ts";
import type { Generator, Span, Weighed } from "./load.ts";
import type { Operation } from "./operations.ts";
import { endedChildrenMicros, machineBusyMicros, type ProcessUse, processUse } from "./proc.ts";
import { byLabel, type Series } from "./series.ts";
import type { BenchServer, ServerReport } from "./server-process.ts";
import { bareMethod } from "./shape.ts";
import { type Counts, difference, total } from "./statistics.ts";
import type { Counters, Participants } from "./transactions.ts";

/** One measurement. What is `each` is so for each call that the server has carried out, those before and after the measured time among them. */
export type Round = Weighed & {
  /** At the server. */
  readonly succeeded: number;
  /** Calls that succeeded, of those that were answered. */
  readonly succeededShare: number;
  readonly failures: Counts;
  /** Microseconds of the server's CPU, by thread. */
  readonly eachCpuMicros: Counts;
  readonly eachWrittenBytes: number;
  /** By store. */
  readonly eachFlushes: Counts;
  /** Of transactions. */
  readonly counters?: Counters | undefined;
  /** Of one core: what others than load and server have used. */
  readonly othersShare: number;
};

export type Place = {
  readonly generator: Generator;
  readonly server: BenchServer;
  readonly participants: Participants | undefined;
};

const callsMetric = "rpc_server_call_duration_seconds_count";

/** What has happened so far. */
type Counted = {
  readonly series: Series;
  readonly report: ServerReport;
  readonly counters: Counters | undefined;
};

/** What has been used so far. */
type Used = {
  readonly use: ProcessUse;
  readonly childrenMicros: number;
  readonly ownMicros: number;
  readonly busyMicros: number;
  readonly atMs: number;
};

type Sample = Counted & Used;

export async function measure(place: Place, operation: Operation, concurrency: number, span: Span): Promise<Round> {
  const { generator, server, participants } = place;
  await server.logAt(operation.logLevel);
  const counters = operation.participantCount > 0 ? participants?.counters : undefined;
  const before = { ...(await counted(server, counters)), ...used(server) };
  const { method, body, isBare } = operation;
  const port = isBare ? server.barePort : server.port;
  const measured = await generator.run({ port, method, body, concurrency, span });
  // Before anybody asks the server what it has counted.
  const usedUp = used(server);
  await quiet(server);
  const after = { ...(await counted(server, counters)), ...usedUp };
  return round(measured, { operation, concurrency, before, after });
}

/** Between two looks in which no call has ended. */
const quietMs = 50;

/** What is cut off at its end must not end within the next measurement. */
const quietLooksMax = 200;

async function quiet({ series, report }: BenchServer): Promise<void> {
  let ended = Number.NaN;
  for (let look = 0; look < quietLooksMax; look += 1) {
    const now = total(byLabel(await series(), callsMetric, "rpc_response_status_code"));
    const { underWay } = await report();
    if (now === ended && underWay === 0) return;
    ended = now;
    await pause(quietMs);
  }
}

/** The counters first: they are there when all that has begun is over. */
async function counted(server: BenchServer, count: (() => Promise<Counters>) | undefined): Promise<Counted> {
  const counters = await count?.();
  return { counters, series: await server.series(), report: await server.report() };
}

function used({ pid }: BenchServer): Used {
  const { user, system } = process.cpuUsage();
  return {
    use: processUse(pid),
    childrenMicros: endedChildrenMicros(),
    ownMicros: user + system,
    busyMicros: machineBusyMicros(),
    atMs: performance.now(),
  };
}

type Between = {
  readonly operation: Operation;
  readonly concurrency: number;
  readonly before: Sample;
  readonly after: Sample;
};

function round(measured: Weighed, between: Between): Round {
  const { before, after, operation } = between;
  const { succeeded, failures, cutOff } = endsBetween(between);
  const counters = before.counters && after.counters && countersBetween(before.counters, after.counters);
  // Its caller is answered OK.
  const aborted = operation.method.endsWith("/ExecuteTransaction") ? (counters?.aborted ?? 0) - between.concurrency : 0;
  const failed = aborted > 0 ? { ...failures, TRANSACTION_ABORTED: aborted } : failures;
  const answered = succeeded + total(failures);
  const carriedOut = Math.max(1, succeeded + cutOff);
  const each = (counts: Counts): Counts =>
    Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, value / carriedOut]));
  const cpuMicros = difference(before.use.cpuMicros, after.use.cpuMicros);
  const others =
    after.busyMicros -
    before.busyMicros -
    total(cpuMicros) -
    (after.childrenMicros - before.childrenMicros) -
    (after.ownMicros - before.ownMicros);
  return {
    ...measured,
    succeeded,
    succeededShare: answered === 0 ? 0 : (succeeded - Math.max(0, aborted)) / answered,
    failures: failed,
    eachCpuMicros: each(cpuMicros),
    eachWrittenBytes: (after.use.writtenBytes - before.use.writtenBytes) / carriedOut,
    eachFlushes: each(difference(flushesIn(before), flushesIn(after))),
    counters,
    othersShare: Math.max(0, others / 1000 / (after.atMs - before.atMs)),
  };
}

function endsBetween({ before, after, operation, concurrency }: Between) {
  const { method } = operation;
  if (method === bareMethod) {
    return { succeeded: after.report.bareCalls - before.report.bareCalls, failures: {}, cutOff: 0 };
  }
  return endsOf({
    statuses: difference(statusesIn(before, method), statusesIn(after, method)),
    reasons: difference(before.report.reasons[method] ?? {}, after.report.reasons[method] ?? {}),
    refused: total(difference(refusedIn(before, method), refusedIn(after, method))),
    concurrency,
  });
}

const statusesIn = ({ series }: Sample, method: string): Counts =>
  byLabel(series, callsMetric, "rpc_response_status_code", { rpc_method: method });

const refusedIn = ({ series }: Sample, method: string): Counts =>
  byLabel(series, "concord_refused_total", "of", { kind: "call", service: method.slice(0, method.indexOf("/")) });

const flushesIn = ({ series }: Sample): Counts => byLabel(series, "concord_store_flush_seconds_count", "store");

function countersBetween(before: Counters, after: Counters): Counters {
  const entries = Object.entries(after).map(([name, value]) => [name, value - before[name as keyof Counters]]);
  return Object.fromEntries(entries) as Counters;
}
