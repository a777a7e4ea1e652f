import { err, ok, type Result } from "../../kernel/result.ts";
import type { Logger } from "../logger.ts";
import { type Environment, wantedBy } from "./environment.ts";
import type { Telemetry, Teller } from "./telemetry.ts";

/**
 * What the environment asks to have exported. Undefined, if it asks for nothing: then not even the libraries are read, which take as long as the
 * rest of the start. An error: what it says is no place to export to.
 */
export async function openTelemetry(
  environment: Environment,
  teller: Teller,
  logger: Logger,
): Promise<Result<Telemetry | undefined, { readonly message: string }>> {
  const { signals, errors, problems } = wantedBy(environment);
  if (errors.length > 0) return err({ message: errors.join("\n       ") });
  for (const problem of problems) logger.warn({ problem }, "the environment asks OpenTelemetry for what is not done");
  if (signals.length === 0) return ok(undefined);
  const { exportTo } = await import("./export.ts");
  const telemetry = exportTo(environment, signals, teller, logger);
  logger.info({ signals }, "telemetry is exported");
  return ok(telemetry);
}
