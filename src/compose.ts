import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServerMiddleware } from "nice-grpc-common";
import { v7 as uuidv7 } from "uuid";
import { createDriver, type Driver } from "./commit/driver.ts";
import { createParticipant, type Participant } from "./commit/participant/participant.ts";
import type { Coordinator, DecisionLog } from "./commit/ports.ts";
import { createSessions } from "./commit/sessions.ts";
import { watchWaiting } from "./commit/waiting.ts";
import type { Config, ServiceName } from "./config.ts";
import { createNatsTransport } from "./events/nats.ts";
import type { EventSource } from "./events/ports.ts";
import { createSinks, type Sinks } from "./events/sinks.ts";
import { createWebhookTransport } from "./events/webhook.ts";
import { TwoPhaseCommitDefinition } from "./gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "./gen/concord/predicate/v1/predicate_logic.ts";
import { ServerStatusDefinition } from "./gen/concord/server/v1/server_status.ts";
import { WorkflowServiceDefinition, type WorkflowServiceImplementation } from "./gen/concord/workflow/v1/workflow_service.ts";
import { type HttpServer, serveHttp } from "./http/server.ts";
import { withPort } from "./kernel/address.ts";
import { onViolation } from "./kernel/assert.ts";
import type { ParticipantId, TransactionId } from "./kernel/ids.ts";
import { err, ok, type Result } from "./kernel/result.ts";
import { createSeldomLog } from "./kernel/seldom.ts";
import type { DurationMs } from "./kernel/time.ts";
import type { Turns } from "./kernel/turns.ts";
import { StorageUnavailableError, type StoreHealth } from "./kernel/write.ts";
import { createClosedVerdictLog } from "./predicate/closed-verdict-log.ts";
import { createEngine } from "./predicate/engine.ts";
import { createEvaluator } from "./predicate/evaluator.ts";
import { startJudgeThread } from "./predicate/judge-thread.ts";
import { createJudges } from "./predicate/judges.ts";
import type { VerdictLog } from "./predicate/ports.ts";
import { createRunTests } from "./predicate/run-tests.ts";
import { countVerdicts } from "./predicate/verdict-metrics.ts";
import { createVerdictRecorder } from "./predicate/verdict-recorder.ts";
import { createArchive } from "./rpc/archive.ts";
import { openChannel } from "./rpc/clients/channel.ts";
import { createParticipantTransport } from "./rpc/clients/participant-transport.ts";
import { type PeerState, type PeerWatch, watchPeers } from "./rpc/clients/peer-watch.ts";
import { createPredicateClient, predicateCalls } from "./rpc/clients/predicate-client.ts";
import { createTransactionClient, transactionCalls } from "./rpc/clients/transaction-client.ts";
import { createCommitService } from "./rpc/commit-service.ts";
import type { RpcContext } from "./rpc/context.ts";
import { storageUnavailable } from "./rpc/errors.ts";
import { workflowFilter } from "./rpc/filter.ts";
import { createPredicateService } from "./rpc/predicate-service.ts";
import { createRpcServer, type EdgeBounds, type RpcServer, type RpcService, withValidation } from "./rpc/server.ts";
import { createStatusService } from "./rpc/status-service.ts";
import { createEventSource, filterProblem } from "./rpc/workflow/event-source.ts";
import { createWorkflowService } from "./rpc/workflow-service.ts";
import { systemClock } from "./runtime/clock.ts";
import { createDailyFile } from "./runtime/daily-file.ts";
import { createDeadlineReport } from "./runtime/deadline-report.ts";
import { createIncreasingIds } from "./runtime/increasing-ids.ts";
import { indexMetadata } from "./runtime/index-metadata.ts";
import type { Logger } from "./runtime/logger.ts";
import { createLoopWatch, type LoopWatch } from "./runtime/loop-watch.ts";
import { createMetrics, type MetricsServer, serveMetrics } from "./runtime/metrics.ts";
import { purgeAnswers } from "./runtime/purge-answers.ts";
import { removeStaleSocket } from "./runtime/stale-socket.ts";
import { openTraceWriter, type TraceWriter } from "./runtime/trace-writer.ts";
import { createTurns } from "./runtime/turns.ts";
import { readSinksFile, type SinkSettings } from "./sinks-file.ts";
import { openSqliteDecisionLog } from "./storage/sqlite/decision-log.ts";
import { openSqliteRuleStore } from "./storage/sqlite/rule-store.ts";
import { schemaChange } from "./storage/sqlite/schema-change.ts";
import { openSqliteSinkStore } from "./storage/sqlite/sink-store.ts";
import { storeBytes } from "./storage/sqlite/store-bytes.ts";
import { freeBytes, makeFolder } from "./storage/sqlite/store-file.ts";
import { openSqliteVerdictLog } from "./storage/sqlite/verdict-log.ts";
import { workflowMigrations } from "./storage/sqlite/workflow-migrations.ts";
import { openSqliteWorkflowStore } from "./storage/sqlite/workflow-store.ts";
import { version } from "./version.ts";
import { createBulk } from "./workflow/bulk.ts";
import { createDeadlines } from "./workflow/deadlines.ts";
import { createFireDeadline, firingAgain } from "./workflow/fire-deadline.ts";
import { createManager } from "./workflow/manager.ts";
import { createOwnPart } from "./workflow/own-part.ts";
import { createWorkflowParticipant } from "./workflow/participant.ts";
import { createPolicies } from "./workflow/policies.ts";
import type { CoordinatorSessions, PredicateClient, TransactionClient } from "./workflow/ports.ts";
import { createPurges, type Undelivered } from "./workflow/purge.ts";
import { createRetention } from "./workflow/retention.ts";
import { createWatch } from "./workflow/watch.ts";

