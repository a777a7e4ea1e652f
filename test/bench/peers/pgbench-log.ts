import { type Answered, summarize } from "../measured.ts";
import type { WithoutCpu } from "./cpu.ts";

/**
 * What pgbench's log of single transactions says of a part of its time: it has no warm-up of its own. One line each: client, number, duration
 * (µs, or why it failed), script, end (s and µs).
 */
export function pgbenchRound(log: string, { beginMs, endMs }: { readonly beginMs: number; readonly endMs: number }): WithoutCpu {
  const measured = log
    .trimEnd()
    .split("\n")
    .map(transactionOf)
    .filter((transaction) => transaction.endMs >= beginMs && transaction.endMs < endMs);
  const succeeded = measured.filter(({ tookMs }) => !Number.isNaN(tookMs));
  const failed = measured.length - succeeded.length;
  return { ...summarize(succeeded, endMs - beginMs), failed, carriedOut: measured.length };
}

function transactionOf(line: string): Answered & { readonly endMs: number } {
  const [, , micros, , seconds, rest] = line.split(" ").map(Number);
  const tookMs = (micros ?? Number.NaN) / 1000;
  const endMs = (seconds ?? 0) * 1000 + (rest ?? 0) / 1000;
  return { startedMs: endMs - tookMs, tookMs, endMs };
}
