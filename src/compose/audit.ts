import { type Audit, createAudit, noAudit } from "../access/audit.ts";
import { openAuditLog } from "../access/audit-log.ts";
import type { Config } from "../config.ts";
import type { Clock } from "../kernel/clock.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { systemClock } from "../runtime/clock.ts";
import { openGrowingFile } from "../runtime/growing-file.ts";
import type { Logger } from "../runtime/logger.ts";
import type { createMetrics } from "../runtime/metrics.ts";
import { version } from "../version.ts";
import type { StartFailure } from "./part.ts";

/** So long a stretch of the audit log can be made anew unseen, at the most, by who cannot change the log of the process. */
const tellMs: DurationMs = 3_600_000;

type Surroundings = {
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly metrics: Pick<ReturnType<typeof createMetrics>, "audit">;
  readonly clock?: Pick<Clock, "nowMs" | "setTimer">;
};

/** The file of `--audit-log`. Without it, nobody is told. */
export function openAudit(
  { auditLog: path }: Config,
  { logger, metrics, clock = systemClock }: Surroundings,
): Result<Audit & { readonly close: () => void }, StartFailure> {
  if (path === undefined) return ok({ ...noAudit, close: () => undefined });
  const about = { file: path };
  const opened = openAuditLog({
    open: () =>
      openGrowingFile(path, {
        onStuck(cause) {
          metrics.audit.stuck(true);
          logger.error({ ...about, cause }, "the audit log cannot be written; calls go on, and its lines wait");
        },
        onUnstuck(lost) {
          metrics.audit.stuck(false);
          logger.warn({ ...about, lost }, "the audit log can be written again");
        },
      }),
    clock,
    report: {
      torn: (torn) =>
        logger.warn(
          { ...about, ...torn },
          "the last line of the audit log was cut off; it stays as it is, and the next one says so",
        ),
      lost: metrics.audit.lost,
      moved: (problem) =>
        problem === undefined
          ? logger.info({ ...about, ...end() }, "the audit log was moved away; its chain goes on in a new file")
          : logger.error(
              { ...about, problem },
              "the audit log was moved away, and no new one can be opened; it goes on where it is",
            ),
    },
    about: { version },
  });
  if (!opened.ok) return err({ message: `audit-log: cannot use ${path}: ${opened.error.message}` });
  const { append, close, ...log } = opened.value;
  const end = () => log.end();
  const audit = createAudit({
    append(fields) {
      append(fields);
      metrics.audit.line(String(fields["event"]));
    },
    clock,
  });
  let told = end();
  logger.info({ ...about, ...told }, "the audit log goes on from here");
  let cancel = tellLater();
  /** Whoever makes the file anew up to here does not have this line. */
  function tellLater(): () => void {
    return clock.setTimer(tellMs, () => {
      if (end().sequence > told.sequence) {
        told = end();
        logger.info({ ...about, ...told }, "the audit log has come this far");
      }
      cancel = tellLater();
    });
  }
  return ok({
    ...audit,
    close() {
      cancel();
      audit.close();
      close();
      logger.info({ ...about, ...end() }, "the audit log ends here");
    },
  });
}