/** Also the order of leaving: the coordinator's drain still needs the workflow manager, which is a participant. */
const startOrder: readonly ServiceName[] = ["predicate", "commit", "workflow"];

const fullNames: Readonly<Record<ServiceName, string>> = {
  predicate: PredicateLogicDefinition.fullName,
  commit: TwoPhaseCommitDefinition.fullName,
  workflow: WorkflowServiceDefinition.fullName,
};

/** Why Concord does not start. The message is for the operator. */
export type StartFailure = { readonly message: string };

export interface Concord {
  /** The port that it listens on. */
  readonly port: number;
  /** The port of GET /metrics, if it is served. */
  readonly metricsPort: number | undefined;
  /** The port of the HTTP interface, if it is served. */
  readonly httpPort: number | undefined;
  /** NOT_SERVING, GoAway, drain, close. Resolves when nothing is open any more. */
  stop(): Promise<void>;
}

/** One service of this process, wired. */
type Part = {
  readonly service: RpcService;
  readonly workflow?: WorkflowServiceImplementation<RpcContext>;
  readonly health: StoreHealth;
  /** Resolves if another process takes the store over: then the service never serves again. */
  readonly replaced?: Promise<unknown>;
  /** Services elsewhere that it needs. */
  readonly peers?: () => readonly PeerState[];
  /** Of TwoPhaseCommit, as far as it has claimed its log. */
  readonly coordinator?: () => Coordinator | undefined;
  /** After the server listens. */
  readonly start?: (address: string) => Promise<void>;
  /** Before calls are drained: participants are told, transactions may end. */
  readonly leave?: (graceMs: DurationMs) => Promise<void>;
  /** After the server has stopped. */
  readonly close: () => Promise<void>;
};

type Options = {
  readonly config: Config;
  readonly logger: Logger;
  /** How many lines of the log were lost. */
  readonly lostLogLines?: () => number;
};

type Wiring = Options & {
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly trace: TraceWriter["write"] | undefined;
  /** One of each for all services, which have one loop. */
  readonly turns: Turns;
  readonly loop: LoopWatch;
  readonly sinkSettings: readonly SinkSettings[];
};

/** For measurements: services beside Concord's own, behind the same middleware. */
export type ExtraServices = (workflow: WorkflowServiceImplementation<RpcContext> | undefined) => readonly RpcService[];

