import type { Turns } from "../kernel/turns.ts";

/** Small pieces of work that nobody waits for, in their order: at once if there is time, else in slices. */
export type Chores = (piece: () => void) => void;

export function createChores(turns: Turns): Chores {
  const breathe = turns();
  let waiting: (() => void)[] = [];
  let isBusy = false;

  async function work(pause: Promise<void>): Promise<void> {
    isBusy = true;
    await pause;
    while (waiting.length > 0) {
      const pieces = waiting;
      waiting = [];
      for (const piece of pieces) {
        piece();
        const next = breathe();
        if (next !== undefined) await next;
      }
    }
    isBusy = false;
  }

  return (piece) => {
    const pause = isBusy ? undefined : breathe();
    if (!isBusy && pause === undefined) {
      piece();
      return;
    }
    waiting.push(piece);
    if (pause !== undefined) void work(pause);
  };
}
