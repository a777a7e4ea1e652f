import { existsSync } from "node:fs";
import { type Access, openAccess, readAccessSettings } from "./compose/access.ts";
import { openAudit } from "./compose/audit.ts";
import { commitPart } from "./compose/commit-part.ts";
import { checkStoreSet, refuseMixedStores } from "./compose/mixed-stores.ts";
import { fullNames, type Options, type Own, type Part, type StartFailure, storePath, type Wiring } from "./compose/part.ts";
import { readPeerSecurity } from "./compose/peer-security.ts";
import { predicatePart } from "./compose/predicate-part.ts";
import { readSinkSettings } from "./compose/sinks.ts";
import { workflowPart } from "./compose/workflow-part.ts";
import type { Config, ServiceName } from "./config.ts";
import { ServerStatusDefinition } from "./gen/concord/server/v1/server_status.ts";
import { WorkflowServiceDefinition, type WorkflowServiceImplementation } from "./gen/concord/workflow/v1/workflow_service.ts";
import { type HttpRefusal, type HttpServer, serveHttp } from "./http/server.ts";
import { withPort } from "./kernel/address.ts";
import { onViolation } from "./kernel/assert.ts";
import { err, ok, type Result } from "./kernel/result.ts";
import type { DurationMs } from "./kernel/time.ts";
import { StorageUnavailableError } from "./kernel/write.ts";
import { auditOf } from "./rpc/call-audit.ts";
import type { PeerState } from "./rpc/clients/peer-watch.ts";
import type { RpcContext } from "./rpc/context.ts";
import { createRpcServer, type EdgeBounds, type RpcServer, type RpcService, withValidation } from "./rpc/server.ts";
import { createStatusService } from "./rpc/status-service.ts";
import { systemClock } from "./runtime/clock.ts";
import { tuneGarbageCollection } from "./runtime/garbage.ts";
import type { Logger } from "./runtime/logger.ts";
import { createLoopWatch } from "./runtime/loop-watch.ts";
import { createMetrics, type MetricsServer, serveMetrics } from "./runtime/metrics.ts";
import { removeStaleSocket } from "./runtime/stale-socket.ts";
import type { CallEnded } from "./runtime/telemetry/telemetry.ts";
import { openTls, type Tls } from "./runtime/tls/tls.ts";
import { openTraceWriter } from "./runtime/trace-writer.ts";
import { createTurns } from "./runtime/turns.ts";
import { readUnfinished, unfinishedRestore } from "./storage/backup/unfinished.ts";
import { storeBytes } from "./storage/sqlite/store-bytes.ts";
import { freeBytes, makeFolder } from "./storage/sqlite/store-file.ts";
import { createStoreSet } from "./storage/sqlite/store-marks.ts";
import { version } from "./version.ts";

/** Also the order of leaving: the coordinator's drain still needs the workflow manager, which is a participant. */
const startOrder: readonly ServiceName[] = ["predicate", "commit", "workflow"];

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

/** For measurements: services beside Concord's own, behind the same middleware. */
export type ExtraServices = (workflow: WorkflowServiceImplementation<RpcContext> | undefined) => readonly RpcService[];