/** Wires the configured services to their stores and to each other, over gRPC, and serves them. */
export async function startConcord(options: Options, extraServices?: ExtraServices): Promise<Result<Concord, StartFailure>> {
  const { config, logger, lostLogLines } = options;
  // Before anything is made, opened or claimed: what is wrong here leaves all as it was.
  const sinkSettings = readSinkSettings(config);
  if (!sinkSettings.ok) return sinkSettings;
  const metrics = createMetrics();
  metrics.build(version);
  const loop = createLoopWatch({ clock: systemClock, logger, metrics: metrics.loop });
  const hasVerdicts = config.services.includes("predicate") && config.verdictLog !== "off";
  const hasSinks = config.services.includes("workflow") && config.sinks !== undefined;
  const besides = [...(hasVerdicts ? (["verdicts"] as const) : []), ...(hasSinks ? (["events"] as const) : [])];
  metrics.stores([...config.services, ...besides], (name) => storeBytes(storePath(config, name)));
  const forgetViolations = onViolation((violation) => {
    metrics.violated(violation.message);
    logger.error(
      { invariant: violation.message, err: violation },
      "a defect: an invariant does not hold; what it is about is refused",
    );
  });
  const traced = config.trace === undefined ? undefined : openTraceWriter(config.trace, logger);
  if (traced && !traced.ok) return traced;
  const trace = traced?.value;
  metrics.lostLines({ log: lostLogLines, trace: trace?.lostLines });
  const wiring: Wiring = {
    ...options,
    metrics,
    trace: trace?.write,
    turns: createTurns(),
    loop,
    sinkSettings: sinkSettings.value,
  };
  const compose = { predicate: predicatePart, commit: commitPart, workflow: workflowPart };
  const parts: Part[] = [];
  const closeAll = async () => {
    for (const part of parts.toReversed()) await part.close();
    trace?.close();
    loop.stop();
    forgetViolations();
  };
  const unreadable = (error: unknown): Result<Part, StartFailure> => {
    if (error instanceof StorageUnavailableError) return err({ message: error.message });
    throw error;
  };
  try {
    makeFolder(config.dataDir);
  } catch (error) {
    await closeAll();
    return err({ message: `data-dir: cannot create ${config.dataDir}: ${messageOf(error)}` });
  }
  try {
    if (config.archive !== undefined) makeFolder(config.archive);
  } catch (error) {
    await closeAll();
    return err({ message: `archive: cannot create ${config.archive}: ${messageOf(error)}` });
  }
  warnOfNewStores(config, logger);
  for (const name of startOrder.filter((service) => config.services.includes(service))) {
    const part = await compose[name](wiring).catch(unreadable);
    if (!part.ok) {
      await closeAll();
      return part;
    }
    parts.push(part.value);
  }
  const peers = () => parts.flatMap((part) => part.peers?.() ?? []);
  /** Why a service does not serve. */
  const troubles = new Map<string, string>();
  const status = createStatusService({
    version,
    startedAtMs: systemClock.nowMs(),
    services: () => parts.map((part) => serviceStatus(part, config, troubles)),
    gauge: metrics.gaugeOf,
    diskFreeBytes: () => freeBytes(storePath(config, "workflow")),
    peers,
    coordinator: () => {
      const served = parts.find(({ coordinator }) => coordinator !== undefined);
      return served && (served.coordinator?.() ?? { coordinatorId: "", coordinatorEpoch: 0 });
    },
  });
  const statusService: RpcService = {
    name: ServerStatusDefinition.fullName,
    addTo: (builder) => builder.add(withValidation(ServerStatusDefinition, loop), status),
  };
  const extra = extraServices?.(parts.find(({ workflow }) => workflow !== undefined)?.workflow) ?? [];
  metrics.peers(peers);
  const server = createRpcServer({
    services: [...parts.map(({ service }) => service), statusService, ...extra],
    logger,
    loop,
    bounds: boundsOf(config),
    onRefused: metrics.edge.refused,
  });
  let http: HttpServer | undefined;
  metrics.edge.observe(() => {
    const load = server.load();
    return { ...load, receivingBytes: load.receivingBytes + (http?.receivingBytes() ?? 0) };
  });
  let port: number;
  try {
    for (const address of [config.listen, config.metricsListen, config.httpListen]) {
      if (address !== undefined) await removeStaleSocket(address);
    }
    port = await server.listen(config.listen);
  } catch (error) {
    await closeAll();
    return err({ message: `listen: cannot serve on ${config.listen}: ${messageOf(error)}` });
  }
  let metricsServer: MetricsServer | undefined;
  try {
    if (config.metricsListen !== undefined) metricsServer = await serveMetrics(metrics.registry, config.metricsListen);
  } catch (error) {
    await server.shutdown(0);
    await closeAll();
    return err({ message: `metrics-listen: cannot serve on ${config.metricsListen}: ${messageOf(error)}` });
  }
  try {
    http = await httpServer(wiring, server, peers);
  } catch (error) {
    await metricsServer?.close();
    await server.shutdown(0);
    await closeAll();
    return err({ message: `http-listen: cannot serve on ${config.httpListen}: ${messageOf(error)}` });
  }
  const unfollow = parts.map((part) => followHealth(server, part, logger, troubles));
  const ownAddress = withPort(config.listen, port);
  for (const part of parts) await part.start?.(ownAddress);
  const addresses = {
    listen: ownAddress,
    ...(http && { http: withPort(config.httpListen ?? "", http.port) }),
    ...(metricsServer && { metrics: withPort(config.metricsListen ?? "", metricsServer.port) }),
  };
  logger.info({ ...addresses, data: config.dataDir, services: config.services }, "serving");

  return ok({
    port,
    metricsPort: metricsServer?.port,
    httpPort: http?.port,
    stop: async () => {
      logger.info("stopping");
      for (const stopFollowing of unfollow) stopFollowing();
      const endMs = performance.now() + config.shutdownGrace;
      const leftMs = (): DurationMs => Math.max(0, endMs - performance.now());
      for (const { service } of parts) {
        server.setServing(service.name, false);
        troubles.set(service.name, "it is shutting down");
      }
      http?.leave();
      const moved = server.leave(WorkflowServiceDefinition.fullName, config.shutdownGrace);
      for (const part of parts) {
        // A move under way needs the rules, the coordinator, and this process as a participant.
        if (part.workflow !== undefined) await moved;
        await part.leave?.(leftMs());
      }
      await server.shutdown(leftMs());
      await http?.close();
      await metricsServer?.close();
      await closeAll();
      logger.info("stopped");
    },
  });
}

