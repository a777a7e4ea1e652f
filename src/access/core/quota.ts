import type { DurationMs } from "../../kernel/time.ts";
import type { Patterns } from "./scope.ts";

/** How much each of some principals may have, for itself. Undefined: as much as there is for all. */
export type QuotaSetting = {
  readonly principals: Patterns;
  /** Unary calls under way. */
  readonly calls: number | undefined;
  /** Watches, sessions and long polls that are open. */
  readonly streams: number | undefined;
  /** Calls and streams that begin in a second, in the long run; and at once. */
  readonly rate: number | undefined;
  readonly burst: number;
  /** Of requests that come in a second, in the long run; as many may come at once. */
  readonly bytesPerSecond: number | undefined;
  /** Of those that it has created, how many there may be: what cannot be used up by calling often, nor comes back by waiting. */
  readonly rules: number | undefined;
  readonly workflows: number | undefined;
};

/** What is counted where it is kept. */
export type Kept = "rules" | "workflows";

/** What a principal has used. */
export type Usage = {
  calls: number;
  streams: number;
  /** How many calls it may begin at once, as of then; of bytes, it may be below zero: a request is known when it has come. */
  readonly rate: Bucket;
  readonly bytes: Bucket;
};

type Bucket = { level: number; atMs: DurationMs };

/** What there is no more of. */
export type Excess = {
  readonly what: "calls" | "streams" | "rate" | "bytes";
  readonly limit: number;
  readonly retryAfterMs: DurationMs;
};

export const unused = ({ burst, bytesPerSecond = 0 }: QuotaSetting, atMs: DurationMs): Usage => ({
  calls: 0,
  streams: 0,
  rate: { level: burst, atMs },
  bytes: { level: bytesPerSecond, atMs },
});

/** A call that others' ends make room for: nobody knows when. */
const soonMs: DurationMs = 500;

/** What keeps one more call from beginning. Undefined: it has begun, and counts. */
export function begin(usage: Usage, setting: QuotaSetting, kind: "calls" | "streams", nowMs: DurationMs): Excess | undefined {
  const { [kind]: limit = Number.POSITIVE_INFINITY } = setting;
  if (usage[kind] >= limit) return { what: kind, limit, retryAfterMs: soonMs };
  const excess = draw(usage, setting, nowMs);
  if (excess === undefined) usage[kind] += 1;
  return excess;
}

/** The same of what is asked within a stream, which counts by itself. */
export function draw(usage: Usage, { rate, burst, bytesPerSecond }: QuotaSetting, nowMs: DurationMs): Excess | undefined {
  if (bytesPerSecond !== undefined) {
    fill(usage.bytes, bytesPerSecond, bytesPerSecond, nowMs);
    if (usage.bytes.level <= 0)
      return { what: "bytes", limit: bytesPerSecond, retryAfterMs: msUntil(usage.bytes, 1, bytesPerSecond) };
  }
  if (rate !== undefined) {
    fill(usage.rate, rate, burst, nowMs);
    if (usage.rate.level < 1) return { what: "rate", limit: rate, retryAfterMs: msUntil(usage.rate, 1, rate) };
    usage.rate.level -= 1;
  }
  return undefined;
}

/** Whether what it has used is forgotten, as far as it counts. */
export function isIdle(usage: Usage, setting: QuotaSetting, nowMs: DurationMs): boolean {
  const { rate = 0, burst, bytesPerSecond = 0 } = setting;
  fill(usage.rate, rate, burst, nowMs);
  fill(usage.bytes, bytesPerSecond, bytesPerSecond, nowMs);
  const isFull = (setting.rate === undefined || usage.rate.level >= burst) && usage.bytes.level >= bytesPerSecond;
  return usage.calls === 0 && usage.streams === 0 && isFull;
}

function fill(bucket: Bucket, perSecond: number, most: number, nowMs: DurationMs): void {
  bucket.level = Math.min(most, bucket.level + ((nowMs - bucket.atMs) * perSecond) / 1_000);
  bucket.atMs = nowMs;
}

const msUntil = ({ level }: Bucket, wanted: number, perSecond: number): DurationMs => ((wanted - level) * 1_000) / perSecond;
