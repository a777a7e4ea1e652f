import type { Reader } from "../../src/storage/sqlite/connections.ts";
import type { Dice } from "./random.ts";
import type { SqliteDisk } from "./sqlite-disk.ts";
import { readErrors } from "./sqlite-faults.ts";

/**
 * What a process reads a simulated disk with. A read fails as the driver's does, and the next one need not; what a flush reads is the writer's.
 */
export function createSimulatedReader(options: {
  readonly disk: SqliteDisk;
  readonly dice: Dice;
  /** How often a read fails, now. */
  readonly failure: () => number;
  readonly onFailure: () => void;
}): Reader {
  const { disk, dice, failure, onFailure } = options;
  let isOpen = true;

  function mayFail(): void {
    // Where no read fails there is no chance either: such a world is as it would be without this.
    if (failure() === 0 || !dice.chance(failure())) return;
    onFailure();
    throw dice.pick(readErrors)();
  }

  return {
    get isOpen() {
      return isOpen;
    },
    prepare(sql) {
      const statement = disk.prepare(sql);
      const failing = {
        all(...params: Parameters<typeof statement.all>) {
          mayFail();
          return statement.all(...params);
        },
        iterate(...params: Parameters<typeof statement.iterate>) {
          mayFail();
          return statement.iterate(...params);
        },
      };
      return failing as typeof statement;
    },
    close: () => {
      isOpen = false;
    },
  };
}
