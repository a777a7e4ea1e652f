import type { Transaction } from "../../src/commit/core/types.ts";
import { createDriver, type Driver } from "../../src/commit/driver.ts";
import type { DecisionLog } from "../../src/commit/ports.ts";
import { createSessions } from "../../src/commit/sessions.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { createMemoryDecisionLog } from "../../src/storage/memory/decision-log.ts";
import { decisionLogSchema, sqliteDecisionLog, toTransaction } from "../../src/storage/sqlite/decision-log.ts";
import { unhurried } from "../support/unhurried.ts";
import type { Ledger } from "./ledger.ts";
import { type LogEvent, recordLog } from "./log-events.ts";
import type { CoordinatorProcess } from "./network.ts";
import { fillDisk, setClock, stopProcess } from "./process-blows.ts";
import { idle, type Room } from "./room.ts";
import { createProcess, type Process } from "./schedule.ts";
import { lookingAt, watchRows } from "./sqlite-rows.ts";
import type { Stage } from "./stage.ts";
import { endOfStart } from "./unreadable.ts";

export type CoordinatorActor = CoordinatorProcess & {
  readonly driver: Driver;
  ready: boolean;
  /** Replaced, or about to leave. */
  ending: boolean;
};

export type Coordinators = Room & {
  /** What is durable, whoever writes it. */
  readonly decisions: DecisionLog;
  /** Where the coordinators' address leads a caller: at times to one that was replaced. */
  any(): CoordinatorActor | undefined;
  /** The one that was replaced last, and that does not know it yet, perhaps. */
  replaced(): CoordinatorActor | undefined;
  /** A successor begins while this one goes on. */
  onTakeOver(listener: () => void): void;
  /** The last that was begun, whether anybody was told of it. Ids grow. */
  readonly lastId: TransactionId;
  /** A caller of this coordinator is answered. */
  answered(actor: CoordinatorActor, answer: unknown): void;
  onAnswer(listener: (actor: CoordinatorActor, answer: unknown) => void): void;
  /** A watcher of this coordinator is told. */
  told(actor: CoordinatorActor, transaction: Transaction): void;
  onTold(listener: (actor: CoordinatorActor, transaction: Transaction) => void): void;
  /** Where it leads a participant: at times to a stranger. */
  reachable(): CoordinatorProcess | undefined;
  /** Where their other address leads: to one that was replaced, as long as there is one. */
  reachableElsewhere(): CoordinatorProcess | undefined;
};

