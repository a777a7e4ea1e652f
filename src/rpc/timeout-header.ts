import type { IncomingHttpHeaders } from "node:http2";
import { timerMaxMs } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";

const name = "grpc-timeout";
const millisecondsByUnit: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** What eight digits of milliseconds can say. */
const writableMsMax = 1e8 - 1;

/**
 * How long the caller waits; undefined: for ever, or as long as grpc-js finds that it cannot read it. grpc-js counts a deadline in 32 bits and
 * makes one beyond them a deadline in the past. No timer can hold it either, so it is as good as none, and taken away.
 */
export function takeTimeout(headers: IncomingHttpHeaders): DurationMs | undefined {
  const timeout = headers[name];
  if (timeout === undefined) return undefined;
  const [, amount, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(String(timeout)) ?? [];
  if (amount === undefined) return undefined;
  const timeoutMs = Number(amount) * (millisecondsByUnit[unit] ?? 0);
  if (timeoutMs <= timerMaxMs) return timeoutMs;
  delete headers[name];
  return undefined;
}

/** Of a call that has waited: grpc-js counts its deadline from when it hears of it. */
export function shortenTimeout(headers: IncomingHttpHeaders, timeoutMs: DurationMs, waitedMs: DurationMs): void {
  if (timeoutMs <= writableMsMax) headers[name] = `${Math.max(1, Math.ceil(timeoutMs - waitedMs))}m`;
}
