import type { TraceEvent } from "../../src/commit/core/trace.ts";
import { allTransactions } from "./all-transactions.ts";
import { createAway } from "./away.ts";
import { rage } from "./blows.ts";
import { createCoordinators } from "./coordinators.ts";
import { checkDurable } from "./durable.ts";
import { createInteractiveClients } from "./interactive-clients.ts";
import { createLedger } from "./ledger.ts";
import type { LogEvent } from "./log-events.ts";
import { countMessages } from "./messages.ts";
import { createOperators } from "./operators.ts";
import { createOrders } from "./orders.ts";
import { createParticipants, secondAddresses } from "./participants.ts";
import { idle, type Room } from "./room.ts";
import { probe, settle, unsettled } from "./settled.ts";
import { createStage, type Stage } from "./stage.ts";
import { faultSwitches } from "./switches.ts";
import { createTransactionClients } from "./transaction-clients.ts";
import { createWatchers } from "./watchers.ts";
import type { Focus } from "./workflow/load.ts";
import type { ManagerEvent } from "./workflow/manager-events.ts";
import { createWorkflowRooms, workflowRoomSwitches } from "./workflow/rooms.ts";

// One run: the production coordinator and participants in a world whose time, network, disks and chance are made here, from one seed.

/** What worlds of one run have in common. */
export type WorldOptions = {
  readonly participantsMin: number;
  readonly participantsMax: number;
  /** Leaves the workflow manager and the predicate engine out: a third of the time. */
  readonly onlyCommit?: boolean;
  /** Faults, blows and rooms that are switched off (`switches`). */
  readonly without?: readonly string[];
  /** A part of the transactions that the clients would have run, above 0. */
  readonly load?: number;
  /** Things go wrong no longer than this. */
  readonly chaosMs?: number;
  /** More of this. */
  readonly focus?: Focus;
};

export type SimulationOptions = WorldOptions & {
  readonly seed: number;
  /** The transcript, line by line. */
  readonly onLine?: (line: string) => void;
  /** What each core does, in the order in which it happens. */
  readonly onTrace?: (event: TraceEvent) => void;
  /** What became durable in the decision log. */
  readonly onLog?: (event: LogEvent) => void;
  /** What the workflow manager's store was told, and what the engine said. */
  readonly onManager?: (event: ManagerEvent) => void;
};

export type SimulationResult = {
  /** What was violated first. */
  readonly failure: string | undefined;
  /** Of the transcript: equal hashes, equal runs. */
  readonly traceHash: string;
  readonly counts: ReadonlyMap<string, number>;
};

/** After the chaos, all must end. The longest pauses are those of keepalive, resending and inquiry, 30 s each, one after the other. */
const settleMs = 10 * 60_000;

/** All rooms. Another kind of actor is another line here. */
function createRooms(stage: Stage, options: SimulationOptions): readonly Room[] {
  const { participantsMin, participantsMax, onlyCommit = false } = options;
  const ledger = createLedger(stage.fail, () => stage.schedule.nowMs);
  const orders = createOrders();
  const coordinators = createCoordinators(stage, ledger, options.onLog);
  const count = stage.dice.between(participantsMin, participantsMax);
  const participants = createParticipants(stage, { count, coordinators, orders, ledger });
  const { names, isAway } = participants;
  const isHasty = options.focus === "leavers";
  const clients = createTransactionClients(stage, { participants: names, coordinators, orders, ledger, isAway, isHasty });
  const interactive = createInteractiveClients(stage, { participants: names, coordinators, orders, ledger });
  const operators = createOperators(stage, { participants: names, coordinators, ledger });
  const watchers = createWatchers(stage, coordinators);
  const away = createAway(stage, { participants, coordinators, ledger });
  stage.onMessage(countMessages(stage.tally));
  checkDurable(stage, { coordinators, participants: names, ledger });
  const books: Room = {
    ...idle,
    async unsettled() {
      return ledger.unsettled(await allTransactions(coordinators.decisions), participants.resources, isAway);
    },
  };
  const { without = [] } = options;
  const workflows =
    onlyCommit || without.includes(workflowsSwitch)
      ? []
      : createWorkflowRooms(stage, {
          ...{ coordinators, participants: names, orders, ledger, record: options.onManager, focus: options.focus },
        });
  const optional = Object.entries({ [roomSwitches[0]]: interactive, [roomSwitches[1]]: operators, [roomSwitches[2]]: watchers })
    .filter(([name]) => !without.includes(name))
    .map(([, room]) => room);
  return [coordinators, participants, clients, ...optional, away, books, ...workflows];
}

/** The workflow manager, the predicate engine, and all who use them. */
const workflowsSwitch = "workflows";

/** Rooms that can be switched off by name. */
const roomSwitches = ["interactive clients", "operators", "watchers"] as const;

/** All that can be switched off in a world. */
export function switches(options: SimulationOptions): readonly string[] {
  const stage = createStage(options);
  const blows = createRooms(stage, options).flatMap((room) => Object.keys(room.blows));
  stage.close();
  const ofWorkflows = options.onlyCommit ? [] : [workflowsSwitch, ...Object.keys(workflowRoomSwitches)];
  return [...blows, ...Object.keys(faultSwitches), secondAddresses, ...roomSwitches, ...ofWorkflows];
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const stage = createStage(options);
  const { schedule, tally, world, fail, onFailure } = stage;
  const rooms = createRooms(stage, options);
  let over = false;

  async function drama(): Promise<void> {
    for (const room of rooms) room.open();
    await rage(stage, rooms);
    stage.calmDown();
    for (const room of rooms) room.heal();
    await end();
    if (stage.isPartial) {
      for (const room of rooms) room.healRest();
      await end();
    }
    if (stage.restMs > 0) {
      await world.sleep(stage.restMs);
      await end();
    }
    over = true;
  }

  async function end(): Promise<void> {
    await settle(world, rooms);
    await probe(rooms);
    await settle(world, rooms);
  }

  process.on("unhandledRejection", onFailure);
  try {
    drama().catch(onFailure);
    await schedule.run(schedule.nowMs + stage.chaosMs + stage.restMs + 3 * settleMs, () => over || stage.failure !== undefined);
    if (!over && stage.failure === undefined) {
      fail(`Termination: ${(await unsettled(rooms)).join("; ") || "the last transaction is not committed"}`);
    }
  } catch (error) {
    onFailure(error);
  } finally {
    stage.close();
    process.off("unhandledRejection", onFailure);
  }
  tally.count(stage.failure === undefined ? "runs that ended" : "runs that failed");
  return { failure: stage.failure, traceHash: stage.hash(), counts: tally.counts };
}
