import type { ParticipantId, RequestId, TransactionId } from "../kernel/ids.ts";
import type { Result } from "../kernel/result.ts";
import type { Part, Transaction } from "./core/types.ts";
import type { CoordinatorEnd } from "./ends.ts";
import { footprint, type TransactionBytes } from "./footprint.ts";
import { createOrdered, type Ordered } from "./ordered.ts";
import { account, type Books, createBooks } from "./owed.ts";
import type { Run } from "./run.ts";
import { enterShare, leaveShare, type Shares } from "./shares.ts";
import type { Answer } from "./verbs.ts";

/** Where a transaction is: it runs, or its end is in the log. */
export type Whereabouts =
  | { readonly type: "running"; readonly run: Run }
  | { readonly type: "ended"; readonly transaction: Transaction };

export type Found = Result<Whereabouts, { readonly type: "not-found" } | CoordinatorEnd>;

export type Requested = {
  readonly digest: string;
  readonly found: Promise<Run | Answer>;
  /** Callers that are admitted and are still to wait for the decision. */
  comingCount: number;
};

/** The transactions that run here. */
export type Runs = {
  readonly byId: Map<TransactionId, Run>;
  readonly ids: Ordered<TransactionId>;
  readonly byParticipant: Map<ParticipantId, Set<Run>>;
  /** What a request id leads to, while that runs or is looked for. */
  readonly byRequest: Map<RequestId, Requested>;
  /** Looked for in the log, to be run if it is unfinished. */
  readonly takingUp: Map<TransactionId, Promise<Found>>;
  /** All that is unfinished in the log runs here. Until then, what is owed is not all known. */
  areAll: boolean;
  /** Of what they show. */
  readonly owed: Books;
  undecidedCount: number;
  /** Of these, and of their bytes. */
  readonly shares: Shares;
  /** What they take in memory, as `footprint` has it. */
  readonly bytes: TransactionBytes;
};

export const createRuns = (): Runs => ({
  byId: new Map(),
  ids: createOrdered((a, b) => (a < b ? -1 : Number(a > b))),
  byParticipant: new Map(),
  byRequest: new Map(),
  takingUp: new Map(),
  areAll: false,
  owed: createBooks(),
  undecidedCount: 0,
  shares: new Map(),
  bytes: { undecided: 0, decided: 0 },
});

export function addRun(runs: Runs, run: Run): void {
  runs.byId.set(run.core.id, run);
  runs.ids.add(run.core.id);
  account(runs.owed, undefined, run.view);
  if (run.core.outcome === undefined) runs.undecidedCount += 1;
  if (run.share) enterShare(runs.shares, run.share);
  indexParts(runs, run, run.core.parts);
}

/** What the run takes in memory now. Counted again when it is decided or has more work, and each few lines: to count costs as much as a step. */
export function charge({ bytes }: Runs, run: Run, before?: Transaction): void {
  const { view, timeline, charged, share } = run;
  const lineCount = timeline.entries.length + timeline.omitted;
  const isSame = before?.outcome === view.outcome && before?.parts.length === view.parts.length;
  if (isSame && lineCount < charged.lineCount + linesPerCount) return;
  const to = view.outcome === undefined ? "undecided" : "decided";
  run.charged = { to, bytes: footprint(view, timeline), lineCount };
  bytes[charged.to] -= charged.bytes;
  bytes[to] += run.charged.bytes;
  if (share) share.bytes += run.charged.bytes - charged.bytes;
}

const linesPerCount = 8;

/** What a participant says about its connection goes to these runs. */
export function indexParts({ byParticipant }: Runs, run: Run, parts: readonly Part[]): void {
  for (const { participantId } of parts) {
    const itsRuns = byParticipant.get(participantId) ?? new Set();
    byParticipant.set(participantId, itsRuns.add(run));
  }
}

/** True if a caller waits for the decision, or is about to. */
export function isAwaited({ byRequest }: Runs, { core, waiters }: Run): boolean {
  const requested = core.request && byRequest.get(core.request.id);
  return waiters.size > 0 || (requested?.comingCount ?? 0) > 0;
}

/** What is aborted may be tried anew, with the same request id. */
export function markDecided(runs: Runs, run: Run): void {
  const { outcome, request } = run.view;
  runs.undecidedCount -= 1;
  if (run.share) leaveShare(runs.shares, run.share, run.charged.bytes);
  run.share = undefined;
  if (outcome === "aborted" && request) runs.byRequest.delete(request.id);
}

/** Once, though two may have found the same one to forget. */
export function removeRun({ byId, ids, byParticipant, byRequest, owed, bytes }: Runs, run: Run): void {
  if (byId.get(run.core.id) !== run) return;
  run.end({ type: "over" });
  bytes[run.charged.to] -= run.charged.bytes;
  byId.delete(run.core.id);
  ids.delete(run.core.id);
  account(owed, run.view, undefined);
  if (run.core.request && run.core.outcome === "committed") byRequest.delete(run.core.request.id);
  for (const { participantId } of run.core.parts) {
    const itsRuns = byParticipant.get(participantId);
    itsRuns?.delete(run);
    if (itsRuns?.size === 0) byParticipant.delete(participantId);
  }
}
