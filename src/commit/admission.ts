import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok } from "../kernel/result.ts";
import { type Overload, whyNotBegin } from "./budgets.ts";
import { begin, newTransaction } from "./core/coordinator.ts";
import type { Step } from "./core/coordinator-step.ts";
import type { Transaction } from "./core/types.ts";
import { createRun } from "./effects.ts";
import type { CoordinatorEnd } from "./ends.ts";
import { momentOf } from "./environment.ts";
import { type Lagging, whoLags } from "./lagging.ts";
import { note, type Run } from "./run.ts";
import { type Share, shareOf } from "./shares.ts";
import type { Shell } from "./shell.ts";
import { takeUp } from "./take-up.ts";
import type { Answer, ExecuteRequest } from "./verbs.ts";

/** With an idle timeout, its work is enlisted as it happens. */
type NewRequest = ExecuteRequest & { readonly idleTimeoutMs?: number };

/** The run of a new transaction, or what an earlier call with this request id has led to. */
export function admit(shell: Shell, request: NewRequest): Run | Answer | Promise<Run | Answer> {
  const { log, runs } = shell;
  const end = whyNothingNew(shell);
  if (end) return err(end);
  if (!log.writable) return err({ type: "storage-unavailable", transactionId: undefined });
  const { request: key } = request;
  const known = key && runs.byRequest.get(key.id);
  if (known && known.digest !== key.digest) return err({ type: "request-id-reused" });
  const refusal = known ? undefined : whyRefused(shell, request);
  if (refusal) return err(refusal);
  if (!key) return startRun(shell, request);
  const found = known?.found ?? findOrStart(shell, request, key);
  if (!known) runs.byRequest.set(key.id, { digest: key.digest, found, comingCount: 0 });
  return found;
}

const whyRefused = (shell: Shell, request: NewRequest): Overload | Lagging | undefined =>
  whyNotBegin(shell, shell.runs.undecidedCount, shareFor(shell, request), request.enlistments) ??
  whoLags(shell, shell.runs.owed, request.enlistments);

const shareFor = ({ runs }: Shell, { address }: NewRequest): Share | undefined =>
  address === undefined ? undefined : shareOf(runs.shares, address);

const whyNothingNew = ({ ownership }: Shell): CoordinatorEnd | undefined => ownership.ended.reason ?? ownership.leaving.reason;

async function findOrStart(shell: Shell, request: NewRequest, key: RequestKey): Promise<Run | Answer> {
  const { log, runs } = shell;
  const stored = await log.byRequest(key.id).catch((error: unknown) => {
    runs.byRequest.delete(key.id);
    throw error;
  });
  // While the log was asked it may have ended, and others may have begun.
  const refusal = whyNothingNew(shell) ?? (stored ? undefined : whyRefused(shell, request));
  if (!stored && !refusal) return startRun(shell, request);
  runs.byRequest.delete(key.id);
  if (refusal) return err(refusal);
  if (stored?.request?.digest !== key.digest) return err({ type: "request-id-reused" });
  const where = await takeUp(shell, stored.id);
  if (!where.ok) return where.error.type === "not-found" ? ok(stored) : err(where.error);
  return where.value.type === "running" ? where.value.run : ok(where.value.transaction);
}

function startRun(shell: Shell, { origin, ...request }: NewRequest): Run {
  const { clock, logger, metrics, sessions, changes } = shell;
  const { coordinatorEpoch } = shell.ownership.coordinator;
  const options = { ...request, id: shell.newTransactionId(), coordinatorEpoch, connected: sessions.connected };
  const first = newTransaction(options, clock.nowMs());
  const run = createRun(shell, first, { share: shareFor(shell, request), origin });
  const step = (transaction: Transaction): Step => {
    const participants = first.parts.map((part) => part.participantId);
    logger.info(
      { ...run.about, participants, requestedBy: first.requestedBy, principal: first.authenticatedAs },
      "transaction begun",
    );
    metrics.begun();
    note(shell, run, { type: "begun", detail: first.reason });
    changes.tell(first);
    return begin(transaction, momentOf(shell), shell.trace !== undefined);
  };
  run.mailbox.post({ step, refuse: undefined });
  return run;
}
