import type { SqliteEngine, StoreSchema } from "../../src/storage/sqlite/statement.ts";
import { createDice } from "../simulation/random.ts";
import { createProcess, createSchedule } from "../simulation/schedule.ts";
import { createSqliteDisk } from "../simulation/sqlite-disk.ts";
import { openSimulatedSqlite } from "../simulation/sqlite-engine.ts";
import { createTally } from "../simulation/tally.ts";

/** A store on a simulated disk that never fails, for the suites that every store passes. Its time passes as fast as it can until it is closed. */
export function openOnSimulatedDisk<Store extends { close?(): Promise<void> }>(
  schema: StoreSchema,
  storeOn: (engine: SqliteEngine) => Store,
): Store {
  const schedule = createSchedule();
  const dice = createDice(1);
  const disk = createSqliteDisk({ path: schema.kind, schema, dice, nowMs: () => schedule.nowMs });
  const engine = openSimulatedSqlite({
    disk,
    process: createProcess(schedule, "p", 0),
    dice,
    faults: () => ({ flushMs: 10, failure: 0 }),
    tally: createTally(),
    say: () => {},
  });
  let isOver = false;
  void schedule.run(Number.POSITIVE_INFINITY, () => isOver);
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