function httpServer(
  { config, logger, metrics, loop }: Wiring,
  server: RpcServer,
  peers: () => readonly PeerState[],
): Promise<HttpServer> | undefined {
  if (config.httpListen === undefined) return undefined;
  return serveHttp({
    address: config.httpListen,
    accept: server.accept,
    bodyBytesMax: config.maxMessage,
    receivingBytesMax: config.maxReceiving,
    allowedHosts: config.httpAllowHost,
    allowedOrigins: config.httpAllowOrigin,
    peers,
    logger,
    loop,
    onRefused: metrics.edge.refused,
  });
}

function boundsOf({ maxConnections, maxCalls, maxStreams, addressShare, maxMessage, maxReceiving }: Config): Partial<EdgeBounds> {
  return {
    connectionsMax: maxConnections,
    callsMax: maxCalls,
    streamsMax: maxStreams,
    addressShare: addressShare / 100,
    requestBytesMax: maxMessage,
    receivingBytesMax: maxReceiving,
  };
}

const storePath = (config: Config, name: ServiceName | "verdicts" | "events"): string => join(config.dataDir, `${name}.sqlite`);

/** A folder may get another service, or may have lost what it had: rules that forbade, decisions that were promised. */
function warnOfNewStores(config: Config, logger: Logger): void {
  const missing = startOrder.filter((name) => !existsSync(storePath(config, name)));
  if (missing.length === startOrder.length) return;
  for (const name of missing.filter((service) => config.services.includes(service))) {
    const message =
      "a new, empty store is made beside older ones; if there was one before, stop now and restore it from a backup";
    logger.warn({ file: storePath(config, name) }, message);
  }
}

/** A service that cannot write does not serve, as far as load balancers are concerned; it still answers what it can. */
function followHealth(
  server: RpcServer,
  { service, health, replaced }: Part,
  logger: Logger,
  troubles: Map<string, string>,
): () => void {
  const follow = (writable: boolean, cause: string): void => {
    server.setServing(service.name, writable);
    if (writable) troubles.delete(service.name);
    else troubles.set(service.name, `the store cannot be written: ${cause}`);
    if (writable) logger.info({ service: service.name }, "the store can be written again");
    else logger.error({ service: service.name, cause }, "the store cannot be written; reads go on");
  };
  if (!health.writable) follow(false, "opened without space");
  const unfollow = health.onWritableChange(follow);
  void replaced?.then(() => {
    unfollow();
    server.setServing(service.name, false);
    troubles.set(service.name, "another coordinator has taken the decision log over");
  });
  return unfollow;
}

