import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { placeOf, takesTls } from "../kernel/address.ts";
import type { DurationMs } from "../kernel/time.ts";
import { createHostCheck } from "./host-check.ts";
import type { Logger } from "./logger.ts";
import { portOf } from "./port-of.ts";
import { sinkMetrics } from "./sink-metrics.ts";
import { callSecondsBuckets } from "./telemetry/conventions.ts";
import { standBefore } from "./tls/stand-before.ts";
import type { Tls } from "./tls/tls.ts";

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
  readonly calls: readonly {
    readonly service: string;
    readonly kind: string;
    readonly underWay: number;
    readonly waiting: number;
  }[];
};

type StoreBytes = { readonly database: number; readonly wal: number };

type RulesThatJudge = {
  readonly revision: number;
  readonly active: ReadonlySet<string>;
  readonly shadow: ReadonlySet<string>;
};

/** 1,000 active rules with all three actions. Beyond it, some are of rules that judge no more. Those are cleared away when the metrics are read, at the latest. */
const ruleSeriesMax = 3_000;

/** In units: from a rule that reads a field to a check that is denied for its cost. */
const costBuckets = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 200_000];
/** From a rule that reads a field to a check that is ended. */
const judgingSecondsBuckets = [0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];

/** From a local round trip to a participant that was away for long. */
const phaseSecondsBuckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600];
/** From a timer that is as punctual as they are to a loop that has stopped. */
const delaySecondsBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
/** From a timer and a move to the end of a downtime. */
const lateSecondsBuckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600, 3_600];
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
      gauge(
        "transactions_in_doubt",
        "Transactions not completed that a participant may have promised to commit",
        () => read().inDoubt,
      );
      gauge("oldest_in_doubt_seconds", "Age of the oldest of them; 0 if there is none", () => read().oldestInDoubtMs / 1000);
      gauge("participants_connected", "Participants with an open session", () => read().connectedParticipants);
    },
  };
  const purgedWorkflows = new Counter({
    name: "concord_workflows_purged_total",
    help: "Workflows purged by the policies of their types",
    registers,
  });
  const purgedEvents = new Counter({
    name: "concord_events_purged_total",
    help: "Events purged with these",
    registers,
  });
  const deadlines = new Counter({
    name: "concord_workflow_deadlines_total",
    help: "Deadlines that were due, by what has become of them; one that is delayed or overtaken is due again",
    labelNames: ["outcome"],
    registers,
  });
  const deadlineLate = new Histogram({
    name: "concord_workflow_deadline_late_seconds",
    help: "How long after its deadline a move was made",
    buckets: lateSecondsBuckets,
    registers,
  });
  const workflow = {
    deadline: (outcome: string) => deadlines.inc({ outcome }),
    deadlineLate: (lateMs: DurationMs) => deadlineLate.observe(lateMs / 1000),
    /** How many there are, and may be. */
    observe: (read: () => Promise<number>, limit: number) => {
      new Gauge({
        name: "concord_workflows",
        help: "Workflows in the store",
        registers,
        async collect() {
          this.set(await read());
        },
      });
      new Gauge({ name: "concord_workflows_limit", help: "How many there may be, --max-workflows", registers }).set(limit);
    },
    purgedByPolicy: (workflows: number, events: number) => {
      purgedWorkflows.inc(workflows);
      purgedEvents.inc(events);
    },
  };
  const predicate = predicateMetrics(registry);
  const refused = new Counter({
    name: "concord_refused_total",
    help: "Calls and connections for which there was no room: of the process, of one address, on one connection",
    labelNames: ["kind", "service", "of"],
    registers,
  });
  const unauthenticated = new Counter({
    name: "concord_unauthenticated_total",
    help: "Calls refused since nobody has proved who makes them, by why",
    labelNames: ["why"],
    registers,
  });
  const permissionDenied = new Counter({
    name: "concord_permission_denied_total",
    help: "Calls that their callers are not granted at all, by method",
    labelNames: ["rpc"],
    registers,
  });
  const exceeded = new Counter({
    name: "concord_quota_exceeded_total",
    help: "Calls refused since their principal has used up its quota: of calls or streams at once, of its rate, of bytes, or of what it has created",
    labelNames: ["what"],
    registers,
  });
  const access = {
    unauthenticated: (why: string) => unauthenticated.inc({ why }),
    denied: (rpc: string) => permissionDenied.inc({ rpc }),
    exceeded: (what: string) => exceeded.inc({ what }),
  };
  const handshakesFailed = new Counter({
    name: "concord_tls_handshakes_failed_total",
    help: "Connections that came to nothing before they spoke, by why",
    labelNames: ["why"],
    registers,
  });
  const certificateUntil = new Gauge({
    name: "concord_tls_certificate_until_seconds",
    help: "When the certificate that is shown ends, in seconds since 1970; none without TLS",
    labelNames: ["of"],
    registers,
  });
  const tls = {
    handshakeFailed: (why: string) => handshakesFailed.inc({ why }),
    certificateUntil: (at: Date) => certificateUntil.set({ of: "server" }, at.getTime() / 1000),
  };
  const auditLines = new Counter({
    name: "concord_audit_lines_total",
    help: "Lines of the audit log, by what they tell",
    labelNames: ["event"],
    registers,
  });
  const auditLost = new Counter({ name: "concord_audit_lost_lines_total", help: "Lines that are missing in it", registers });
  const auditStuck = new Gauge({ name: "concord_audit_stuck", help: "1 while the audit log cannot be written", registers });
  const audit = {
    line: (event: string) => auditLines.inc({ event }),
    lost: () => auditLost.inc(),
    stuck: (isStuck: boolean) => auditStuck.set(isStuck ? 1 : 0),
  };
  const answered = new Histogram({
    name: "rpc_server_call_duration_seconds",
    help: "How long unary calls take, by their end; those that wait on purpose are not among them",
    labelNames: ["rpc_method", "rpc_response_status_code"],
    buckets: [...callSecondsBuckets],
    registers,
  });
  const edge = {
    answered: (method: string, code: string, tookMs: DurationMs) =>
      answered.observe({ rpc_method: method, rpc_response_status_code: code }, tookMs / 1000),
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
      new Gauge({
        name: "concord_calls_waiting",
        help: "Calls of these that have come and wait for their turn to begin",
        labelNames: ["service"],
        registers,
        collect() {
          for (const { kind, service, waiting } of read().calls) if (kind === "call") this.set({ service }, waiting);
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
  const storeFlushes = new Histogram({
    name: "concord_store_flush_seconds",
    help: "How long a store takes to make durable what waits",
    labelNames: ["store"],
    buckets: flushSecondsBuckets,
    registers,
  });
  const storeWrites = new Counter({
    name: "concord_store_writes_total",
    help: "Write batches that these flushes have made durable",
    labelNames: ["store"],
    registers,
  });
  const flushed =
    (store: string) =>
    ({ batches, tookMs }: { readonly batches: number; readonly tookMs: DurationMs }): void => {
      storeFlushes.observe({ store }, tookMs / 1000);
      storeWrites.inc({ store }, batches);
    };
  const build = (version: string) =>
    new Gauge({
      name: "concord_build_info",
      help: "Which Concord this is, on which Node; always 1",
      labelNames: ["version", "node"],
      registers,
    }).set({ version, node: process.versions.node }, 1);
  const peers = (
    read: () => readonly { readonly service: string; readonly address: string; readonly isThere: boolean | undefined }[],
  ) =>
    new Gauge({
      name: "concord_peer_up",
      help: "Whether a service is there that another process serves, and this one needs",
      labelNames: ["service", "address"],
      registers,
      collect() {
        for (const { service, address, isThere } of read()) {
          if (isThere !== undefined) this.set({ service, address }, Number(isThere));
        }
      },
    });
  const serving = (read: () => readonly { readonly name: string; readonly serving: boolean }[]) =>
    new Gauge({
      name: "concord_service_serving",
      help: "Whether a service of this process serves: not while its store cannot be written",
      labelNames: ["service"],
      registers,
      collect() {
        for (const { name, serving: serves } of read()) this.set({ service: name }, Number(serves));
      },
    });
  const diskFree = (read: () => number) =>
    new Gauge({
      name: "concord_disk_free_bytes",
      help: "Free space where the stores are",
      registers,
      collect() {
        const bytes = read();
        if (Number.isFinite(bytes)) this.set(bytes);
      },
    });
  const lostLines = (readers: Readonly<Record<string, (() => number) | undefined>>) =>
    new Counter({
      name: "concord_log_lines_lost_total",
      help: "Lines of the log, and of the trace, that could not be written",
      labelNames: ["of"],
      registers,
      collect() {
        this.reset();
        for (const [of, read] of Object.entries(readers)) if (read) this.inc({ of }, read());
      },
    });
  const lostTelemetry = (readers: Readonly<Record<string, () => number>>) =>
    new Counter({
      name: "concord_telemetry_lost_total",
      help: "Spans, and exports of metrics, that did not come to the collector of OpenTelemetry",
      labelNames: ["of"],
      registers,
      collect() {
        this.reset();
        for (const [of, read] of Object.entries(readers)) this.inc({ of }, read());
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
  const violations = new Counter({
    name: "concord_invariant_violations_total",
    help: "Invariants that did not hold, by what the code and the specs call them: each is a defect, and what it was about was refused",
    labelNames: ["invariant"],
    registers,
  });
  /** By name only: what is said after a colon is for the log. */
  const violated = (invariant: string): void => violations.inc({ invariant: invariant.split(":", 1)[0] ?? "" });
  /** What a gauge without labels says now; 0 if there is none of this name. */
  const gaugeOf = async (name: string): Promise<number> => (await registry.getSingleMetric(name)?.get())?.values[0]?.value ?? 0;
  return {
    commit,
    workflow,
    predicate,
    access,
    tls,
    audit,
    edge,
    stores,
    flushed,
    build,
    lostLines,
    lostTelemetry,
    serving,
    diskFree,
    peers,
    loop,
    violated,
    sinks: sinkMetrics(registry),
    gaugeOf,
    registry,
  };
}

function predicateMetrics(registry: Registry) {
  const registers = [registry];
  let rulesThatJudge: () => RulesThatJudge = () => ({ revision: 0, active: new Set(), shadow: new Set() });
  /** A counter that has series only of rules that judge. */
  const byRule = <Label extends string>(name: string, help: string, labelNames: readonly Label[], of: "active" | "shadow") => {
    const series = new Map<string, Readonly<Record<Label, string>>>();
    const clear = (): void => {
      const judging = rulesThatJudge()[of];
      for (const [key, labels] of series) {
        if (judging.has((labels as Readonly<Record<string, string>>)["rule"] ?? "")) continue;
        counter.remove(labels);
        series.delete(key);
      }
    };
    const counter = new Counter({ name, help, labelNames, registers, collect: clear });
    return (labels: Readonly<Record<Label, string>>): void => {
      counter.inc(labels);
      series.set(Object.values(labels).join(" "), labels);
      if (series.size > ruleSeriesMax) clear();
    };
  };
  const gauge = (name: string, help: string, read: (rules: RulesThatJudge) => number) =>
    new Gauge({
      name: `concord_predicate_${name}`,
      help,
      registers,
      collect() {
        this.set(read(rulesThatJudge()));
      },
    });
  const verdicts = new Counter({
    name: "concord_predicate_verdicts_total",
    help: "Checks that were answered, by judgement",
    labelNames: ["judgement"],
    registers,
  });
  const violation = byRule(
    "concord_predicate_violations_total",
    "Times that an active rule did not hold",
    ["rule", "action"],
    "active",
  );
  const shadowDifference = byRule(
    "concord_predicate_shadow_differences_total",
    "Times that a rule in shadow said otherwise",
    ["rule"],
    "shadow",
  );
  const shadowsNotJudged = new Counter({
    name: "concord_predicate_shadows_not_judged_total",
    help: "Times that a rule in shadow was not judged, for its cost",
    registers,
  });
  const cost = new Histogram({
    name: "concord_predicate_check_cost",
    help: "What checks cost, in units, shadows not counted",
    buckets: costBuckets,
    registers,
  });
  const judging = new Histogram({
    name: "concord_predicate_judging_seconds",
    help: "How long it takes to judge a check, on the event loop or by a thread",
    labelNames: ["where"],
    buckets: judgingSecondsBuckets,
    registers,
  });
  // Looked up once: it is asked for each check.
  const judgingAt = { loop: judging.labels("loop"), thread: judging.labels("thread") };
  const exhausted = new Counter({
    name: "concord_predicate_budget_exhausted_total",
    help: "Checks in which an expression, or all together, cost too much",
    registers,
  });
  const restarts = new Counter({
    name: "concord_predicate_judge_restarts_total",
    help: "Judging threads that had ended and were replaced",
    registers,
  });
  const dropped = new Counter({
    name: "concord_verdicts_dropped_total",
    help: "Verdicts that are missing in the verdict log",
    labelNames: ["why"],
    registers,
  });
  gauge("rule_set_revision", "The rule set that judges", ({ revision }) => revision);
  gauge("rules_active", "Rules that judge", ({ active }) => active.size);
  gauge("rules_in_shadow", "Rules that are judged beside them", ({ shadow }) => shadow.size);
  return {
    verdict: (judgement: string) => verdicts.inc({ judgement }),
    violation: (rule: string, action: string) => violation({ rule, action }),
    shadowDifference: (rule: string) => shadowDifference({ rule }),
    shadowsNotJudged: (count: number) => shadowsNotJudged.inc(count),
    cost: (units: number) => cost.observe(units),
    exhausted: () => exhausted.inc(),
    judged: (where: "loop" | "thread", tookMs: DurationMs) => judgingAt[where].observe(tookMs / 1000),
    threadReplaced: () => restarts.inc(),
    verdictsDropped: (why: string, count: number) => dropped.inc({ why }, count),
    observe: (read: () => RulesThatJudge) => {
      rulesThatJudge = read;
    },
  };
}

export type MetricsServer = { readonly port: number; readonly close: () => Promise<void> };

/** As long as nothing but Prometheus comes, and that quickly. */
const handshakeMs: DurationMs = 10_000;

/** Serves GET /metrics, over TLS if the address is a port and `tls` is given. Rejects if it cannot listen. */
/** The HTTP status of a request whose sender may not read them. */
export type MetricsRefusal = (request: IncomingMessage) => Promise<number | undefined> | undefined;

export async function serveMetrics(
  registry: Registry,
  address: string,
  logger: Logger,
  {
    tls: certificates,
    refusal,
    allowedHosts = [],
  }: {
    readonly tls?: Tls | undefined;
    readonly refusal?: MetricsRefusal | undefined;
    readonly allowedHosts?: readonly string[];
  } = {},
): Promise<MetricsServer> {
  const isMeantForUs = createHostCheck(address, allowedHosts);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end("GET /metrics\n");
      return;
    }
    if (!isMeantForUs(request.headers.host)) {
      response.writeHead(421).end("Host is none of this machine; see --http-allow-host\n");
      return;
    }
    const status = await refusal?.(request);
    if (status !== undefined) {
      response.writeHead(status, status === 401 ? { "www-authenticate": 'Bearer realm="concord"' } : {}).end();
      return;
    }
    response.setHeader("content-type", registry.contentType).end(await registry.metrics());
  };
  const tls = takesTls(address) ? certificates : undefined;
  const server = tls ? createTlsServer({ ...tls.options(), ALPNProtocols: ["http/1.1"] }, answer) : createServer(answer);
  if (tls) standBefore(server as TlsServer, { tls, logger, handshakeMs });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(placeOf(address), resolve);
  await promise;
  return {
    port: portOf(server),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        // Also those with half a request.
        server.closeAllConnections();
      }),
  };
}
