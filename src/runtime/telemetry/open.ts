import type { Logger } from "../logger.ts";
import { type Environment, wantedBy } from "./environment.ts";
import type { Telemetry, Teller } from "./telemetry.ts";

/**
 * What the environment asks to have exported. Undefined, if it asks for nothing: then not even the libraries are read, which take as long as the
 * rest of the start.
 */
export async function openTelemetry(environment: Environment, teller: Teller, logger: Logger): Promise<Telemetry | undefined> {
  const { signals, problems } = wantedBy(environment);
  for (const problem of problems) logger.warn({ problem }, "the environment asks OpenTelemetry for what is not done");
  if (signals.length === 0) return undefined;
  const { exportTo } = await import("./export.ts");
  const telemetry = exportTo(environment, signals, teller, logger);
  logger.info({ signals }, "telemetry is exported");
  return telemetry;
}
