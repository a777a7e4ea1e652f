import { createHash } from "node:crypto";
import type { TraceEvent } from "../../src/commit/core/trace.ts";
import type { Logger, Trace } from "../../src/commit/ports.ts";
import { AssertionError } from "../../src/kernel/assert.ts";
import type { DurationMs, TimeMs } from "../../src/kernel/time.ts";
import type { SqliteEngine, StoreSchema } from "../../src/storage/sqlite/statement.ts";
import { createNetwork, type Network, type Seen } from "./network.ts";
import { createDice, type Dice } from "./random.ts";
import { createProcess, createSchedule, type Process, type Schedule } from "./schedule.ts";
import { createSqliteDisk, type SqliteDisk } from "./sqlite-disk.ts";
import { openSimulatedSqlite } from "./sqlite-engine.ts";
import { calm, drawSwarm, type Swarm, withFailingReads } from "./swarm.ts";
import { withoutFaults } from "./switches.ts";
import { createTally, type Tally } from "./tally.ts";
import type { Focus } from "./workflow/load.ts";

/** How long things go wrong: a minute, or long enough that what ended long ago is purged. */
const chaosMs = { usual: 60_000, long: 50 * 60_000 } as const;

/** After it a long world waits until every process has purged, which each does once an hour. */
const longRestMs = 70 * 60_000;

/** Of all worlds, so many are long: they cost ten times as much. */
const longShare = 0.04;

/** For how long a long world keeps what has ended. Much longer than a client calls again. */
const longRetentionMs = 30 * 60_000;

/** Of all worlds, in so many one participant is away when all the others have healed. */
const partialShare = 0.25;

/** Clocks need not agree. */
const clockSkewMsMax = 30_000;

/** What all rooms of a world share: time, chance, network, disks, and the one place where it is said what happens. */
export type Stage = {
  readonly schedule: Schedule;
  readonly dice: Dice;
  readonly tally: Tally;
  readonly network: Network;
  /** Lives as long as the world. What waits here is not lost when an actor dies. */
  readonly world: Process;
  /** Blows that do not fall; see `switches`. */
  readonly without: readonly string[];
  /** What part of the load there is. */
  readonly load: number;
  /** How long things go wrong. */
  readonly chaosMs: DurationMs;
  /** How long it goes on when all is over. */
  readonly restMs: DurationMs;
  /** Before when what has ended is old enough to be purged. Undefined: this world does not last so long. */
  readonly keptBeforeMs: (() => TimeMs) | undefined;
  /** One participant stays away when the others heal, as if for good. */
  readonly isPartial: boolean;
  /** In this world reads fail, until it heals. */
  readonly hasFailingReads: boolean;
  /** Faults as they are now. */
  readonly swarm: Swarm;
  /** True from the healing on. */
  readonly isCalm: boolean;
  readonly failure: string | undefined;
  /** From now on nothing fails. */
  calmDown(): void;
  /** How often something of a room goes wrong, up to this; never, in half of the worlds. See `drawSwarm`. */
  draw(max: number): number;
  /** True that often, and never when the stage is calm. */
  strikes(probability: number): boolean;
  say(text: string): void;
  /** The world ends: this was violated. */
  fail(text: string): void;
  onFailure(error: unknown): void;
  /** Hears each message when it is sent, whether it arrives or not. */
  onMessage(listener: Seen): void;
  /** A process of an actor, with a clock that is a little wrong. */
  process(name: string): Process;
  /** A store's file. Outlives the processes that have it open. */
  sqliteDisk(path: string, schema: StoreSchema): SqliteDisk;
  /** The file as this process has it open: with the production engine, by which the stores are made as `concord serve` makes them. */
  open(disk: SqliteDisk, process: Process): SqliteEngine;
  logger(name: string): Logger;
  trace(process: Process): Trace | undefined;
  /** Of all that was said. */
  hash(): string;
  /** Gives the disks back, which the garbage collector does not see the size of. Nothing may go on. */
  close(): void;
};

