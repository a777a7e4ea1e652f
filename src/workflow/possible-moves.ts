import type { WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import { isTerminal } from "../kernel/lifecycle.ts";
import type { Proved } from "../kernel/principal.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Attempts, barredFrom, missing, unjudged } from "./attempt.ts";
import { type RecoveryRefusal, recoveryRefusal } from "./core/recovery.ts";
import type { Workflow } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { Asker, JudgedMoves } from "./ports.ts";

export type PossibleMovesQuestion = {
  readonly workflowId: WorkflowId;
  readonly reason: string;
  readonly requestedBy: string;
  readonly context: JsonObject;
} & Proved;

/** `judged` undefined: it is in a terminal state, or held, and no move can be made. */
export type PossibleMoves = {
  readonly workflow: Workflow;
  readonly judged: JudgedMoves | undefined;
  /** Why it cannot be recovered, whatever the rules say. */
  readonly recoveryRefusal?: RecoveryRefusal | undefined;
};

/** What a workflow may do next, as it is now. */
export async function possibleMoves(
  { store, predicates, environment }: Attempts,
  { workflowId, ...asked }: PossibleMovesQuestion,
  asker: Asker,
): Promise<Result<PossibleMoves, ManagerError>> {
  const found = await store.getWithLastEvent(workflowId);
  if (found === undefined) return err(await missing(store, workflowId, asker));
  const { workflow, lastEvent } = found;
  const barred = barredFrom(workflow, asker);
  if (barred !== undefined) return err(barred);
  if (isTerminal(workflow.state) || workflow.hold !== undefined) return ok({ workflow, judged: undefined });
  const question = { ...asked, workflow, lastEvent, transaction: undefined, atMs: environment.nowMs() };
  const judged = await predicates.checkMoves(question, asker);
  if (!judged.ok) return err(unjudged(judged.error, workflowId));
  const { recovery } = environment.termsOf(workflow.type);
  const refusal = recoveryRefusal(workflow, "ACTIVE", recovery, question.atMs);
  return ok({ workflow, judged: judged.value, recoveryRefusal: refusal });
}
