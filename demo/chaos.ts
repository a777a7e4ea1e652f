import type { Laboratory } from "./laboratory.ts";
import type { Narrator } from "./narrator.ts";
import type { DemoProcess } from "./process.ts";

export type Chaos = {
  /** Kills what is due at this share of the work, 0 to 1. */
  onProgress(share: number): void;
  /** Rejects as soon as a process does not come back. */
  readonly failure: Promise<never>;
  /** Resolves when everything was killed once, and is back. */
  finished(): Promise<void>;
};

/** SIGKILL for each process alone, and at last for all of them at once, spread evenly over the work. One at a time. */
export function createChaos({ laboratory, narrator }: { readonly laboratory: Laboratory; readonly narrator: Narrator }): Chaos {
  const kills: readonly (readonly DemoProcess[])[] = [...laboratory.processes.map((process) => [process]), laboratory.processes];
  let next = 0;
  let last: Promise<void> = Promise.resolve();
  const failure = Promise.withResolvers<never>();
  // Whether anybody waits for it or not.
  failure.promise.catch(() => {});

  async function kill(killed: readonly DemoProcess[], share: number): Promise<void> {
    const pids = killed.map(({ pid }) => pid).join(" ");
    const names = killed.length === 1 ? killed[0]?.name : `all ${killed.length} processes at once`;
    const awayMs = await laboratory.killAndRestart(killed);
    narrator.line(`${percent(share)}  kill -9 ${pids}: ${names}; back after ${(awayMs / 1000).toFixed(1)} s`);
  }

  const onProgress = (share: number): void => {
    const due = kills[next];
    if (due === undefined || share < (next + 1) / (kills.length + 1)) return;
    next += 1;
    last = last.then(() => kill(due, share));
    last.catch(failure.reject);
  };

  return {
    onProgress,
    failure: failure.promise,
    async finished() {
      while (next < kills.length) onProgress(1);
      await last;
    },
  };
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`.padStart(5);
}
