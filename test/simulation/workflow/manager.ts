import { createParticipant, type Participant } from "../../../src/commit/participant/participant.ts";
import { TwoPhaseCommitDefinition } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../../src/kernel/clock.ts";
import type { ParticipantId } from "../../../src/kernel/ids.ts";
import type { TimeMs } from "../../../src/kernel/time.ts";
import { createPredicateClient } from "../../../src/rpc/clients/predicate-client.ts";
import { createTransactionClient } from "../../../src/rpc/clients/transaction-client.ts";
import { createCommitService } from "../../../src/rpc/commit-service.ts";
import { workflowFilter } from "../../../src/rpc/filter.ts";
import { createWorkflowService } from "../../../src/rpc/workflow-service.ts";
import { purgeAnswers } from "../../../src/runtime/purge-answers.ts";
import { createBulk } from "../../../src/workflow/bulk.ts";
import { createDeadlines } from "../../../src/workflow/deadlines.ts";
import { createFireDeadline, firingAgain } from "../../../src/workflow/fire-deadline.ts";
import { createManager } from "../../../src/workflow/manager.ts";
import { createOwnPart } from "../../../src/workflow/own-part.ts";
import { createWorkflowParticipant } from "../../../src/workflow/participant.ts";
import { createPolicies } from "../../../src/workflow/policies.ts";
import { createPurges } from "../../../src/workflow/purge.ts";
import { createRetention } from "../../../src/workflow/retention.ts";
import { createWatch } from "../../../src/workflow/watch.ts";
import { unhurried } from "../../support/unhurried.ts";
import { bothWays, cutCable, restoreCable } from "../cables.ts";
import type { CoordinatorActor, Coordinators } from "../coordinators.ts";
import { type Cable, createCable } from "../network.ts";
import { fillDisk, setClock, stopProcess } from "../process-blows.ts";
import { idle, type Room } from "../room.ts";
import type { Process } from "../schedule.ts";
import type { Stage } from "../stage.ts";
import { endOfStart, isUnreadable } from "../unreadable.ts";
import type { EngineRoom } from "./engine.ts";
import { quietLogger } from "./logger.ts";
import { type Record, recordedPredicates } from "./manager-events.ts";
import type { Rpc, Served } from "./rpc.ts";
import type { WorkflowDisk } from "./workflow-disk.ts";

export const managerId = "manager" as ParticipantId;

/** Short, so that a world sees what follows from it. */
const predicateTimeoutMs = 2_000;

const workflowCountMax = 1_000;

/** No client and no policy sets one that is further away. */
const deadlineMsMax = 20_000;

type Running = {
  readonly process: Process;
  served: Served | undefined;
  participant: Participant | undefined;
  close: () => Promise<void>;
};

export type ManagerRoom = Room & {
  served(): Served | undefined;
  /** Its coordinators do not reach it for a while. */
  cutSession(): void;
};

/**
 * The production workflow manager, wired as src/compose/workflow-part.ts does it: one process after the other, over one file. It asks the engine
 * and the coordinator over the network, and is the coordinator's participant.
 */
