import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { DurationMs } from "../kernel/time.ts";

type CommitGauges = {
  readonly undecided: number;
  readonly inDoubt: number;
  readonly oldestInDoubtMs: DurationMs;
  readonly connectedParticipants: number;
  readonly unacknowledged: number;
  readonly unacknowledgedMost: number;
  readonly undecidedBytes: number;
  readonly unacknowledgedBytes: number;
};

type EdgeLoad = {
  readonly connections: number;
  readonly receivingBytes: number;
  readonly calls: readonly { readonly service: string; readonly kind: string; readonly underWay: number }[];
};

type StoreBytes = { readonly database: number; readonly wal: number };

/** From a local round trip to a participant that was away for long. */
const phaseSecondsBuckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600];
/** From a timer that is as punctual as they are to a loop that has stopped. */
const delaySecondsBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const flushSecondsBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];
const flushSizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** What Prometheus reads. docs/operations.md lists the names and the alerts. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name: `concord_commit_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `concord_commit_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const histogram = <Label extends string>(name: string, help: string, buckets: number[], labelNames: readonly Label[]) =>
    new Histogram({ name: `concord_commit_${name}`, help, buckets, labelNames, registers });

  const begun = counter("transactions_begun_total", "Transactions begun", []);
  const decided = counter("transactions_decided_total", "Transactions decided, by outcome", ["outcome"]);
  const phases = histogram("phase_seconds", "How long transactions stay in a phase", phaseSecondsBuckets, ["phase"]);
  const resends = counter("resends_total", "Messages sent again to the same participant", ["kind"]);
  const resolved = counter("heuristic_total", "Transactions ended by an operator", ["outcome"]);
  const mixed = counter("heuristic_mixed_total", "Participants that contradicted an operator", []);
  const lost = counter("promises_lost_total", "Participants that do not hold any more what they voted to commit", []);
  const newerLog = counter("newer_log_seen_total", "Sessions refused by participants that have seen a newer decision log", []);
  const forced = counter("forced_writes_total", "Writes to the decision log that a transaction waited for", []);
  const flushSeconds = histogram("flush_seconds", "How long a flush of the decision log takes", flushSecondsBuckets, []);
  const flushSize = histogram("flush_writes", "How many writes one flush carries, forced or not", flushSizeBuckets, []);
  const opened = counter("sessions_opened_total", "Participants welcomed", []);
  const ended = counter("sessions_ended_total", "Sessions ended, by reason", ["reason"]);

  const commit = {
    begun: () => begun.inc(),
    decided: (outcome: string) => decided.inc({ outcome }),
    phaseEnded: (phase: string, tookMs: DurationMs) => phases.observe({ phase }, tookMs / 1000),
    resent: (kind: string) => resends.inc({ kind }),
    resolved: (outcome: string) => resolved.inc({ outcome }),
    mixed: () => mixed.inc(),
    promiseLost: () => lost.inc(),
    newerLogSeen: () => newerLog.inc(),
    forced: () => forced.inc(),
    flushed: ({ batches, tookMs }: { readonly batches: number; readonly tookMs: DurationMs }) => {
      flushSeconds.observe(tookMs / 1000);
      flushSize.observe(batches);
    },
    sessionOpened: () => opened.inc(),
    sessionEnded: (reason: string) => ended.inc({ reason }),
    observe: (read: () => CommitGauges) => {
      gauge("transactions_undecided", "Transactions that are not decided", () => read().undecided);
      gauge("undecided_bytes", "Bytes of these in memory, of --max-undecided", () => read().undecidedBytes);
      gauge("unacknowledged", "Decisions that participants should have acknowledged", () => read().unacknowledged);
      gauge("unacknowledged_most", "The same of the participant that owes most, of --max-owed", () => read().unacknowledgedMost);
      gauge(
        "unacknowledged_bytes",
        "Bytes in memory of transactions that are decided and not acknowledged, of --max-unacknowledged",
        () => read().unacknowledgedBytes,
      );
      gauge("transactions_in_doubt", "Transactions prepared somewhere and not completed", () => read().inDoubt);
      gauge("oldest_in_doubt_seconds", "Age of the oldest of them; 0 if there is none", () => read().oldestInDoubtMs / 1000);
      gauge("participants_connected", "Participants with an open session", () => read().connectedParticipants);
    },
  };
  const refused = new Counter({
    name: "concord_refused_total",
    help: "Calls and connections for which there was no room: of the process, of one address, on one connection",
    labelNames: ["kind", "service", "of"],
    registers,
  });
  const edge = {
    refused: ({ kind, service, of }: { readonly kind: string; readonly service: string; readonly of: string }) =>
      refused.inc({ kind, service, of }),
    observe: (read: () => EdgeLoad) => {
      new Gauge({
        name: "concord_connections_open",
        help: "Connections that are open",
        registers,
        collect() {
          this.set(read().connections);
        },
      });
      new Gauge({
        name: "concord_receiving_bytes",
        help: "Bytes of requests that have not come whole yet",
        registers,
        collect() {
          this.set(read().receivingBytes);
        },
      });
      new Gauge({
        name: "concord_calls_under_way",
        help: "Calls, watches and sessions under way",
        labelNames: ["kind", "service"],
        registers,
        collect() {
          for (const { kind, service, underWay } of read().calls) this.set({ kind, service }, underWay);
        },
      });
    },
  };
  const stores = <Name extends string>(names: readonly Name[], read: (name: Name) => StoreBytes) =>
    new Gauge({
      name: "concord_store_bytes",
      help: "Size of a store's file and of its write-ahead log",
      labelNames: ["store", "file"],
      registers,
      collect() {
        for (const store of names) {
          for (const [file, bytes] of Object.entries(read(store))) this.set({ store, file }, bytes);
        }
      },
    });
  const loopDelay = new Histogram({
    name: "concord_loop_delay_seconds",
    help: "How late a timer of 10 ms fires: how long the event loop is held by others",
    buckets: delaySecondsBuckets,
    registers,
  });
  const loopHeld = new Counter({
    name: "concord_loop_held_total",
    help: "Times that the event loop was held for more than 50 ms, by the call or the job that did it",
    labelNames: ["by"],
    registers,
  });
  const loop = {
    loopDelay: (lateMs: DurationMs) => loopDelay.observe(lateMs / 1000),
    loopHeld: (by: string) => loopHeld.inc({ by }),
  };
  return { commit, edge, stores, loop, registry };
}

export type MetricsServer = { readonly port: number; readonly close: () => Promise<void> };

/** Serves GET /metrics over plain HTTP. Rejects if it cannot listen. */
export async function serveMetrics(registry: Registry, address: string): Promise<MetricsServer> {
  const server = createServer(async (request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end("GET /metrics\n");
      return;
    }
    response.setHeader("content-type", registry.contentType).end(await registry.metrics());
  });
  const separator = address.lastIndexOf(":");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(Number(address.slice(separator + 1)), address.slice(0, separator).replace(/^\[|\]$/g, ""), resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        // Also those with half a request.
        server.closeAllConnections();
      }),
  };
}
