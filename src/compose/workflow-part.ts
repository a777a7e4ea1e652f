import { randomUUID } from "node:crypto";
import { createParticipant, type Participant } from "../commit/participant/participant.ts";
import { WorkflowServiceDefinition } from "../gen/concord/workflow/v1/workflow_service.ts";
import type { ParticipantId } from "../kernel/ids.ts";
import { watchSliceMs } from "../kernel/limits.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { createArchive } from "../rpc/archive.ts";
import { callable, openChannel } from "../rpc/clients/channel.ts";
import { createCheckStreams } from "../rpc/clients/check-streams.ts";
import { createParticipantTransport } from "../rpc/clients/participant-transport.ts";
import { type PeerWatch, watchPeers } from "../rpc/clients/peer-watch.ts";
import { createPredicateClient, predicateCalls } from "../rpc/clients/predicate-client.ts";
import { toldCalls } from "../rpc/clients/telemetry.ts";
import { createTransactionClient, transactionCalls } from "../rpc/clients/transaction-client.ts";
import { workflowFilter } from "../rpc/filter.ts";
import { withValidation } from "../rpc/server.ts";
import { createEventSource } from "../rpc/workflow/event-source.ts";
import { createWorkflowService } from "../rpc/workflow-service.ts";
import { systemClock } from "../runtime/clock.ts";
import { createDailyFile } from "../runtime/daily-file.ts";
import { createDeadlineReport } from "../runtime/deadline-report.ts";
import { createIncreasingIds } from "../runtime/increasing-ids.ts";
import { indexMetadata } from "../runtime/index-metadata.ts";
import { purgeAnswers } from "../runtime/purge-answers.ts";
import { createTurns } from "../runtime/turns.ts";
import { schemaChange } from "../storage/sqlite/schema-change.ts";
import { workflowMigrations } from "../storage/sqlite/workflow-migrations.ts";
import { openSqliteWorkflowStore } from "../storage/sqlite/workflow-store.ts";
import { version } from "../version.ts";
import { createBulk } from "../workflow/bulk.ts";
import { createDeadlines } from "../workflow/deadlines.ts";
import { createFireDeadline, firingAgain } from "../workflow/fire-deadline.ts";
import { createManager } from "../workflow/manager.ts";
import { createOwnPart } from "../workflow/own-part.ts";
import { createWorkflowParticipant } from "../workflow/participant.ts";
import { createPolicies } from "../workflow/policies.ts";
import type { CoordinatorSessions, PredicateClient, TransactionClient } from "../workflow/ports.ts";
import { createPurges, type Undelivered } from "../workflow/purge.ts";
import { createRetention } from "../workflow/retention.ts";
import { createWatch } from "../workflow/watch.ts";

import { fullNames, type Own, type Part, type StartFailure, storePath, type Wiring } from "./part.ts";
import { openSinks } from "./sinks.ts";

export async function workflowPart(wiring: Wiring): Promise<Result<Part, StartFailure>> {
  const { config, logger, metrics, trace, turns, loop, set, telemetry, peerSecurity, quotaOf } = wiring;
  const path = storePath(config, "workflow");
  const change = schemaChange(path, workflowMigrations);
  if (change) logger.info({ file: path, ...change }, "the store is brought to a newer schema; a large one takes a while");
  const opened = await openSqliteWorkflowStore({ path, set, onFlush: metrics.flushed("workflow") });
  if (!opened.ok) return opened;
  const store = opened.value;
  const policies = await createPolicies({ store, environment: systemClock });
  const newId = createIncreasingIds(systemClock.nowMs, undefined);
  const environment = { nowMs: systemClock.nowMs, newId, termsOf: policies.termsOf };
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
    quota: quotaOf("workflows"),
  });
  const [turnsToCatchUp, liveTurns] = [createTurns({ sliceMs: watchSliceMs }), createTurns({ sliceMs: watchSliceMs })];
  const watch = createWatch({ store, turns: turnsToCatchUp, liveTurns, clock: systemClock });
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
    standings: () => participating?.standings() ?? [],
    start: async (own) => {
      const [predicate, commit] = [config.predicateAddress, config.commitAddress].map((address) =>
        address === undefined ? own : { address, security: peerSecurity },
      ) as [Own, Own];
      const predicateChannel = openChannel(predicate.address, predicate.security);
      const commitChannel = openChannel(commit.address, commit.security);
      // Who wants to be told of each call is told of questions as calls.
      const streams = telemetry === undefined ? createCheckStreams({ ...predicate, clock: systemClock, logger }) : undefined;
      peers = {
        predicates: createPredicateClient({
          engine: predicateCalls(predicateChannel, telemetry && toldCalls(predicate.address, telemetry)),
          streams,
          address: predicate.address,
          timeoutMs: config.predicateTimeout,
          logger,
          clock: systemClock,
          spans: telemetry?.spans,
        }),
        transactions: createTransactionClient(transactionCalls(commitChannel, telemetry && toldCalls(commit.address, telemetry))),
      };
      const callableBoth = async (): Promise<void> => {
        await Promise.all([callable(commitChannel), callable(predicateChannel)]);
      };
      const elsewhere = [
        { service: fullNames.predicate, address: config.predicateAddress, channel: predicateChannel },
        { service: fullNames.commit, address: config.commitAddress, channel: commitChannel },
      ];
      const named = elsewhere.flatMap(({ address, ...peer }) => (address === undefined ? [] : [{ ...peer, address }]));
      peerWatch = watchPeers(named, { clock: systemClock, logger });
      const session = createParticipant({
        // Who sees the manager connected may ask it for a move: the channels of its calls, which have connections of their own, are there first.
        coordinators: [createParticipantTransport({ ...commit, before: callableBoth })],
        participantId,
        instanceId: newId(),
        log: participant.log,
        resource: participant.resource,
        clock: systemClock,
        random: Math.random,
        logger,
        trace,
        spans: telemetry?.spans,
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
        () => streams?.close(),
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