function serviceStatus({ service: { name } }: Part, config: Config, troubles: ReadonlyMap<string, string>) {
  const service = startOrder.find((each) => fullNames[each] === name);
  const { database, wal } = service === undefined ? { database: 0, wal: 0 } : storeBytes(storePath(config, service));
  const reason = troubles.get(name) ?? "";
  return { name, serving: reason === "", reason, storeBytes: BigInt(database), walBytes: BigInt(wal) };
}

async function predicatePart({ config, logger, metrics: allMetrics, turns, loop }: Wiring): Promise<Result<Part, StartFailure>> {
  const opened = await openSqliteRuleStore({ path: storePath(config, "predicate"), turns });
  if (!opened.ok) return opened;
  const store = opened.value;
  const { predicate: metrics } = allMetrics;
  const judges = createJudges({
    threadCount: config.ruleThreads,
    startThread: startJudgeThread,
    clock: systemClock,
    onJudged: (tookMs) => metrics.judged("thread", tookMs),
    onReplaced: metrics.threadReplaced,
  });
  const evaluator = createEvaluator({ judges, turns, clock: systemClock, onJudged: (tookMs) => metrics.judged("loop", tookMs) });
  const runTests = createRunTests({ evaluator, turns });
  const log = config.verdictLog === "off" ? undefined : await openVerdictLog(config, logger);
  const recorder =
    log &&
    createVerdictRecorder({
      log,
      all: config.verdictLog === "all",
      keepInput: config.verdictLogInput === "whole",
      bytesMax: config.verdictLogMax,
      retentionMs: config.verdictLogRetention,
      // What a call leaves to be written down is not its own work.
      clock: {
        ...systemClock,
        setTimer: (delayMs, run) => systemClock.setTimer(delayMs, () => loop.run({ job: "verdicts" }, run)),
      },
      turns,
      logger,
      onDropped: metrics.verdictsDropped,
    });
  const onJudged: Parameters<typeof createEngine>[0]["onJudged"] = (checks, verdicts) => {
    countVerdicts(metrics, verdicts);
    recorder?.judged(checks, verdicts);
  };
  const engine = await loop.run({ job: "rules" }, () =>
    createEngine({ store, clock: systemClock, evaluator, runTests, turns, onJudged }),
  );
  metrics.observe(engine.judging);
  const service = createPredicateService({ engine, turns, clock: systemClock, logger, verdicts: log && { log, evaluator } });
  const stopPurging = loop.run({ job: "purge" }, () => purgeAnswers(store, { clock: systemClock, logger }));
  return ok({
    service: {
      name: PredicateLogicDefinition.fullName,
      addTo: (server) => server.add(withValidation(PredicateLogicDefinition, loop), service),
    },
    health: store,
    close: async () => {
      stopPurging();
      await recorder?.close();
      await log?.close();
      await evaluator.close();
      await store.close();
    },
  });
}

/** Judging does not need it: one that cannot be opened is as one that cannot be written. */
async function openVerdictLog(config: Config, logger: Logger): Promise<VerdictLog> {
  const opened = await openSqliteVerdictLog({ path: storePath(config, "verdicts") });
  if (opened.ok) return opened.value;
  const { message: cause } = opened.error;
  logger.error({ cause }, "the verdict log cannot be opened; judging goes on without it");
  return createClosedVerdictLog(cause);
}

