import type { Logger } from "../runtime/logger.ts";
import { openTelemetry } from "../runtime/telemetry/open.ts";
import type { Telemetry } from "../runtime/telemetry/telemetry.ts";
import { UsageError } from "./failure.ts";

/** What the environment asks to have exported. Throws a `UsageError` if what it says is no place for that. */
export async function startTelemetry(serviceName: string, version: string, logger: Logger): Promise<Telemetry | undefined> {
  const telemetry = await openTelemetry(process.env, { serviceName, version }, logger);
  if (!telemetry.ok) throw new UsageError(telemetry.error.message);
  return telemetry.value;
}
