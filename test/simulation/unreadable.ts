import { StorageUnavailableError } from "../../src/kernel/write.ts";
import type { Process } from "./schedule.ts";
import type { Stage } from "./stage.ts";

/** What is read has failed, and nothing else: whoever asked is told so, or looks again. */
export const isUnreadable = (error: unknown): boolean => error instanceof StorageUnavailableError;

/** A process that cannot read its store when it starts serves nothing: it says so and ends, as `concord serve` does, and is started again. */
export function endOfStart(stage: Stage, process: Process, error: unknown, end: () => void): void {
  if (!isUnreadable(error)) stage.onFailure(error);
  if (!isUnreadable(error) || !process.alive) return;
  stage.tally.count("starts without a store that can be read");
  stage.say(`${process.name} cannot read its store, and ends`);
  end();
}
