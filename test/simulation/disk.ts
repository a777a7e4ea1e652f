import type { DurationMs } from "../../src/kernel/time.ts";
import type { Dice } from "./random.ts";
import type { Process } from "./schedule.ts";
import type { DiskFaults } from "./sqlite-faults.ts";
import type { Tally } from "./tally.ts";

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
