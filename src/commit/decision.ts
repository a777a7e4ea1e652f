import { err, ok } from "../kernel/result.ts";
import { mayAbort } from "./core/types.ts";
import { type CallerEnd, type EndSignal, orEnd } from "./ends.ts";
import { post, type Run, type RunEnd, type Surroundings } from "./run.ts";
import { isAwaited, type Runs } from "./runs.ts";
import type { Answer } from "./verbs.ts";

/** The decision. A caller that leaves before it aborts the transaction, unless another waits for it too. */
export async function waitForDecision(
  surroundings: Surroundings & { readonly runs: Runs },
  run: Run,
  signal: EndSignal<CallerEnd> | undefined,
): Promise<Answer> {
  const { outcome, voteDeadlineMs } = run.view;
  const pending = err({ type: "pending", transactionId: run.view.id } as const);
  if (outcome !== undefined) return ok(run.view);
  if (!mayAbort(run.view) && voteDeadlineMs !== undefined && voteDeadlineMs <= surroundings.clock.nowMs()) return pending;
  const answered = await orEnd<Answer, RunEnd>(run.ended, (settle) => {
    const leave = (): void => {
      run.waiters.delete(settle);
      const reason =
        signal?.reason?.type === "deadline" ? "the caller's deadline has passed" : "the caller left before the decision";
      if (!isAwaited(surroundings.runs, run)) post(surroundings, run, { type: "client-abort", reason });
      settle(run.view.outcome === undefined ? pending : ok(run.view));
    };
    run.waiters.add(settle);
    if (signal?.aborted) leave();
    else signal?.addEventListener("abort", leave);
    return () => {
      run.waiters.delete(settle);
      signal?.removeEventListener("abort", leave);
    };
  });
  if ("ok" in answered) return answered;
  if (run.view.outcome !== undefined) return ok(run.view);
  if (answered.type === "shutting-down") return err({ type: "shutting-down", transactionId: run.view.id });
  return answered.type === "over" ? pending : err(answered);
}
