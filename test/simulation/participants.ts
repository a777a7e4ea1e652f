import type { DecisionAck } from "../../src/commit/core/messages.ts";
import { createParticipant, type Participant } from "../../src/commit/participant/participant.ts";
import type { ParticipantLog } from "../../src/commit/ports.ts";
import type { ParticipantId } from "../../src/kernel/ids.ts";
import { participantLogSchema, sqliteParticipantLog, toRecord } from "../../src/storage/sqlite/participant-log.ts";
import { bothWays, cutCable, restoreCable } from "./cables.ts";
import type { Coordinators } from "./coordinators.ts";
import type { Ledger } from "./ledger.ts";
import { type Cable, createCable } from "./network.ts";
import type { Orders } from "./orders.ts";
import { fillDisk, setClock, stopProcess } from "./process-blows.ts";
import { openResource, type ResourceState } from "./resource.ts";
import { idle, type Room } from "./room.ts";
import type { Process } from "./schedule.ts";
import type { SqliteDisk } from "./sqlite-disk.ts";
import { watchRows } from "./sqlite-rows.ts";
import type { Stage } from "./stage.ts";
import { endOfStart } from "./unreadable.ts";

type ParticipantActor = {
  readonly name: string;
  readonly cable: Cable;
  readonly disk: SqliteDisk;
  readonly state: ResourceState;
  running: { readonly process: Process; readonly sdk: Participant } | undefined;
};

export type Participants = Room & {
  readonly names: readonly string[];
  /** Has it been left away while the others healed. */
  isAway(name: string): boolean;
  /** What each of them has done, by name. */
  readonly resources: ReadonlyMap<string, ResourceState>;
};

/** Can be switched off by this name. */
export const secondAddresses = "second addresses";

