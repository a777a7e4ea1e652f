import type { ServerMiddleware } from "nice-grpc-common";
import { v7 as uuidv7 } from "uuid";
import { createDriver, type Driver } from "../commit/driver.ts";
import type { DecisionLog } from "../commit/ports.ts";
import { createSessions } from "../commit/sessions.ts";
import { watchWaiting } from "../commit/waiting.ts";
import { TwoPhaseCommitDefinition } from "../gen/concord/commit/v1/two_phase_commit.ts";
import type { TransactionId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { StoreHealth } from "../kernel/write.ts";
import { createCommitService } from "../rpc/commit-service.ts";
import { storageUnavailable } from "../rpc/errors.ts";
import { withValidation } from "../rpc/server.ts";
import { systemClock } from "../runtime/clock.ts";
import { createIncreasingIds } from "../runtime/increasing-ids.ts";
import type { Logger } from "../runtime/logger.ts";
import { createTurns } from "../runtime/turns.ts";
import { openSqliteDecisionLog } from "../storage/sqlite/decision-log.ts";

import { type Part, type StartFailure, storePath, type Wiring } from "./part.ts";

export async function commitPart({
  config,
  logger,
  metrics,
  trace,
  turns,
  loop,
  telemetry,
  set,
}: Wiring): Promise<Result<Part, StartFailure>> {
  const path = storePath(config, "commit");
  const takeOver = config.decisionLog === "take-over";
  const opened = await openSqliteDecisionLog({ path, takeOver, set, onFlush: metrics.flushed("commit") });
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
    spans: telemetry?.spans,
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
  const stopWaiting = watchWaiting({
    inDoubt: driver.inDoubt,
    about: driver.about,
    connected: sessions.connected,
    clock: systemClock,
    logger,
  });
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
    unbelieving: sessions.unbelieving,
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
