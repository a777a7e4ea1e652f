import type { ParticipantId, RequestId, TransactionId } from "../kernel/ids.ts";
import type { TimeMs } from "../kernel/time.ts";
import { hasPromised, isInDoubtSomewhere, owesAck, type Part, type Transaction } from "./core/types.ts";
import type { CommitGauges } from "./metrics.ts";
import type { Run } from "./run.ts";
import type { Answer } from "./verbs.ts";

/** The transactions that run here. */
export type Runs = {
  readonly byId: Map<TransactionId, Run>;
  readonly byParticipant: Map<ParticipantId, Set<Run>>;
  /** What a request id leads to, while that runs or is looked for. */
  readonly byRequest: Map<RequestId, { readonly digest: string; readonly found: Promise<Run | Answer> }>;
  undecidedCount: number;
};

/** How far a participant lags behind. */
export type Owed = {
  /** Transactions that it has promised to commit, and whose outcome it has not acknowledged. */
  readonly inDoubt: number;
  /** Transactions that are decided, and that it should have acknowledged. */
  readonly unacknowledged: number;
  /** When the oldest of these was decided. */
  readonly oldestUnacknowledgedMs: TimeMs | undefined;
};

export const createRuns = (): Runs => ({ byId: new Map(), byParticipant: new Map(), byRequest: new Map(), undecidedCount: 0 });

export function addRun(runs: Runs, run: Run): void {
  runs.byId.set(run.core.id, run);
  if (run.core.outcome === undefined) runs.undecidedCount += 1;
  indexParts(runs, run, run.core.parts);
}

/** What a participant says about its connection goes to these runs. */
export function indexParts({ byParticipant }: Runs, run: Run, parts: readonly Part[]): void {
  for (const { participantId } of parts) {
    const itsRuns = byParticipant.get(participantId) ?? new Set();
    byParticipant.set(participantId, itsRuns.add(run));
  }
}

/** What is aborted may be tried anew, with the same request id. */
export function markDecided(runs: Runs, { outcome, request }: Transaction): void {
  runs.undecidedCount -= 1;
  if (outcome === "aborted" && request) runs.byRequest.delete(request.id);
}

export function removeRun({ byId, byParticipant, byRequest }: Runs, run: Run): void {
  run.end({ type: "over" });
  byId.delete(run.core.id);
  if (run.core.request && run.core.outcome === "committed") byRequest.delete(run.core.request.id);
  for (const { participantId } of run.core.parts) {
    const itsRuns = byParticipant.get(participantId);
    itsRuns?.delete(run);
    if (itsRuns?.size === 0) byParticipant.delete(participantId);
  }
}

export function owedBy({ byParticipant }: Runs, participantId: ParticipantId): Owed {
  let inDoubt = 0;
  let unacknowledged = 0;
  let oldestUnacknowledgedMs: TimeMs | undefined;
  for (const { view } of byParticipant.get(participantId) ?? []) {
    const part = view.parts.find((each) => each.participantId === participantId);
    if (!part) continue;
    if (hasPromised(part) && part.acknowledgedAtMs === undefined) inDoubt += 1;
    if (!owesAck(view, part)) continue;
    unacknowledged += 1;
    oldestUnacknowledgedMs = Math.min(oldestUnacknowledgedMs ?? Infinity, view.decidedAtMs ?? Infinity);
  }
  return { inDoubt, unacknowledged, oldestUnacknowledgedMs };
}

export function gaugesOf({ byId, undecidedCount }: Runs, nowMs: TimeMs): Omit<CommitGauges, "connectedParticipants"> {
  const inDoubt = [...byId.values()].filter(({ view }) => isInDoubtSomewhere(view));
  const oldestMs = inDoubt.reduce((oldest, { view }) => Math.min(oldest, view.createdAtMs), nowMs);
  return { undecided: undecidedCount, inDoubt: inDoubt.length, oldestInDoubtMs: nowMs - oldestMs };
}
