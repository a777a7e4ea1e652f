import type { TraceEvent } from "../../src/commit/core/trace.ts";
import { rage } from "./blows.ts";
import { createCoordinators } from "./coordinators.ts";
import { createLedger } from "./ledger.ts";
import { countMessages } from "./messages.ts";
import { createOrders } from "./orders.ts";
import { createParticipants } from "./participants.ts";
import { idle, type Room } from "./room.ts";
import { probe, settle, unsettled } from "./settled.ts";
import { chaosMs, createStage, type Stage } from "./stage.ts";
import { createTransactionClients } from "./transaction-clients.ts";

// One run: the production coordinator and participants in a world whose time, network, disks and chance are made here, from one seed.

export type SimulationOptions = {
  readonly seed: number;
  readonly participantsMin: number;
  readonly participantsMax: number;
  /** The transcript, line by line. */
  readonly onLine?: (line: string) => void;
  /** What each core does, in the order in which it happens. */
  readonly onTrace?: (event: TraceEvent) => void;
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
function createRooms(stage: Stage, { participantsMin, participantsMax }: SimulationOptions): readonly Room[] {
  const ledger = createLedger(stage.fail);
  const orders = createOrders();
  const coordinators = createCoordinators(stage);
  const count = stage.dice.between(participantsMin, participantsMax);
  const participants = createParticipants(stage, { count, coordinators, orders, ledger });
  const clients = createTransactionClients(stage, { participants: participants.names, coordinators, orders, ledger });
  stage.onMessage(countMessages(stage.tally));
  const books: Room = {
    ...idle,
    async unsettled() {
      const { transactions } = await coordinators.decisions.list({ beforeId: undefined, limit: Number.POSITIVE_INFINITY });
      return ledger.unsettled(transactions, participants.resources);
    },
  };
  return [coordinators, participants, clients, books];
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const stage = createStage({ seed: options.seed, onLine: options.onLine, onTrace: options.onTrace });
  const { schedule, tally, world, fail, onFailure } = stage;
  const rooms = createRooms(stage, options);
  let over = false;

  async function drama(): Promise<void> {
    for (const room of rooms) room.open();
    await rage(stage, rooms);
    stage.calmDown();
    for (const room of rooms) room.heal();
    await settle(world, rooms);
    await probe(rooms);
    await settle(world, rooms);
    over = true;
  }

  process.on("unhandledRejection", onFailure);
  try {
    drama().catch(onFailure);
    await schedule.run(schedule.nowMs + chaosMs + settleMs, () => over || stage.failure !== undefined);
    if (!over && stage.failure === undefined) {
      fail(`Termination: ${(await unsettled(rooms)).join("; ") || "the last transaction is not committed"}`);
    }
  } catch (error) {
    onFailure(error);
  } finally {
    process.off("unhandledRejection", onFailure);
  }
  tally.count(stage.failure === undefined ? "runs that ended" : "runs that failed");
  return { failure: stage.failure, traceHash: stage.hash(), counts: tally.counts };
}