/** Those that take part with a resource of their own, and that say what they are told to say (`Order`). */
export function createParticipants(
  stage: Stage,
  options: {
    readonly count: number;
    readonly coordinators: Pick<Coordinators, "reachable" | "reachableElsewhere">;
    readonly orders: Orders;
    readonly ledger: Ledger;
  },
): Participants {
  const { count, coordinators, orders, ledger } = options;
  const { schedule, dice, tally, network, say, fail, onFailure } = stage;
  const actors = Array.from(
    { length: count },
    (_, index): ParticipantActor => ({
      name: `p${index + 1}`,
      cable: createCable(),
      disk: stage.sqliteDisk(`p${index + 1}.sqlite`, participantLogSchema),
      state: new Map(),
      running: undefined,
    }),
  );
  const resources = new Map(actors.map(({ name, state }) => [name, state]));
  const lossesTold = new Set<string>();
  /** With little of it, Prepares wait at the coordinator. */
  const prepareCredit = dice.pick([1, 2, 256]);
  /** Then they hear on from a coordinator that was replaced, beside its successor. */
  const hasTwo = dice.chance(0.25) && !stage.without.includes(secondAddresses);
  let away: ParticipantActor | undefined;

  for (const { name, disk } of actors) {
    watchRows(
      disk,
      { table: "transactions", key: "id" },
      {
        row(row) {
          const record = toRecord(row);
          say(`${name}  makes durable ${record.transactionId} ${record.state}`);
          ledger.onRecord(name, record);
        },
        gone(row) {
          const { state, transactionId } = toRecord(row);
          if (state === "prepared") fail(`PromiseKept: ${name} has dropped its promise of ${transactionId}`);
          tally.count("purges of participants' records");
        },
      },
    );
  }

  function openLog({ disk }: ParticipantActor, process: Process): ParticipantLog {
    const log = sqliteParticipantLog(stage.open(disk, process));
    return stage.keptBeforeMs ? { ...log, keptBeforeMs: stage.keptBeforeMs } : log;
  }

  function start(actor: ParticipantActor): void {
    const { name } = actor;
    const process = stage.process(name);
    try {
      run(actor, process, openLog(actor, process));
    } catch (error) {
      endOfStart(stage, process, error, () => {
        process.kill();
        startLater(actor);
      });
    }
  }

  function run(actor: ParticipantActor, process: Process, log: ParticipantLog): void {
    const { name } = actor;
    const resource = openResource({
      process,
      state: actor.state,
      dice,
      failure: () => stage.swarm.resourceFailure,
      losing: () => stage.swarm.losing,
      tally,
      behaviourOf: (payload) => orders.of(payload)?.parts.get(name) ?? "commit",
      onCommit: (id) => ledger.onResourceCommit(name, id),
      onViolation: fail,
    });
    const sdk = createParticipant({
      participantId: name as ParticipantId,
      instanceId: `${name}-${schedule.nowMs}`,
      log,
      resource: {
        ...resource,
        prepare(work) {
          const order = orders.of(work.payload);
          if (order) ledger.onWork(work.transactionId, order);
          else fail(`PayloadKept: ${name} is to prepare ${work.transactionId}, and is not told what`);
          return resource.prepare(work);
        },
      },
      clock: process.clock,
      random: dice.unit,
      prepareCredit,
      logger: stage.logger(name),
      trace: stage.trace(process),
      coordinators: [coordinators.reachable, ...(hasTwo ? [coordinators.reachableElsewhere] : [])].map((coordinator) =>
        network.transport({ from: process, participant: name, cable: actor.cable, coordinator }),
      ),
      async onStep({ type }) {
        if (!dice.chance(stage.swarm.crashBetween)) return;
        tally.count(`participant crashes ${type.replaceAll("-", " ")}`);
        crash(actor);
        await process.sleep(0);
      },
    });
    actor.running = { process, sdk };
    say(`${name} starts`);
    sdk.start().catch((error: unknown) => endOfStart(stage, process, error, () => crash(actor)));
  }

  function crash(actor: ParticipantActor): void {
    if (!actor.running) return;
    const { process, sdk } = actor.running;
    say(`${actor.name} dies`);
    if (sdk.inDoubt().length > 0) tally.count("participants died in doubt");
    actor.running = undefined;
    process.kill();
    network.reset(process);
    startLater(actor);
  }

  function startLater(actor: ParticipantActor): void {
    schedule.after(dice.between(0, 10_000), () => {
      if (actor !== away && !actor.running) start(actor);
    });
  }

  function close(actor: ParticipantActor): void {
    const { running } = actor;
    if (!running) return;
    say(`${actor.name} leaves`);
    void running.sdk.close(dice.between(0, 3_000)).then(() => {
      if (actor.running === running) crash(actor);
    }, onFailure);
  }

  /** Its machine is dead, or nobody can reach it. */
  function leaveAway(actor: ParticipantActor): void {
    away = actor;
    const isDead = dice.chance(0.5);
    tally.count(isDead ? "participants dead for good" : "participants cut off for good");
    say(`${actor.name} stays away`);
    if (isDead) crash(actor);
    actor.cable.isGone = true;
    actor.cable.up = false;
    actor.cable.down = false;
  }

  function comeBack(actor: ParticipantActor): void {
    away = undefined;
    say(`${actor.name} is back`);
    actor.cable.isGone = false;
    restoreCable(actor.cable);
    restorePromises(actor);
    if (!actor.running) start(actor);
  }

  /** The right backup is found. */
  function restorePromises({ name, state }: ParticipantActor): void {
    for (const [id, each] of state) if (each === "lost") state.set(id, "prepared");
    say(`${name} has its promises again`);
    network.breakStream(name);
  }

  function onAck(participant: string, { transactionId, outcome }: DecisionAck): void {
    const state = resources.get(participant)?.get(transactionId);
    const key = `${participant} ${transactionId}`;
    if (outcome === "lost") {
      tally.count("acks: lost");
      lossesTold.add(key);
    }
    if (outcome !== "committed") return;
    if (state === "prepared" || state === "lost") fail(`AckHonest: ${key} is ${state}, and acknowledged as committed`);
    if (lossesTold.delete(key)) tally.count("promises restored and kept");
  }

  stage.onMessage((participant, message, from) => {
    if (message.type === "decision-ack") onAck(participant, message);
    if (message.type !== "vote" && message.type !== "decision-ack") return;
    const actor = actors.find(({ running }) => running?.process === from);
    if (!actor || !dice.chance(stage.swarm.crashBetween / 4)) return;
    tally.count(`participant crashes behind a ${message.type}`);
    schedule.after(0, () => crash(actor));
  });

  return {
    ...idle,
    names: actors.map(({ name }) => name),
    resources,
    blows: {
      "crash participant": () => crash(dice.pick(actors)),
      "stop participant": () => stopProcess(stage, dice.pick(actors).running?.process),
      "close participant": () => close(dice.pick(actors)),
      "fill disk of participant": () => fillDisk(stage, dice.pick(actors).disk),
      "set clock of participant": () => setClock(stage, dice.pick(actors).running?.process),
      "restore promise": () => restorePromises(dice.pick(actors)),
      "cut cable"() {
        const { cable, name } = dice.pick(actors);
        cutCable(stage, cable, name, bothWays);
      },
      "cut cable one way"() {
        const { cable, name } = dice.pick(actors);
        cutCable(stage, cable, name, [dice.pick(bothWays)]);
      },
      "break stream": () => void network.breakStream(dice.pick(actors).name),
    },
    open() {
      for (const actor of actors) start(actor);
    },
    heal() {
      for (const { cable } of actors) restoreCable(cable);
      for (const actor of actors) restorePromises(actor);
      if (stage.isPartial && actors.length > 1) leaveAway(dice.pick(actors));
    },
    healRest() {
      if (away) comeBack(away);
    },
    isAway: (name) => name === away?.name,
  };
}
