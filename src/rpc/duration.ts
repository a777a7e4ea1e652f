import type { Duration } from "../gen/google/protobuf/duration.ts";
import type { DurationMs } from "../kernel/time.ts";

export function durationMs(duration: Duration | undefined): DurationMs | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

export function durationToWire(ms: DurationMs): Duration {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) };
}