export function createManagerRoom(
  stage: Stage,
  options: {
    readonly rpc: Rpc;
    readonly coordinators: Coordinators;
    readonly engine: Pick<EngineRoom, "served">;
    readonly disk: WorkflowDisk;
    readonly record: Record;
  },
): ManagerRoom {
  const { rpc, coordinators, engine, disk, record } = options;
  const { schedule, dice, tally, network, say, onFailure } = stage;
  /** To the coordinator, as its participant; to the engine; to the coordinator, as its client. */
  const cables = { session: createCable(), engine: createCable(), coordinator: createCable() };
  const commitServices = new WeakMap<CoordinatorActor, Served>();
  /** If the look for the next deadline has failed, it shows when that is due. */
  const awaitedMs = stage.hasFailingReads ? deadlineMsMax : 0;
  let running: Running | undefined;
  let made = 0;
  disk.onWrite((written, by) => {
    const { type } = written;
    if (type === "batch") record({ type: "written", batch: written.batch, events: written.events });
    if (type === "purge" && written.workflows.length > 0) record({ type: "purged", workflows: written.workflows });
    if (type === "conflict" || running?.process !== by) return;
    // A promise that outlives its maker is worth more than another change.
    const isPromise = type === "batch" && written.batch.puts.some(({ workflow: { hold } }) => hold !== undefined);
    if (!dice.chance(stage.swarm.crashBetween * (isPromise ? 2 : 0.5))) return;
    tally.count("manager crashes after a durable write");
    crash();
  });

  /** Of the coordinator that its address leads to. */
  function commitService(): Served | undefined {
    const actor = coordinators.any();
    if (!actor?.ready) return undefined;
    const { driver, sessions, process } = actor;
    const known = commitServices.get(actor);
    if (known) return known;
    const handlers = createCommitService({ driver, sessions, clock: process.clock, turns: unhurried, messageTurns: unhurried });
    const served = rpc.serve(process, TwoPhaseCommitDefinition, handlers);
    commitServices.set(actor, served);
    return served;
  }

  const someCable = (): Cable => dice.pick(Object.values(cables));

  const newId = (): string => `id-${++made}`;

  function start(): void {
    const process = stage.process("manager");
    const actor: Running = { process, served: undefined, participant: undefined, close: async () => {} };
    running = actor;
    say("manager starts");
    serve(actor).catch((error: unknown) => endOfStart(stage, process, error, crash));
  }

  async function serve(actor: Running): Promise<void> {
    const { process } = actor;
    const clock = rememberLatest(process.clock);
    const logger = quietLogger(stage, "manager");
    const store = disk.open(process, clock);
    const policies = await createPolicies({ store, environment: clock });
    const environment = { nowMs: clock.nowMs, newId, termsOf: policies.termsOf };
    const client = createPredicateClient({
      engine: rpc.client({ from: process, cable: cables.engine, definition: PredicateLogicDefinition, server: engine.served }),
      timeoutMs: predicateTimeoutMs,
      logger,
      clock,
    });
    const predicates = recordedPredicates(client, record);
    const transactions = createTransactionClient(
      rpc.client({ from: process, cable: cables.coordinator, definition: TwoPhaseCommitDefinition, server: commitService }),
    );
    const attempts = { store, predicates, environment, turns: unhurried };
    const newName = (): string => `part-${++made}`;
    const ownPart = createOwnPart({ ...attempts, participantId: managerId, transactions, newName });
    const { log, resource } = createWorkflowParticipant({ ...attempts, participantId: managerId, ownPart });
    const sessions = {
      connectedTo: (coordinatorId: string) => actor.participant?.connectedTo(coordinatorId) ?? false,
      reread: (transactionId: Parameters<Participant["reread"]>[0]) => actor.participant?.reread(transactionId),
    };
    const manager = createManager({ ...attempts, clock, ownPart, sessions, workflowCountMax });
    const watch = createWatch({ store, turns: unhurried, clock });
    const undelivered = { oldestNeeded: async () => undefined, behind: () => [] };
    const purging = { undelivered, turns: unhurried, nowMs: clock.nowMs };
    const purges = createPurges({ store, ...purging });
    const retention = createRetention({
      ...{ store, logger, archive: undefined, nowMs: clock.nowMs, setTimer: clock.setTimer },
      purges: createPurges({ store: store.byPolicy, ...purging }),
      retentionOf: (type) => policies.termsOf(type).retention,
      onPurged() {},
    });
    const filterOf = (text: string) => workflowFilter(text) ?? { known: {}, matches: () => false };
    const bulk = createBulk({ ...attempts, bulk: store.bulk, clock, logger, filterOf });
    const handlers = createWorkflowService({
      ...{ manager, bulk, store, policies, watch, purges, participantId: managerId, clock, turns: unhurried, logger },
      server: {
        ...{ version: "0.0.0", services: [], startedAtMs: clock.nowMs(), requestBytesMax: 1_000_000, workflowCountMax },
        ...{ isHttpServed: false, hasSinks: false },
      },
    });
    const deadlines = createDeadlines({
      store,
      clock,
      fire: firingAgain(store, createFireDeadline({ store, environment, move: manager.move })),
      report: {
        fired: (_, { type }) => process.alive && tally.count(`deadlines: ${type}`),
        failed: (error) => process.alive && !isUnreadable(error) && onFailure(error),
      },
    });
    const participant = createParticipant({
      coordinators: [
        network.transport({
          ...{ from: process, participant: managerId, cable: cables.session, coordinator: coordinators.reachable },
        }),
      ],
      participantId: managerId,
      instanceId: `manager-${schedule.nowMs}`,
      log,
      resource,
      clock,
      random: dice.unit,
      logger: stage.logger("manager"),
      trace: stage.trace(process),
      async onStep({ type }) {
        if (!dice.chance(stage.swarm.crashBetween)) return;
        tally.count(`manager crashes ${type.replaceAll("-", " ")}`);
        crash();
        await process.sleep(0);
      },
    });
    actor.participant = participant;
    await participant.start();
    deadlines.start();
    retention.start();
    // A long world keeps answers for so short a time that it forgets some.
    if (stage.keptBeforeMs) purgeAnswers(store, { clock: oftenEnough(clock), logger });
    await bulk.resumeAll();
    actor.served = rpc.serve(process, WorkflowServiceDefinition, handlers);
    actor.close = async () => {
      await Promise.all([deadlines.close(), retention.stop(), bulk.close()]);
      await participant.close(dice.between(0, 3_000));
    };
  }

  function crash(): void {
    if (!running) return;
    const { process, participant } = running;
    say("manager dies");
    if (participant && participant.inDoubt().length > 0) tally.count("managers died in doubt");
    running = undefined;
    process.kill();
    network.reset(process);
    schedule.after(dice.between(0, 3_000), start);
  }

  /** What is under way may end; then it goes. */
  function leave(): void {
    const actor = running;
    if (!actor?.served) return;
    say("manager leaves");
    actor.served = undefined;
    void actor.close().then(() => {
      if (running === actor) crash();
    }, onFailure);
  }

  return {
    ...idle,
    served: () => running?.served,
    cutSession: () => cutCable(stage, cables.session, managerId, bothWays),
    blows: {
      "crash manager": crash,
      "stop manager": () => stopProcess(stage, running?.process),
      "close manager": leave,
      "fill disk of manager": () => fillDisk(stage, disk.disk),
      "set clock of manager": () => setClock(stage, running?.process),
      "cut the manager's cable": () => cutCable(stage, someCable(), managerId, bothWays),
      "cut the manager's cable one way": () => cutCable(stage, someCable(), managerId, [dice.pick(bothWays)]),
    },
    open: start,
    heal() {
      for (const cable of Object.values(cables)) restoreCable(cable);
    },
    async unsettled() {
      const held = await disk.durable.held({ afterId: undefined, limit: 100 });
      // One that is not made is dropped, so none stays due.
      const upToMs = (running?.process.clock.nowMs() ?? Number.NEGATIVE_INFINITY) + awaitedMs;
      const due = await disk.durable.due({ upToMs, after: undefined, limit: 100 });
      return [
        ...held.map(({ id, hold }) => `${id} is held by ${hold?.transactionId}`),
        ...due.map(({ workflowId, deadline }) => `${workflowId} is to go to ${deadline.targetState}, and is late`),
      ];
    },
  };
}

/** For what is done every second: in a world that lasts hours, once a minute is as good. */
const oftenEnough = ({ setTimer }: Clock): Pick<Clock, "setTimer"> => ({
  setTimer: (delayMs, run) => setTimer(60 * delayMs, run),
});

/** A clock, and the latest time that was ever read off it. */
function rememberLatest(clock: Clock): Clock & { readonly latestMs: TimeMs } {
  let latestMs = Number.NEGATIVE_INFINITY;
  return {
    ...clock,
    nowMs() {
      const nowMs = clock.nowMs();
      latestMs = Math.max(latestMs, nowMs);
      return nowMs;
    },
    get latestMs() {
      return latestMs;
    },
  };
}
