import { AssertionError } from "../../src/kernel/assert.ts";
import { ok } from "../../src/kernel/result.ts";
import { createEngine } from "../../src/storage/sqlite/engine.ts";
import type { Place } from "../../src/storage/sqlite/place.ts";
import type { SqliteEngine } from "../../src/storage/sqlite/statement.ts";
import { selectOpenTimes } from "../../src/storage/sqlite/store-age.ts";
import type { Dice } from "./random.ts";
import { createSimulatedReader } from "./sqlite-reader.ts";
import { startSimulatedWriter, type WriterOptions } from "./sqlite-writer.ts";

/**
 * The production engine of one process, on a simulated disk: queue, group commit, health, probing, age and SQL are those of `concord
 * serve`. Several processes may have one disk open, as they may the decision log.
 */
export function openSimulatedSqlite(options: WriterOptions & { readonly readDice: Dice }): SqliteEngine {
  const { disk, process, readDice, faults, tally, say } = options;
  const reader = createSimulatedReader({
    disk,
    dice: readDice,
    // A dead process hears of nothing, and must leave no trace.
    failure: () => (process.alive ? faults().unread : 0),
    onFailure() {
      tally.count(`failed reads: ${disk.path}`);
      say("a read fails");
    },
  });
  const place: Place = {
    path: disk.path,
    connect: async () => {
      throw new AssertionError("a simulated disk is never without a writer");
    },
    replace: async () => ok(startSimulatedWriter(options)),
    displaced: () => undefined,
    freeBytes: () => (disk.isFull ? 0 : Number.POSITIVE_INFINITY),
    walBytes: () => 0,
    remember: () => {},
    release: () => {},
  };
  return createEngine(
    place,
    { reader, writer: startSimulatedWriter(options), openTimes: disk.rows(selectOpenTimes) },
    process.clock,
  );
}
