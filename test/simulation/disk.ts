import type { Transaction } from "../../src/commit/core/types.ts";
import type { DecisionLog, ParticipantLog } from "../../src/commit/ports.ts";
import { err } from "../../src/kernel/result.ts";
import type { DurationMs, TimeMs } from "../../src/kernel/time.ts";
import type { WriteResult } from "../../src/kernel/write.ts";
import type { Dice } from "./random.ts";
import type { Process } from "./schedule.ts";
import type { Tally } from "./tally.ts";

/** How a disk misbehaves. */
export type DiskFaults = {
  readonly flushMs: number;
  /** A flush that fails, before or after some of it is durable. */
  readonly failure: number;
  /** How often a flush takes a hundred times as long. */
  readonly slow: number;
};

/**
 * What a process has open of a disk. The log below it holds what is durable; here is what is not: writes that wait, and those whose
 * flush is under way. They become durable in their order.
 */
export type OpenDisk = {
  /** Resolves when it is durable. Rejects with a DiskFailure if that is not sure. */
  write<T>(apply: () => Promise<T>): Promise<T>;
  read<T>(get: () => Promise<T>): Promise<T>;
  readonly writable: boolean;
  /** Nothing can be written for so long. */
  fill(forMs: DurationMs): void;
  /** The process is dead. A part of what was under way may be durable all the same. */
  crash(): void;
};

export class DiskFailure extends Error {}

type Write = { readonly apply: () => Promise<void>; readonly fail: (error: DiskFailure) => void };

export function openDisk(options: {
  readonly process: Process;
  readonly dice: Dice;
  readonly faults: () => DiskFaults;
  readonly tally: Tally;
  readonly say: (text: string) => void;
}): OpenDisk {
  const { process, dice, faults, tally, say } = options;
  let waiting: Write[] = [];
  let flushing: Write[] = [];
  let writable = true;
  let fullUntilMs = 0;

  function startFlush(): void {
    if (flushing.length > 0 || waiting.length === 0) return;
    flushing = waiting;
    waiting = [];
    const isSlow = dice.chance(faults().slow);
    if (isSlow) tally.count("slow flushes");
    process.after(dice.between(0, faults().flushMs) * (isSlow ? 100 : 1), endFlush);
  }

  function endFlush(): void {
    const batch = flushing;
    flushing = [];
    const isFull = process.clock.monotonicMs() < fullUntilMs;
    if (isFull) tally.count("flushes of a full disk");
    const fails = isFull || dice.chance(faults().failure);
    const durableCount = isFull ? 0 : fails ? dice.between(0, batch.length) : batch.length;
    for (const write of batch.slice(0, durableCount)) {
      // A write that is durable and reported as failed is the worst of both.
      void write.apply();
    }
    if (fails) {
      tally.count(durableCount > 0 ? "failed flushes, partly durable" : "failed flushes");
      say(`a flush fails; ${durableCount} of ${batch.length} writes are durable`);
      for (const write of batch) write.fail(new DiskFailure("I/O error"));
      writable = false;
      process.after(Math.max(dice.between(50, 500), fullUntilMs - process.clock.monotonicMs()), () => {
        writable = true;
      });
    } else {
      tally.count("flushes");
    }
    startFlush();
  }

  return {
    get writable() {
      return writable;
    },
    fill(forMs) {
      say(`the disk is full for ${forMs} ms`);
      fullUntilMs = process.clock.monotonicMs() + forMs;
    },
    write: (apply) =>
      new Promise((resolve, reject) => {
        let failed = false;
        waiting.push({
          fail: (error) => {
            failed = true;
            reject(error);
          },
          apply: async () => {
            try {
              const value = await apply();
              if (!failed) resolve(value);
            } catch (error) {
              reject(error);
            }
          },
        });
        startFlush();
      }),
    async read(get) {
      await process.sleep(dice.between(0, 2));
      return get();
    },
    crash() {
      const survivors = dice.between(0, flushing.length);
      // The write in which the power went is incomplete. Its checksum is wrong, so it is as if it had never been.
      if (survivors < flushing.length && dice.chance(0.5)) tally.count("torn flushes");
      if (survivors > 0) tally.count("writes durable, unknown to the process");
      for (const write of flushing.slice(0, survivors)) void write.apply();
      flushing = [];
      waiting = [];
    },
  };
}

