import { Command } from "commander";
import { startConcord } from "../compose.ts";
import type { Logger } from "../runtime/logger.ts";
import { CommandError } from "./failure.ts";
import { openLog } from "./log.ts";
import { inLog } from "./log-format.ts";
import { addSettingOptions, readConfig } from "./settings.ts";

export function serveCommand(): Command {
  const command = new Command("serve").description("serve WorkflowService, PredicateLogic and TwoPhaseCommit");
  return addSettingOptions(command).action(async (flags: Readonly<Record<string, unknown>>) => {
    const { config } = await inLog(flags["logFormat"], async () => readConfig(flags));
    const { logger, lostLines } = openLog(config);
    const started = await inLog(config.logFormat, async () => {
      const result = await startConcord({ config, logger, lostLogLines: lostLines });
      if (!result.ok) throw new CommandError(result.error.message);
      return result.value;
    });
    stopOnSignal(logger, () => started.stop());
  });
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