async function commitPart({ config, logger, metrics, trace, turns, loop }: Wiring): Promise<Result<Part, StartFailure>> {
  const path = storePath(config, "commit");
  const takeOver = config.decisionLog === "take-over";
  const opened = await openSqliteDecisionLog({ path, takeOver });
  if (!opened.ok) {
    const { type, message } = opened.error;
    return err({ message: type === "locked" ? `${message} To replace its coordinator: --decision-log take-over.` : message });
  }
  const log = opened.value;
  log.onFlush(metrics.commit.flushed);
  const newTransactionId = createIncreasingIds(systemClock.nowMs, await log.newestId());
  const sessions = createSessions({ log, clock: systemClock, logger, metrics: metrics.commit, trace });
  const driver = createDriver({
    log,
    sessions,
    clock: systemClock,
    random: Math.random,
    newTransactionId: newTransactionId as () => TransactionId,
    newCoordinatorId: uuidv7,
    turns,
    logger,
    metrics: metrics.commit,
    trace,
    budgets: {
      undecidedBytesMax: config.maxUndecided,
      addressShare: config.addressShare / 100,
      unacknowledgedBytesMax: config.maxUnacknowledged,
      owedCountMax: config.maxOwed,
    },
  });
  const started = await loop.run({ job: "recovery" }, driver.start);
  if (!started.ok && (takeOver || started.error.type === "conflict")) {
    await log.close();
    const why = started.error.type === "conflict" ? "another coordinator took it at the same time" : started.error.cause;
    const hint = takeOver ? " If its holder hangs in the middle of a write, end that process." : "";
    return err({ message: `the decision log ${path} cannot be claimed: ${why}.${hint}` });
  }
  const stopWaiting = watchWaiting({ inDoubt: driver.inDoubt, connected: sessions.connected, clock: systemClock, logger });
  const late = started.ok ? undefined : startWhenWritable(driver, log, logger);
  const service = createCommitService({ driver, sessions, clock: systemClock, turns, messageTurns: createTurns() });
  return ok({
    service: {
      name: TwoPhaseCommitDefinition.fullName,
      addTo: (server) => (late ? server.with(late.gate) : server).add(withValidation(TwoPhaseCommitDefinition, loop), service),
    },
    health: late ?? log,
    replaced: driver.replaced,
    coordinator: () => (late === undefined || late.writable ? driver.coordinator : undefined),
    leave: async (graceMs) => {
      stopWaiting();
      await driver.drain(graceMs);
      driver.close();
    },
    close: async () => {
      // Also if it never came to serve.
      stopWaiting();
      driver.close();
      await log.close();
    },
  });
}

/**
 * Starts the coordinator as soon as its log can be written, so that a full disk does not keep the services beside it from answering. Until
 * then it does not serve: without its epoch it may not even say that it knows nothing of a transaction.
 */
function startWhenWritable(driver: Driver, log: DecisionLog, logger: Logger): StoreHealth & { readonly gate: ServerMiddleware } {
  let hasStarted = false;
  let starting: Promise<void> | undefined;
  const listeners = new Set<Parameters<StoreHealth["onWritableChange"]>[0]>();
  async function start(): Promise<void> {
    try {
      hasStarted = (await driver.start()).ok;
    } catch (error) {
      logger.error({ err: error }, "the coordinator cannot start");
    }
    starting = undefined;
  }
  log.onWritableChange(async (writable, cause) => {
    if (writable && !hasStarted) {
      starting ??= start();
      await starting;
    }
    // If it has not, the log says again when it can be written.
    if (!writable || hasStarted) for (const listener of listeners) listener(log.writable, cause);
  });
  return {
    get writable() {
      return hasStarted && log.writable;
    },
    onWritableChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    gate: async function* whenStarted(call, context) {
      if (!hasStarted) throw storageUnavailable({}, "the decision log cannot be written; the coordinator waits until it can");
      return yield* call.next(call.request, context);
    },
  };
}