/** The newest coordinator, those that it has replaced and that run on beside it, and a stranger. */
export function createCoordinators(
  stage: Stage,
  ledger: Pick<Ledger, "onForget" | "onStored">,
  onLog?: (event: LogEvent) => void,
): Coordinators {
  const { schedule, dice, tally, network, say, onFailure } = stage;
  const disk = stage.sqliteDisk("commit.sqlite", decisionLogSchema);
  const decisions = sqliteDecisionLog(lookingAt(disk));
  if (onLog) recordLog(disk, onLog);
  const stranger = createStranger(stage);
  /** Of the decisions: when they are to be forced, there is no space for a while. */
  const filling = stage.draw(0.1);
  let coordinators: CoordinatorActor[] = [];
  let started = 0;
  let begun = 0;
  const answerListeners: ((actor: CoordinatorActor, answer: unknown) => void)[] = [];
  const takeOverListeners: (() => void)[] = [];
  const toldListeners: ((actor: CoordinatorActor, transaction: Transaction) => void)[] = [];
  const idOf = (number: number): TransactionId => `t${String(number).padStart(4, "0")}` as TransactionId;

  function start(): void {
    started += 1;
    const process = stage.process(`c${started}`);
    const log = openLog(process, () => {
      if (stage.strikes(filling)) {
        tally.count("disks full while a decision is to be forced");
        fillDisk(stage, disk);
      }
      if (!dice.chance(stage.swarm.crashBetween / 2)) return;
      tally.count("coordinator crashes during a forced write");
      schedule.after(dice.between(0, stage.swarm.disk.flushMs), () => crash(actor));
    });
    const { clock } = process;
    const logger = stage.logger(process.name);
    const trace = stage.trace(process);
    const sessions = createSessions({ log, clock, logger, trace });
    const driver = createDriver({
      log,
      sessions,
      clock,
      logger,
      random: dice.unit,
      newTransactionId() {
        begun += 1;
        return idOf(begun);
      },
      newCoordinatorId: () => "c",
      turns: unhurried,
      trace,
    });
    const actor: CoordinatorActor = { process, sessions, driver, ready: false, ending: false };
    coordinators.push(actor);
    if (coordinators.length > 1) for (const listener of takeOverListeners) listener();
    void driver.replaced.then(() => end(actor));
    tally.count("coordinators started");
    say(`${process.name} starts`);
    takeOver(actor).catch((error: unknown) => endOfStart(stage, process, error, () => crash(actor)));
  }

  /** What is old is for the world to say: it lasts hours, and what is kept is kept for days. */
  function openLog(process: Process, onForce: () => void): DecisionLog {
    const log = sqliteDecisionLog(stage.open(disk, process));
    const { keptBeforeMs = log.keptBeforeMs } = stage;
    return {
      ...log,
      get writable() {
        return log.writable;
      },
      keptBeforeMs,
      force(...what) {
        onForce();
        return log.force(...what);
      },
      /** Takes its time, as the port allows: callers come and go meanwhile. */
      byRequest: (id) =>
        new Promise((resolve, reject) => {
          process.after(dice.pick([0, 0, 20, 200]), () => log.byRequest(id).then(resolve, reject));
        }),
      async purge(...which) {
        const purged = await log.purge(...which);
        if (purged.ok && purged.value > 0) tally.count("purges of transactions");
        return purged;
      },
    };
  }

  watchRows(
    disk,
    { table: "transactions", key: "id" },
    {
      row(row, by) {
        const { id, phase, outcome, coordinatorEpoch } = toTransaction(row);
        const epoch = Number(disk.rows("SELECT epoch FROM coordinator")[0]?.["epoch"]);
        if (coordinatorEpoch < epoch) {
          stage.fail(
            `LogAppendByOwnerOnly: ${by.name} writes ${id} as of epoch ${coordinatorEpoch}, and ${epoch} has claimed the log`,
          );
        }
        const isOver = row["completed_at_ms"] !== null;
        say(`${by.name}  makes durable ${id} ${phase} ${outcome ?? ""}`);
        ledger.onStored(id);
        if (phase === "COMMITTING") tally.count("commits forced");
        if (isOver || !dice.chance(stage.swarm.crashBetween)) return;
        tally.count("coordinator crashes after a forced write");
        for (const actor of coordinators.filter(({ process }) => process === by)) crash(actor);
      },
      gone: (row) => ledger.onForget(toTransaction(row)),
    },
  );

  async function takeOver(actor: CoordinatorActor): Promise<void> {
    const { driver, process } = actor;
    const unfinished = await decisions.unfinished({ afterId: undefined, limit: 1 });
    if (unfinished.length > 0) tally.count("take-overs of unfinished transactions");
    const result = await driver.start();
    if (result.ok) actor.ready = true;
    else if (process.alive) {
      say(`${process.name} cannot start: ${result.error.type}`);
      crash(actor);
    }
  }

  /** Whoever is replaced ends, sooner or later, and is started anew if nobody else is there. */
  function end(actor: CoordinatorActor): void {
    if (!actor.ending) schedule.after(dice.between(0, 10_000), () => crash(actor));
    actor.ending = true;
  }

  function crash(actor: CoordinatorActor): void {
    if (!actor.process.alive) return;
    say(`${actor.process.name} dies`);
    actor.process.kill();
    network.reset(actor.process);
    coordinators = coordinators.filter((each) => each !== actor);
    schedule.after(dice.between(0, 8_000), () => {
      if (coordinators.every(({ ending }) => ending)) start();
    });
  }

  function drain(actor: CoordinatorActor): void {
    say(`${actor.process.name} drains`);
    actor.ending = true;
    void actor.driver.drain(dice.between(0, 3_000)).then(() => {
      actor.driver.close();
      crash(actor);
    }, onFailure);
  }

  const some = (): CoordinatorActor | undefined => (coordinators.length > 0 ? dice.pick(coordinators) : undefined);

  // It stands still while it is told of the last vote, and is replaced; then it goes on.
  stage.onMessage((_, { type }) => {
    const actor = coordinators.at(-1);
    if (type !== "vote" || !actor || coordinators.length > 2 || !dice.chance(stage.swarm.crashBetween / 8)) return;
    tally.count("coordinators replaced while they stand still");
    // If it goes on soon, it does not look whether it was replaced before it decides.
    stopProcess(stage, actor.process, dice.pick([400, 30_000]));
    schedule.after(dice.between(0, 200), start);
  });

  // Behind what it has sent, before what follows.
  stage.onMessage((_, { type }, from) => {
    if (type !== "prepare" && type !== "decision") return;
    const actor = coordinators.find(({ process }) => process === from);
    if (!actor || !dice.chance(stage.swarm.crashBetween / 20)) return;
    tally.count(`coordinator crashes behind a ${type}`);
    schedule.after(0, () => crash(actor));
  });

  const any = (): CoordinatorActor | undefined => (stage.strikes(0.2) ? some() : undefined) ?? coordinators.at(-1);

  return {
    ...idle,
    decisions,
    any,
    replaced: () => coordinators.at(-2),
    onTakeOver: (listener) => void takeOverListeners.push(listener),
    get lastId() {
      return idOf(begun);
    },
    answered(actor, answer) {
      for (const listener of answerListeners) listener(actor, answer);
    },
    onAnswer: (listener) => void answerListeners.push(listener),
    told(actor, transaction) {
      for (const listener of toldListeners) listener(actor, transaction);
    },
    onTold: (listener) => void toldListeners.push(listener),
    reachable() {
      if (!dice.chance(stage.swarm.strangers)) return any();
      schedule.after(dice.between(0, 10_000), () => network.reset(stranger.process));
      return stranger;
    },
    reachableElsewhere: () => coordinators.at(-2),
    blows: {
      "crash coordinator"() {
        const actor = some();
        if (actor) crash(actor);
      },
      "stop coordinator": () => stopProcess(stage, some()?.process),
      "drain coordinator"() {
        const actor = some();
        if (actor?.ready) drain(actor);
      },
      "take over"() {
        if (coordinators.length < 3) start();
      },
      "fill disk of coordinator": () => fillDisk(stage, disk),
      "set clock of coordinator": () => setClock(stage, some()?.process),
    },
    open: start,
    heal() {
      network.reset(stranger.process);
      // A replaced coordinator learns of it when it writes. One that has nothing to write is ended by whoever replaced it.
      for (const actor of coordinators.slice(0, -1)) crash(actor);
    },
  };
}

/** Serves the coordinators' address at times, with a decision log of its own. */
function createStranger(stage: Stage): CoordinatorProcess {
  const { schedule, dice, onFailure } = stage;
  const process = createProcess(schedule, "stranger", 0);
  const { clock } = process;
  const log = createMemoryDecisionLog(() => schedule.nowMs);
  const logger = stage.logger("stranger");
  const sessions = createSessions({ log, clock, logger });
  const driver = createDriver({
    log,
    sessions,
    clock,
    logger,
    random: dice.unit,
    newTransactionId: () => "strange" as TransactionId,
    newCoordinatorId: () => "stranger",
    turns: unhurried,
  });
  driver.start().catch(onFailure);
  return { process, sessions };
}