/** The decision log as one process sees it. Several processes may have it open. */
export function openDecisionLog(
  store: DecisionLog,
  disk: OpenDisk,
  options: {
    /** It is asked to write this, and has not begun. */
    readonly onWrite: (label: string) => void;
    readonly onDurable: (text: string) => void;
    readonly onForget: (record: Transaction) => void;
    readonly keptBeforeMs: (() => TimeMs) | undefined;
    readonly tally: Tally;
  },
): DecisionLog {
  const { onWrite, onDurable, onForget, keptBeforeMs, tally } = options;
  const all = async (): Promise<readonly Transaction[]> =>
    (await store.list({ beforeId: undefined, limit: Number.POSITIVE_INFINITY })).transactions;

  /** Says what is dropped: what was there before, and is not afterwards. */
  async function dropping<Dropped>(drop: () => Dropped | Promise<Dropped>): Promise<Dropped> {
    const before = await all();
    const dropped = await drop();
    const left = new Set((await all()).map(({ id }) => id));
    for (const record of before) if (!left.has(record.id)) onForget(record);
    return dropped;
  }

  async function write<T, C>(label: string, apply: () => WriteResult<T, C>): WriteResult<T, C> {
    try {
      onWrite(label);
      return await disk.write(async () => {
        const written = await apply();
        onDurable(written.ok ? label : `the log refuses to ${label}`);
        return written;
      });
    } catch (error) {
      if (!(error instanceof DiskFailure)) throw error;
      return err({ type: "storage-unavailable", cause: error.message, outcomeUnknown: true });
    }
  }
  return {
    get writable() {
      return disk.writable;
    },
    onWritableChange: () => () => {},
    keptBeforeMs: keptBeforeMs ?? store.keptBeforeMs,
    claim: (newCoordinatorId) => write("claim the log", () => store.claim(newCoordinatorId)),
    force: (transaction, ...rest) =>
      write(`force ${transaction.id} ${transaction.phase}`, () => store.force(transaction, ...rest)),
    record: (transaction, ...rest) =>
      write(`record ${transaction.id} ${transaction.phase} ${transaction.outcome}`, () => store.record(transaction, ...rest)),
    openSession: (session, epoch) => write(`open a session of ${session.participantId}`, () => store.openSession(session, epoch)),
    forget: (id, epoch) => write(`forget ${id}`, () => dropping(() => store.forget(id, epoch))),
    forgetParticipants: (which, epoch) => write("forget participants", () => store.forgetParticipants(which, epoch)),
    purge: (before, epoch) =>
      write("purge", async () => {
        const purged = await dropping(() => store.purge(before, epoch));
        if (purged.ok && purged.value > 0) tally.count("purges of transactions");
        return purged;
      }),
    newestEpoch: () => disk.read(() => store.newestEpoch()),
    get: (id) => disk.read(() => store.get(id)),
    payload: (id) => disk.read(() => store.payload(id)),
    list: (page) => disk.read(() => store.list(page)),
    timeline: (id) => disk.read(() => store.timeline(id)),
    unfinished: (page) => disk.read(() => store.unfinished(page)),
    byRequest: (id) => disk.read(() => store.byRequest(id)),
    participant: (id) => disk.read(() => store.participant(id)),
    participants: (page) => disk.read(() => store.participants(page)),
    close: async () => {},
  };
}

export function openParticipantLog(
  store: ParticipantLog,
  disk: OpenDisk,
  onDurable: (record: Parameters<ParticipantLog["persist"]>[0]) => void,
  options: {
    readonly keptBeforeMs: (() => TimeMs) | undefined;
    readonly onViolation: (text: string) => void;
    readonly tally: Tally;
  },
): ParticipantLog {
  const { keptBeforeMs, onViolation, tally } = options;

  /** A promise is never old. */
  async function purge(before: Parameters<ParticipantLog["purge"]>[0]): Promise<number> {
    const promised = (await store.load()).length;
    const count = await store.purge(before);
    if ((await store.load()).length < promised) onViolation("PromiseKept: a participant's log has purged a promise");
    if (count > 0) tally.count("purges of participants' records");
    return count;
  }

  return {
    ...(keptBeforeMs && { keptBeforeMs }),
    id: store.id,
    load: () => disk.read(() => store.load()),
    get: (id) => disk.read(() => store.get(id)),
    coordinators: () => disk.read(() => store.coordinators()),
    persistCoordinator: (coordinator) => disk.write(() => store.persistCoordinator(coordinator)),
    persist: (record) =>
      disk.write(async () => {
        await store.persist(record);
        onDurable(record);
      }),
    purge: (before) => disk.write(() => purge(before)),
  };
}