async function workflowPart(wiring: Wiring): Promise<Result<Part, StartFailure>> {
  const { config, logger, metrics, trace, turns, loop } = wiring;
  const path = storePath(config, "workflow");
  const change = schemaChange(path, workflowMigrations);
  if (change) logger.info({ file: path, ...change }, "the store is brought to a newer schema; a large one takes a while");
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) return opened;
  const store = opened.value;
  const policies = await createPolicies({ store, environment: systemClock });
  const environment = { nowMs: systemClock.nowMs, newId: uuidv7, termsOf: policies.termsOf };
  const participantId = config.participantId as ParticipantId;
  // Its peers may be in this very process, whose port is known only once it listens.
  let peers: { readonly predicates: PredicateClient; readonly transactions: TransactionClient } | undefined;
  const starting = err({ type: "unavailable", cause: "the server is starting" } as const);
  const predicates: PredicateClient = {
    check: async (check, asker) => peers?.predicates.check(check, asker) ?? starting,
    checkMetadata: async (question, asker) => peers?.predicates.checkMetadata(question, asker) ?? starting,
    checkMoves: async (question, asker) => peers?.predicates.checkMoves(question, asker) ?? starting,
  };
  const transactions: TransactionClient = { execute: async (request) => peers?.transactions.execute(request) ?? starting };

  const ownPart = createOwnPart({ store, predicates, environment, turns, participantId, transactions, newName: randomUUID });
  const participant = createWorkflowParticipant({ store, predicates, environment, participantId, ownPart, turns });
  const { maxWorkflows: workflowCountMax } = config;
  let participating: Participant | undefined;
  let peerWatch: PeerWatch | undefined;
  metrics.workflow.observe(async () => (await store.counts()).workflows, config.maxWorkflows);
  const sessions: CoordinatorSessions = {
    connectedTo: (coordinatorId) => participating?.connectedTo(coordinatorId) ?? false,
    reread: (transactionId) => participating?.reread(transactionId),
  };
  const manager = createManager({
    store,
    predicates,
    environment,
    turns,
    clock: systemClock,
    ownPart,
    sessions,
    workflowCountMax,
  });
  const watch = createWatch({ store, turns, clock: systemClock });
  const openedSinks = await openSinks(wiring, createEventSource({ store, watch }));
  if (!openedSinks.ok) {
    await store.close();
    return openedSinks;
  }
  const sinks = openedSinks.value;
  // Watches need no care: they are told when they are too late.
  const undelivered: Undelivered = {
    oldestNeeded: async () => sinks?.sinks.oldestNeeded(),
    behind: (sequence) => sinks?.sinks.behind(sequence) ?? [],
  };
  const purges = createPurges({ store, undelivered, turns, nowMs: environment.nowMs });
  const bulk = createBulk({
    store,
    bulk: store.bulk,
    predicates,
    environment,
    turns,
    clock: systemClock,
    logger,
    filterOf: (text) => workflowFilter(text) ?? { known: {}, matches: () => false },
  });
  const service = createWorkflowService({
    manager,
    bulk,
    store,
    policies,
    watch,
    sinks: sinks?.sinks,
    purges,
    participantId,
    clock: systemClock,
    turns,
    logger,
    server: {
      version,
      services: config.services.map((name) => fullNames[name]),
      startedAtMs: environment.nowMs(),
      requestBytesMax: config.maxMessage,
      workflowCountMax,
      isHttpServed: config.httpListen !== undefined,
      hasSinks: config.sinks !== undefined,
    },
  });
  const archived = config.archive === undefined ? undefined : createDailyFile(config.archive, "workflows", environment.nowMs);
  const retention = createRetention({
    store,
    purges,
    retentionOf: (type) => policies.termsOf(type).retention,
    archive: archived && createArchive({ store, lines: archived, turns }),
    ...systemClock,
    logger,
    onPurged: wiring.metrics.workflow.purgedByPolicy,
  });
  loop.run({ job: "retention" }, retention.start);
  const deadlines = createDeadlines({
    store,
    // Each round is its own work, and not that of who has set the timer.
    clock: {
      ...systemClock,
      setTimer: (delayMs, run) => systemClock.setTimer(delayMs, () => loop.run({ job: "deadlines" }, run)),
    },
    fire: firingAgain(store, createFireDeadline({ store, environment, move: manager.move })),
    report: createDeadlineReport({ logger, monotonicMs: systemClock.monotonicMs, metrics: metrics.workflow }),
  });
  let leave = async (_graceMs: DurationMs): Promise<void> => {};
  const closers: (() => Promise<void> | void)[] = [];
  const stopPurging = loop.run({ job: "purge" }, () => purgeAnswers(store, { clock: systemClock, logger }));
  const stopIndexing = loop.run({ job: "index" }, () => indexMetadata(store, { clock: systemClock, logger }));

  return ok({
    service: {
      name: WorkflowServiceDefinition.fullName,
      addTo: (server) => server.add(withValidation(WorkflowServiceDefinition, loop), service),
    },
    workflow: service,
    health: store,
    peers: () => peerWatch?.states() ?? [],
    start: async (ownAddress) => {
      const predicateAddress = config.predicateAddress ?? ownAddress;
      const predicateChannel = openChannel(predicateAddress);
      const commitAddress = config.commitAddress ?? ownAddress;
      const commitChannel = openChannel(commitAddress);
      peers = {
        predicates: createPredicateClient({
          engine: predicateCalls(predicateChannel),
          address: predicateAddress,
          timeoutMs: config.predicateTimeout,
          logger,
          clock: systemClock,
        }),
        transactions: createTransactionClient(transactionCalls(commitChannel)),
      };
      const elsewhere = [
        { service: fullNames.predicate, address: config.predicateAddress, channel: predicateChannel },
        { service: fullNames.commit, address: config.commitAddress, channel: commitChannel },
      ];
      const named = elsewhere.flatMap(({ address, ...peer }) => (address === undefined ? [] : [{ ...peer, address }]));
      peerWatch = watchPeers(named, { clock: systemClock, logger });
      const session = createParticipant({
        coordinators: [createParticipantTransport({ channel: commitChannel, address: commitAddress })],
        participantId,
        instanceId: uuidv7(),
        log: participant.log,
        resource: participant.resource,
        clock: systemClock,
        random: Math.random,
        logger,
        trace,
      });
      participating = session;
      await session.start();
      sinks?.start();
      deadlines.start();
      leave = async (graceMs) => {
        await Promise.all([session.close(graceMs), bulk.close()]);
      };
      await loop.run({ job: "bulk" }, bulk.resumeAll);
      closers.push(
        peerWatch.close,
        () => predicateChannel.close(),
        () => commitChannel.close(),
      );
    },
    leave: async (graceMs) => {
      await deadlines.close();
      await Promise.all([leave(graceMs), sinks?.sinks.stop(graceMs)]);
    },
    close: async () => {
      // Also if it never came to serve.
      await deadlines.close();
      for (const close of [
        bulk.close,
        ...closers,
        stopPurging,
        stopIndexing,
        retention.stop,
        async () => archived?.close(),
        async () => sinks?.close(),
        store.close,
      ])
        await close();
    },
  });
}

