import { heuristicOf, type Part, type Transaction } from "./core/types.ts";
import { withoutPayloads } from "./footprint.ts";
import { account } from "./owed.ts";
import type { Logger } from "./ports.ts";
import { note, type Run } from "./run.ts";
import { charge, markDecided } from "./runs.ts";
import type { Shell } from "./shell.ts";
import { endAnswered } from "./spans.ts";
import { detailOf } from "./timeline.ts";

/** Lets others see what the last step has done. */
export function publish(shell: Shell, run: Run): void {
  const { clock, logger, metrics, runs, changes } = shell;
  const before = run.view;
  // What is decided is sent, and kept, without its work.
  if (before.outcome === undefined && run.core.outcome !== undefined) run.core = withoutPayloads(run.core);
  const after = run.core;
  run.view = after;
  endAnswered(run);
  const { about } = run;
  logProgress(logger, about, before, after);
  if (before.phase !== after.phase) {
    const nowMs = clock.monotonicMs();
    metrics.phaseEnded(before.phase, nowMs - run.phaseSinceMs);
    run.phaseSinceMs = nowMs;
  }
  if (after.resolution && !before.resolution && after.outcome) {
    metrics.resolved(after.outcome);
    logger.warn({ ...about, decision: after.outcome, ...after.resolution }, "resolved by an operator");
  }
  for (const { participantId: participant, lost } of newlyLost(before, after)) {
    metrics.promiseLost();
    logger.error({ ...about, participant, decision: after.outcome, reason: lost?.reason }, "a promise is lost");
  }
  const isContradicted = heuristicOf(after) === "MIXED" && !after.parts.some(({ lost }) => lost);
  if (isContradicted && heuristicOf(before) !== "MIXED") {
    metrics.mixed();
    logger.error({ ...about, decision: after.outcome }, "HEURISTIC_MIXED: a participant contradicts the resolution");
  }
  if (before.outcome === undefined && after.outcome !== undefined) {
    markDecided(runs, run);
    metrics.decided(after.outcome);
    note(shell, run, { type: "decided", detail: detailOf(after.outcome.toUpperCase(), after.abortReason) });
  }
  charge(runs, run, before);
  if (before === after) return;
  account(runs.owed, before, after);
  for (const wake of [...run.watchers]) wake();
  changes.tell(after);
}

const newlyLost = (before: Transaction, { parts }: Transaction): readonly Part[] =>
  parts.filter(({ lost }, index) => lost && !before.parts[index]?.lost);

/** One line for each step of the protocol. */
function logProgress(logger: Logger, about: object, before: Transaction, after: Transaction): void {
  const { phase } = after;
  for (const [index, part] of after.parts.entries()) {
    const old = before.parts[index];
    const { participantId: participant } = part;
    if (part.vote !== undefined && part.vote !== old?.vote) {
      const tookMs = (part.votedAtMs ?? 0) - after.createdAtMs;
      logger.info({ ...about, participant, phase, vote: part.vote, reason: part.voteReason, tookMs }, "vote received");
    }
    if (part.acknowledgedAtMs !== undefined && old?.acknowledgedAtMs === undefined) {
      const tookMs = part.acknowledgedAtMs - (after.decidedAtMs ?? 0);
      logger.info({ ...about, participant, phase, decision: after.outcome, tookMs }, "decision acknowledged");
    }
  }
  if (after.outcome !== undefined && before.outcome === undefined) {
    const tookMs = (after.decidedAtMs ?? 0) - after.createdAtMs;
    logger.info({ ...about, phase, decision: after.outcome, reason: after.abortReason, tookMs }, "transaction decided");
  }
  if (phase === "COMPLETED" && before.phase !== "COMPLETED") {
    const tookMs = (after.completedAtMs ?? 0) - after.createdAtMs;
    logger.info({ ...about, phase, decision: after.outcome, tookMs }, "transaction completed");
  }
}
