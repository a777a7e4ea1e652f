import { readFileSync } from "node:fs";
import { childrenMicrosIn, hasProc, threadOf } from "../proc.ts";
import type { Round } from "./peer.ts";

/** Microseconds of CPU that a process and all that it has started have used since their start, as Linux counts them in ticks of 10 ms. */
export function treeMicros(pid: number): number {
  if (!hasProc) return Number.NaN;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean);
    // Those that have ended are counted with it.
    const own = threadOf(stat, undefined).micros + childrenMicrosIn(stat);
    return children.reduce((sum, child) => sum + treeMicros(Number(child)), own);
  } catch {
    // It has ended since it was listed.
    return 0;
  }
}

/** `carriedOut`: by the server, before and after the measured time, too. */
export type WithoutCpu = Omit<Round, "cpuMicros"> & { readonly carriedOut: number };

export async function withCpu(pid: number, run: () => Promise<WithoutCpu>): Promise<Round> {
  const before = treeMicros(pid);
  const { carriedOut, ...round } = await run();
  return { ...round, cpuMicros: (treeMicros(pid) - before) / Math.max(1, carriedOut) };
}
