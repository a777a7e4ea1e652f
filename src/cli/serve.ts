import { Command } from "commander";
import { startConcord } from "../compose.ts";
import type { Config } from "../config.ts";
import { takeGrpcLog } from "../rpc/grpc-log.ts";
import { createLogger, type Logger } from "../runtime/logger.ts";
import { CommandError } from "./failure.ts";
import { addSettingOptions, readConfig } from "./settings.ts";

export function serveCommand(): Command {
  const command = new Command("serve").description("serve WorkflowService, PredicateLogic and TwoPhaseCommit");
  return addSettingOptions(command).action(async (flags: Readonly<Record<string, unknown>>) => {
    const { config } = readConfig(flags);
    const logger = loggerOf(config);
    const started = await startConcord({ config, logger });
    if (!started.ok) throw new CommandError(started.error.message);
    stopOnSignal(logger, () => started.value.stop());
  });
}

export function loggerOf({ logLevel, logFormat }: Pick<Config, "logLevel" | "logFormat">, sync = false): Logger {
  const pretty = logFormat === "pretty" || (logFormat === "auto" && process.stderr.isTTY);
  const logger = createLogger({ level: logLevel, format: pretty ? "pretty" : "json", sync });
  takeGrpcLog((text) => logger.warn({ text }, "grpc complains"));
  return logger;
}

/** `make` and `timeout` hand on a signal that the terminal has sent to everybody: one wish, told twice. */
const sameWishMs = 200;

/** The first signal stops in order, the second one at once. */
export function stopOnSignal(logger: Logger, stop: () => Promise<void>): void {
  let askedMs: number | undefined;
  const onSignal = async (signal: NodeJS.Signals) => {
    if (askedMs !== undefined && performance.now() - askedMs < sameWishMs) return;
    if (askedMs !== undefined) {
      logger.warn({ signal }, "forced to stop");
      process.exit(1);
    }
    askedMs = performance.now();
    logger.info({ signal }, "asked to stop; a second signal forces");
    await stop();
    process.exit(0);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}
