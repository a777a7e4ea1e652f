import type { SqliteEngine, StoreSchema } from "../../src/storage/sqlite/statement.ts";
import { createDice } from "../simulation/random.ts";
import { createProcess, createSchedule } from "../simulation/schedule.ts";
import { createSqliteDisk } from "../simulation/sqlite-disk.ts";
import { openSimulatedSqlite } from "../simulation/sqlite-engine.ts";
import type { DiskFaults, FlushFault } from "../simulation/sqlite-faults.ts";
import { createTally } from "../simulation/tally.ts";

/** A flush takes so long at most. */
export const flushMs = 10;

/** One simulated disk, the processes that have it open, and a time that passes when a test says so. With a fault, it befalls each flush. */
export function createStoreWorld(schema: StoreSchema, options: { readonly seed?: number; readonly fault?: FlushFault } = {}) {
  const { seed = 1, fault } = options;
  const schedule = createSchedule();
  const dice = { ...createDice(seed), ...(fault && { pick: <Item>() => fault as Item }) };
  const disk = createSqliteDisk({ path: schema.kind, schema, dice, nowMs: () => schedule.nowMs });
  const tally = createTally();
  let faults: DiskFaults = { flushMs, failure: fault === undefined ? 0 : 1, slow: 0, unread: 0 };
  const pass = (ms: number, isOver = () => false): Promise<void> => {
    let isPast = false;
    schedule.after(ms, () => {
      isPast = true;
    });
    return schedule.run(Number.POSITIVE_INFINITY, () => isPast || isOver());
  };
  return {
    disk,
    tally,
    /** As another process has it open. */
    open(name = "p") {
      const process = createProcess(schedule, name, 0);
      return {
        process,
        engine: openSimulatedSqlite({ disk, process, dice, readDice: dice, faults: () => faults, tally, say: () => {} }),
      };
    },
    /** From now on nothing can be read. */
    failReads() {
      faults = { ...faults, unread: 1 };
    },
    /** From now on nothing fails. */
    calm() {
      faults = { flushMs, failure: 0, slow: 0, unread: 0 };
    },
    pass,
    /** As many events as it takes. */
    async until<T>(promise: Promise<T>): Promise<T> {
      const seen = watched(promise);
      await pass(3_600_000, () => seen.isSettled);
      return promise;
    },
  };
}

/** What has become of it by now. */
export function watched<T>(promise: Promise<T>): { readonly value: T | "no answer"; readonly isSettled: boolean } {
  const seen: { value: T | "no answer"; isSettled: boolean } = { value: "no answer", isSettled: false };
  promise.then(
    (value) => Object.assign(seen, { value, isSettled: true }),
    () => Object.assign(seen, { isSettled: true }),
  );
  return seen;
}

/** A store on a disk that never fails, for the suites that every store passes. Its time passes as fast as it can until it is closed. */
export function openOnSimulatedDisk<Store>(schema: StoreSchema, storeOn: (engine: SqliteEngine) => Store): Store {
  const { open, pass } = createStoreWorld(schema);
  const { engine } = open();
  let isOver = false;
  void pass(Number.POSITIVE_INFINITY, () => isOver);
  return storeOn({
    ...engine,
    get writable() {
      return engine.writable;
    },
    close: async () => {
      await engine.close();
      isOver = true;
    },
  });
}
