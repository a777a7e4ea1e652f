import { setImmediate as immediate } from "node:timers/promises";

/** Resolves in a later turn of the event loop, one waiter a turn, in the order in which they asked: calls with much to do take turns. */
export function createTurns(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => immediate());
    return last;
  };
}
