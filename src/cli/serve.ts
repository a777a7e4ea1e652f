import { Command } from "commander";
import { startConcord } from "../compose.ts";
import type { Logger } from "../runtime/logger.ts";
import { version } from "../version.ts";
import { CommandError } from "./failure.ts";
import { openLog } from "./log.ts";
import { inLog } from "./log-format.ts";
import { addSettingOptions, readConfig } from "./settings.ts";
import { startTelemetry } from "./start-telemetry.ts";

export function serveCommand(): Command {
  const command = new Command("serve").description("serve WorkflowService, PredicateLogic and TwoPhaseCommit");
  return addSettingOptions(command).action(async (flags: Readonly<Record<string, unknown>>) => {
    const { config } = await inLog(flags["logFormat"], async () => readConfig(flags));
    const { logger, lostLines } = openLog(config);
    const telemetry = await inLog(config.logFormat, () => startTelemetry("concord", version, logger));
    const started = await inLog(config.logFormat, async () => {
      const result = await startConcord({ config, logger, lostLogLines: lostLines, telemetry });
      if (!result.ok) throw new CommandError(result.error.message);
      return result.value;
    });
    stopOnSignal(logger, async () => {
      await started.stop();
      await telemetry?.close();
    });
  });
}

/** `make` and `timeout` hand on a signal that the terminal has sent to everybody: one wish, told twice. */
const sameWishMs = 200;

type Wish = (signal: NodeJS.Signals) => void;

/** What a signal does: the first one, and each after it that is another wish. */
export function onWish({ first, again }: { readonly first: Wish; readonly again: Wish }): Wish {
  let askedMs: number | undefined;
  return (signal) => {
    if (askedMs === undefined) {
      askedMs = performance.now();
      first(signal);
    } else if (performance.now() - askedMs >= sameWishMs) again(signal);
  };
}

/** The first signal stops in order, the second one at once. */
export function stopOnSignal(logger: Logger, stop: () => Promise<void>): void {
  const onSignal = onWish({
    first: async (signal) => {
      logger.info({ signal }, "asked to stop; a second signal forces");
      await stop();
      process.exit(0);
    },
    again: (signal) => {
      logger.warn({ signal }, "forced to stop");
      process.exit(1);
    },
  });
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}