type OpenSinks = { readonly sinks: Sinks; readonly start: () => void; readonly close: () => Promise<void> };

function readSinkSettings({ sinks: path, services }: Config): Result<readonly SinkSettings[], StartFailure> {
  if (path === undefined || !services.includes("workflow")) return ok([]);
  const settings = readSinksFile(path, process.env);
  if (!settings.ok) return err({ message: settings.error.map(({ message }) => message).join("\n") });
  const wrong = settings.value.flatMap(({ name, filter }) =>
    filterProblem(filter).map((words) => `sinks: ${path}: filter of ${name} ${words}`),
  );
  return wrong.length > 0 ? err({ message: wrong.join("\n") }) : settings;
}

/** Undefined: there are none, and were none. */
async function openSinks(
  { config, logger, metrics, turns, loop, sinkSettings }: Wiring,
  source: EventSource,
): Promise<Result<OpenSinks | undefined, StartFailure>> {
  const path = storePath(config, "events");
  if (config.sinks === undefined && !existsSync(path)) return ok(undefined);
  const opened = await openSqliteSinkStore({ path });
  if (!opened.ok) return opened;
  const store = opened.value;
  const log = createSeldomLog(logger, systemClock.monotonicMs);
  const definitions = sinkSettings.map((setting) => {
    const { name, filter, start } = setting;
    const transport =
      setting.type === "nats"
        ? createNatsTransport(name, setting.options, source.storeId, logger)
        : createWebhookTransport(setting.options, source.storeId, systemClock.nowMs);
    return { name, filter, start, transport };
  });
  const surroundings = { source, store, clock: systemClock, random: Math.random, turns, log, metrics: metrics.sinks };
  const sinks = await createSinks({ definitions, surroundings });
  metrics.sinks.observe(sinks.list);
  const stopPurging = loop.run({ job: "purge" }, () => purgeAnswers(store, { clock: systemClock, logger }));
  return ok({
    sinks,
    start: () => loop.run({ job: "sinks" }, sinks.start),
    close: async () => {
      stopPurging();
      // Also if it never came to leave.
      await sinks.stop(0);
      await store.close();
    },
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
