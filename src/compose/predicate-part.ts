import type { Config } from "../config.ts";
import { PredicateLogicDefinition } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { ok, type Result } from "../kernel/result.ts";
import { createClosedVerdictLog } from "../predicate/closed-verdict-log.ts";
import { createEngine } from "../predicate/engine.ts";
import { createEvaluator } from "../predicate/evaluator.ts";
import { startJudgeThread } from "../predicate/judge-thread.ts";
import { createJudges } from "../predicate/judges.ts";
import type { VerdictLog } from "../predicate/ports.ts";
import { createRunTests } from "../predicate/run-tests.ts";
import { countVerdicts } from "../predicate/verdict-metrics.ts";
import { createVerdictRecorder } from "../predicate/verdict-recorder.ts";
import { createPredicateService } from "../rpc/predicate-service.ts";
import { withValidation } from "../rpc/server.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { purgeAnswers } from "../runtime/purge-answers.ts";
import { openSqliteRuleStore } from "../storage/sqlite/rule-store.ts";
import type { StoreOptions } from "../storage/sqlite/statement.ts";
import { openSqliteVerdictLog } from "../storage/sqlite/verdict-log.ts";

import { type Part, type StartFailure, storePath, type Wiring } from "./part.ts";

export async function predicatePart({
  config,
  logger,
  metrics: allMetrics,
  turns,
  loop,
  quotaOf,
  set,
}: Wiring): Promise<Result<Part, StartFailure>> {
  const opened = await openSqliteRuleStore({
    path: storePath(config, "predicate"),
    turns,
    set,
    onFlush: allMetrics.flushed("predicate"),
  });
  if (!opened.ok) return opened;
  const store = opened.value;
  const { predicate: metrics } = allMetrics;
  const judges = createJudges({
    threadCount: config.ruleThreads,
    startThread: startJudgeThread,
    clock: systemClock,
    onJudged: (tookMs) => metrics.judged("thread", tookMs),
    onReplaced: metrics.threadReplaced,
  });
  const evaluator = createEvaluator({ judges, turns, clock: systemClock, onJudged: (tookMs) => metrics.judged("loop", tookMs) });
  const runTests = createRunTests({ evaluator, turns });
  const log =
    config.verdictLog === "off"
      ? undefined
      : await openVerdictLog(config, logger, { set, onFlush: allMetrics.flushed("verdicts") });
  const recorder =
    log &&
    createVerdictRecorder({
      log,
      all: config.verdictLog === "all",
      keepInput: config.verdictLogInput === "whole",
      bytesMax: config.verdictLogMax,
      retentionMs: config.verdictLogRetention,
      // What a call leaves to be written down is not its own work.
      clock: {
        ...systemClock,
        setTimer: (delayMs, run) => systemClock.setTimer(delayMs, () => loop.run({ job: "verdicts" }, run)),
      },
      turns,
      logger,
      onDropped: metrics.verdictsDropped,
    });
  const onJudged: Parameters<typeof createEngine>[0]["onJudged"] = (checks, verdicts) => {
    countVerdicts(metrics, verdicts);
    recorder?.judged(checks, verdicts);
  };
  const engine = await loop.run({ job: "rules" }, () =>
    createEngine({ store, clock: systemClock, evaluator, runTests, turns, quota: quotaOf("rules"), onJudged }),
  );
  metrics.observe(engine.judging);
  const service = createPredicateService({ engine, turns, clock: systemClock, logger, verdicts: log && { log, evaluator } });
  const stopPurging = loop.run({ job: "purge" }, () => purgeAnswers(store, { clock: systemClock, logger }));
  return ok({
    service: {
      name: PredicateLogicDefinition.fullName,
      addTo: (server) => server.add(withValidation(PredicateLogicDefinition, loop), service),
    },
    health: store,
    close: async () => {
      stopPurging();
      await recorder?.close();
      await log?.close();
      await evaluator.close();
      await store.close();
    },
  });
}

/** Judging does not need it: one that cannot be opened is as one that cannot be written. */
async function openVerdictLog(config: Config, logger: Logger, options: Omit<StoreOptions, "path">): Promise<VerdictLog> {
  const opened = await openSqliteVerdictLog({ path: storePath(config, "verdicts"), ...options });
  if (opened.ok) return opened.value;
  const { message: cause } = opened.error;
  logger.error({ cause }, "the verdict log cannot be opened; judging goes on without it");
  return createClosedVerdictLog(cause);
}
