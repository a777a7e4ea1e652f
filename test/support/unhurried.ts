import type { Turns } from "../../src/kernel/turns.ts";

/** Time stands still: no slice is ever used up, and what happens depends on no clock. */
export const unhurried: Turns = (signal) => () => {
  signal?.throwIfAborted();
  return undefined;
};
