import type { Process } from "./schedule.ts";
import type { SqliteDisk } from "./sqlite-disk.ts";
import type { Stage } from "./stage.ts";

// What can happen to any process. Nothing, if there is none.

/** SIGSTOP, and SIGCONT after a while. */
export function stopProcess({ dice, say }: Stage, process: Process | undefined, forMsMax = 30_000): void {
  const forMs = dice.between(100, forMsMax);
  process?.stop(forMs);
  say(`${process?.name ?? "nobody"} is stopped for ${forMs} ms`);
}

/** For a while nothing can be written. */
export function fillDisk({ dice, say }: Stage, disk: Pick<SqliteDisk, "path" | "fill">): void {
  const forMs = dice.between(1_000, 40_000);
  disk.fill(forMs);
  say(`the disk of ${disk.path} is full for ${forMs} ms`);
}

export function setClock({ dice, say }: Stage, process: Process | undefined): void {
  const byMs = dice.between(-90_000, 90_000);
  process?.setClock(byMs);
  say(`${process?.name ?? "nobody"}'s clock is set by ${byMs} ms`);
}