/** Wires the configured services to their stores and to each other, over gRPC, and serves them. */
export async function startConcord(options: Options, extraServices?: ExtraServices): Promise<Result<Concord, StartFailure>> {
  const { config, logger, lostLogLines, telemetry } = options;
  // Before anything is made, opened or claimed: what is wrong here leaves all as it was.
  const sinkSettings = readSinkSettings(config);
  if (!sinkSettings.ok) return sinkSettings;
  const peerSecurity = readPeerSecurity(config);
  if (!peerSecurity.ok) return peerSecurity;
  const accessSettings = readAccessSettings(config);
  if (!accessSettings.ok) return accessSettings;
  if (readUnfinished(config.dataDir, unfinishedRestore) !== undefined)
    return err({ message: `a restore into ${config.dataDir} was not finished: some of its stores are missing. Run it again.` });
  const hasVerdicts = config.services.includes("predicate") && config.verdictLog !== "off";
  const hasSinks = config.services.includes("workflow") && config.sinks !== undefined;
  const besides = [...(hasVerdicts ? (["verdicts"] as const) : []), ...(hasSinks ? (["events"] as const) : [])];
  const storeNames = [...config.services, ...besides];
  const unmixed = refuseMixedStores(config, storeNames);
  if (!unmixed.ok) return unmixed;
  tuneGarbageCollection();
  const metrics = createMetrics();
  metrics.build(version);
  const loop = createLoopWatch({ clock: systemClock, logger, metrics: metrics.loop });
  metrics.stores(storeNames, (name) => storeBytes(storePath(config, name)));
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
  if (telemetry) metrics.lostTelemetry({ traces: telemetry.lostSpans, metrics: telemetry.lostExports });
  const opened = tlsOf(config, logger, metrics.tls);
  if (!opened.ok) return opened;
  const tls = opened.value;
  const audit = openAudit(config, { logger, metrics });
  if (!audit.ok) {
    tls?.close();
    trace?.close();
    loop.stop();
    forgetViolations();
    return audit;
  }
  const access = openAccess(accessSettings.value, { config, logger, metrics, audit: audit.value });
  const set = createStoreSet();
  const wiring: Wiring = {
    ...options,
    metrics,
    trace: trace?.write,
    turns: createTurns(),
    loop,
    sinkSettings: sinkSettings.value,
    peerSecurity: peerSecurity.value,
    quotaOf: access.quotaOf,
    set,
  };
  const compose = { predicate: predicatePart, commit: commitPart, workflow: workflowPart };
  const parts: Part[] = [];
  const closeAll = async () => {
    for (const part of parts.toReversed()) await part.close();
    access.close();
    tls?.close();
    audit.value.close();
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
  const fitting = checkStoreSet(set, config, logger);
  if (!fitting.ok) {
    await closeAll();
    return fitting;
  }
  set.begin();
  const peers = () => parts.flatMap((part) => part.peers?.() ?? []);
  /** Why a service does not serve. */
  const troubles = new Map<string, string>();
  const services = () => parts.map((part) => serviceStatus(part, config, troubles));
  const diskFreeBytes = () => freeBytes(storePath(config, "workflow"));
  metrics.serving(services);
  metrics.diskFree(diskFreeBytes);
  const status = createStatusService({
    version,
    startedAtMs: systemClock.nowMs(),
    services,
    loopDelayMs: loop.recentDelayMs,
    gauge: metrics.gaugeOf,
    diskFreeBytes,
    peers,
    storeMismatches: fitting.value,
    coordinator: () => {
      const served = parts.find(({ coordinator }) => coordinator !== undefined);
      return served && (served.coordinator?.() ?? { coordinatorId: "", coordinatorEpoch: 0 });
    },
    unbelieving: () => parts.flatMap(({ unbelieving = [] }) => [...unbelieving]),
    participantId: config.participantId,
    standings: () => parts.flatMap(({ standings }) => standings?.() ?? []),
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
    gate: access.gate,
    loop,
    tls,
    bounds: boundsOf(config),
    onRefused: metrics.edge.refused,
    onCall: both(config.metricsListen === undefined ? undefined : metrics.edge.answered, telemetry?.serverCall),
    spans: telemetry?.spans,
    audit: config.auditLog === undefined ? undefined : auditOf(audit.value),
  });
  let http: HttpServer | undefined;
  metrics.edge.observe(() => {
    const load = server.load();
    return { ...load, receivingBytes: load.receivingBytes + (http?.receivingBytes() ?? 0) };
  });
  let port: number;
  let own: Own;
  try {
    for (const address of [config.listen, config.metricsListen, config.httpListen]) {
      if (address !== undefined) await removeStaleSocket(address);
    }
    port = await server.listen(config.listen);
    own = await ownWay(server, withPort(config.listen, port), access);
  } catch (error) {
    await closeAll();
    return err({ message: `listen: cannot serve on ${config.listen}: ${messageOf(error)}` });
  }
  let metricsServer: MetricsServer | undefined;
  try {
    if (config.metricsListen !== undefined)
      metricsServer = await serveMetrics(metrics.registry, config.metricsListen, logger, {
        tls,
        refusal: access.metricsRefusal,
        allowedHosts: config.httpAllowHost,
      });
  } catch (error) {
    await server.shutdown(0);
    await closeAll();
    return err({ message: `metrics-listen: cannot serve on ${config.metricsListen}: ${messageOf(error)}` });
  }
  try {
    http = await httpServer(wiring, server, peers, { tls, refusal: access.httpRefusal });
  } catch (error) {
    await metricsServer?.close();
    await server.shutdown(0);
    await closeAll();
    return err({ message: `http-listen: cannot serve on ${config.httpListen}: ${messageOf(error)}` });
  }
  const unfollow = parts.map((part) => followHealth(server, part, logger, troubles));
  for (const part of parts) await part.start?.(own);
  const addresses = {
    listen: withPort(config.listen, port),
    ...(http && { http: withPort(config.httpListen ?? "", http.port) }),
    ...(metricsServer && { metrics: withPort(config.metricsListen ?? "", metricsServer.port) }),
  };
  logger.info({ ...addresses, ...(tls && { tls: tls.describe() }), data: config.dataDir, services: config.services }, "serving");

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

/** Where others have to prove who they are, a process has a way to itself that is for nobody else. */
async function ownWay(server: RpcServer, address: string, { own }: Access): Promise<Own> {
  if (own === undefined) return { address, security: {} };
  return { address: `127.0.0.1:${await server.listenForItself()}`, security: own };
}

function httpServer(
  { config, logger, metrics, loop }: Wiring,
  server: RpcServer,
  peers: () => readonly PeerState[],
  guards: { readonly tls: Tls | undefined; readonly refusal: HttpRefusal | undefined },
): Promise<HttpServer> | undefined {
  if (config.httpListen === undefined) return undefined;
  return serveHttp({
    address: config.httpListen,
    accept: server.accept,
    ...guards,
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

/** Undefined: it speaks plain text. */
function tlsOf(config: Config, logger: Logger, told: Wiring["metrics"]["tls"]): Result<Tls | undefined, StartFailure> {
  const { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa, tlsClientAuth: clientAuth, tlsCrl: crl } = config;
  if (cert === undefined || key === undefined) return ok(undefined);
  const opened = openTls({ cert, key, clientCa, clientAuth, crl, minVersion: config.tlsMinVersion }, logger, told);
  return opened.ok ? opened : err({ message: opened.error });
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

/** Undefined, if nobody is told. */
function both(one: CallEnded | undefined, other: CallEnded | undefined): CallEnded | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return (method, code, tookMs) => {
    one(method, code, tookMs);
    other(method, code, tookMs);
  };
}

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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
