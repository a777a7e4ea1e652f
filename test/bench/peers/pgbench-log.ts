import { summarize } from "../measured.ts";
import type { PeerRun, Pressure } from "./peer.ts";

/**
 * What pgbench's log of single transactions says of the time after the warm-up, which pgbench does not have. One line each: client, number,
 * duration (µs, or why it failed), script, end (s and µs).
 */
export function pgbenchRound(log: string, { warmUpMs, durationMs }: Pick<Pressure, "warmUpMs" | "durationMs">): PeerRun {
  const transactions = log
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, , micros, , seconds, rest]) => {
      const tookMs = Number(micros) / 1000;
      const endMs = Number(seconds) * 1000 + Number(rest) / 1000;
      return { startedMs: endMs - tookMs, tookMs, endMs };
    });
  const startMs = transactions.reduce((first, { startedMs }) => Math.min(first, startedMs || first), Number.POSITIVE_INFINITY);
  const beginMs = startMs + warmUpMs;
  const measured = transactions.filter(({ endMs }) => endMs >= beginMs && endMs < beginMs + durationMs);
  const succeeded = measured.filter(({ tookMs }) => !Number.isNaN(tookMs));
  return { ...summarize(succeeded, durationMs), failed: measured.length - succeeded.length, carriedOut: transactions.length };
}
