import type { TransactionId } from "../kernel/ids.ts";
import { err, ok } from "../kernel/result.ts";
import { resume, takeOver } from "./core/coordinator.ts";
import type { Step } from "./core/coordinator-step.ts";
import { isFinished, type Transaction } from "./core/types.ts";
import { createRun } from "./effects.ts";
import { momentOf } from "./environment.ts";
import { note, type Run } from "./run.ts";
import type { Found } from "./runs.ts";
import type { Shell } from "./shell.ts";
import type { Timeline } from "./timeline.ts";

/**
 * What is stored and unfinished runs from now on, if it did not yet: whoever asks for a transaction need not wait until recovery has come to
 * it. `not-found` means aborted, under presumed abort.
 */
export async function takeUp(shell: Shell, id: TransactionId): Promise<Found> {
  const { runs } = shell;
  const run = runs.byId.get(id);
  if (run) return ok({ type: "running", run });
  // Once for all who ask at the same time: a record that was read before the transaction ran to its end must not begin it anew.
  const earlier = runs.takingUp.get(id);
  if (earlier) return earlier;
  const taking = fromLog(shell, id).finally(() => runs.takingUp.delete(id));
  runs.takingUp.set(id, taking);
  return taking;
}

async function fromLog(shell: Shell, id: TransactionId): Promise<Found> {
  const { log, ownership } = shell;
  const timeline = await log.timeline(id);
  const found = await ownership.lookUp(id);
  // specs/Sessions.tla: TakeUp. What is not over is its owner's, whoever has begun it.
  if (found.ok && !isFinished(found.value)) await ownership.replacedBy();
  const { reason: end } = ownership.ended;
  if (end) return err(end);
  if (!found.ok) return found;
  const { value: transaction } = found;
  if (isFinished(transaction)) return ok({ type: "ended", transaction });
  return ok({ type: "running", run: adopt(shell, transaction, timeline) });
}

function adopt(shell: Shell, stored: Transaction, timeline: Timeline | undefined): Run {
  const { coordinatorEpoch } = shell.ownership.coordinator;
  const run = createRun(shell, stored, { timeline });
  note(shell, run, { type: "taken-over", detail: `epoch ${coordinatorEpoch}` });
  const take = coordinatorEpoch === stored.coordinatorEpoch ? resume : takeOver;
  const isTraced = shell.trace !== undefined;
  const step = (transaction: Transaction): Step =>
    take(transaction, { coordinatorEpoch, connected: shell.sessions.connected, isTraced }, momentOf(shell));
  run.mailbox.post({ step, refuse: undefined });
  return run;
}
