import { AssertionError } from "../../src/kernel/assert.ts";
import { ok } from "../../src/kernel/result.ts";
import { openTimesIn, type Reader } from "../../src/storage/sqlite/connections.ts";
import { createEngine } from "../../src/storage/sqlite/engine.ts";
import type { Place } from "../../src/storage/sqlite/place.ts";
import type { SqliteEngine } from "../../src/storage/sqlite/statement.ts";
import { startSimulatedWriter, type WriterOptions } from "./sqlite-writer.ts";

/**
 * The production engine of one process, on a simulated disk: queue, group commit, health, probing, age and SQL are those of `concord
 * serve`. Several processes may have one disk open, as they may the decision log.
 */
export function openSimulatedSqlite(options: WriterOptions): SqliteEngine {
  const { disk, process } = options;
  let isOpen = true;
  const reader: Reader = {
    get isOpen() {
      return isOpen;
    },
    prepare: (sql) => disk.prepare(sql),
    close: () => {
      isOpen = false;
    },
  };
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
  return createEngine(place, { reader, writer: startSimulatedWriter(options), openTimes: openTimesIn(reader) }, process.clock);
}