export function createStage(options: {
  readonly seed: number;
  readonly onLine?: (line: string) => void;
  readonly onTrace?: (event: TraceEvent) => void;
  readonly without?: readonly string[];
  readonly load?: number;
  readonly chaosMs?: DurationMs;
  readonly focus?: Focus;
}): Stage {
  const { onLine, onTrace, without = [], load = 1, chaosMs: chaosMaxMs = Number.POSITIVE_INFINITY } = options;
  const dice = createDice(options.seed);
  const schedule = createSchedule();
  const startMs = schedule.nowMs;
  const tally = createTally();
  const hash = createHash("sha256");
  const listeners: Seen[] = [];
  const disks: SqliteDisk[] = [];
  const isLong = dice.chance(longShare);
  const isPartial = dice.chance(partialShare);
  const readDice = createDice(~options.seed);
  let swarm = withoutFaults(withFailingReads(drawSwarm(dice), readDice, options.focus === "reads"), without);
  const hasFailingReads = swarm.disk.unread > 0;
  /** In some worlds event loops are busy. */
  const turnMsMax = dice.pick([0, 0, 10]);
  const turnMs = (): DurationMs => (turnMsMax === 0 ? 0 : dice.unit() * turnMsMax);
  let failure: string | undefined;

  const say = (text: string): void => {
    const line = `${((schedule.nowMs - startMs) / 1_000).toFixed(3).padStart(9)}  ${text}`;
    hash.update(line).update("\n");
    onLine?.(line);
  };
  const fail = (text: string): void => {
    if (failure !== undefined) return;
    failure = text;
    say(`VIOLATED  ${text}`);
  };
  const onFailure = (error: unknown): void => fail(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  const onSend: Seen = (participant, message, from) => {
    for (const listener of listeners) listener(participant, message, from);
  };

  return {
    schedule,
    dice,
    tally,
    network: createNetwork({ schedule, dice, faults: () => swarm.network, tally, say, onSend, onFailure }),
    world: createProcess(schedule, "world", 0),
    without,
    load,
    chaosMs: Math.min(chaosMaxMs, isLong ? chaosMs.long : chaosMs.usual),
    restMs: isLong ? longRestMs : 0,
    keptBeforeMs: isLong ? () => schedule.nowMs - longRetentionMs : undefined,
    isPartial,
    hasFailingReads,
    get swarm() {
      return swarm;
    },
    get isCalm() {
      return swarm === calm;
    },
    get failure() {
      return failure;
    },
    calmDown() {
      say("---- from here on, nothing fails");
      swarm = calm;
    },
    draw: (max) => (dice.chance(0.5) ? dice.unit() * max : 0),
    strikes: (probability) => swarm !== calm && dice.chance(probability),
    say,
    fail,
    onFailure,
    onMessage: (listener) => void listeners.push(listener),
    process: (name) => createProcess(schedule, name, dice.between(-clockSkewMsMax, clockSkewMsMax), turnMs),
    sqliteDisk(path, schema) {
      const disk = createSqliteDisk({ path, schema, dice, nowMs: () => schedule.nowMs });
      disks.push(disk);
      return disk;
    },
    open: (disk, process) =>
      openSimulatedSqlite({
        ...{ disk, process, dice, readDice, tally },
        faults: () => swarm.disk,
        say: (text) => say(`${process.name}: ${text}`),
      }),
    logger: (name) => ({
      debug() {},
      info() {},
      warn: (_, message) => say(`${name}: ${message}`),
      error(fields, message) {
        say(`${name}: ${message}`);
        // An assertion that somebody has caught is a defect all the same.
        if ("err" in fields && fields.err instanceof AssertionError) onFailure(fields.err);
      },
    }),
    // A dead process goes on to the end of what it was doing, and nobody hears of it.
    trace: (process) =>
      onTrace &&
      ((event) => {
        if (process.alive) onTrace(event);
      }),
    hash: () => hash.digest("hex"),
    close() {
      for (const disk of disks) disk.close();
    },
  };
}
