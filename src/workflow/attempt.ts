import { unreachable } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { WriteFailure } from "../kernel/write.ts";
import type { PolicyTerms } from "./core/policy.ts";
import { admit, consent, type Stamp } from "./core/step.ts";
import type { Consent, Move, Workflow, WorkflowEvent } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { Asker, PredicateClient, PredicateFailure, TransactionFacts, WorkflowConflict, WorkflowStore } from "./ports.ts";

/** A lost race is run again this often before the caller hears of it; in each, somebody else has made progress. */
export const raceCountMax = 16;

/** A workflow after a change, and the event that records it. */
export type Answer = { readonly workflow: Workflow; readonly event: WorkflowEvent };

export type MoveCommand = {
  readonly workflowId: WorkflowId;
  readonly expectedVersion: number | undefined;
  /** RecoverWorkflow: refuse a workflow that is not FAILED. */
  readonly mustRecover: boolean;
  readonly context: JsonObject;
  readonly move: Move;
};

/** Time, identity and policies come from outside, so that a test can decide them. */
export type Environment = {
  nowMs(): TimeMs;
  newId(): string;
  /** What holds for workflows of this type. Known before it is needed: a change of a workflow asks without waiting. */
  termsOf(workflowType: string): PolicyTerms;
};

export type Attempts = {
  readonly store: WorkflowStore;
  readonly predicates: PredicateClient;
  readonly environment: Environment;
};

/** A workflow for which a move is allowed. */
export type Judged = { readonly workflow: Workflow; readonly consent: Consent };

/** All checks of a move, in the agreed order, on the workflow as it is now. No lock is held while the engine is asked. */
export async function judge(
  { store, predicates, environment }: Attempts,
  command: MoveCommand,
  transaction: TransactionFacts | undefined,
  asker: Asker,
): Promise<Result<Judged, ManagerError>> {
  const { workflowId, mustRecover, context } = command;
  const { targetState, reason, requestedBy } = command.move;
  const found = await store.getWithLastEvent(workflowId);
  if (found === undefined) return err(await missing(store, workflowId));
  const admitted = admit(found.workflow, command);
  if (!admitted.ok) return admitted;
  const workflow = admitted.value;
  const { lastEvent } = found;
  const check = { workflow, lastEvent, targetState, reason, requestedBy, context, transaction, atMs: environment.nowMs() };
  const verdict = await predicates.check(check, asker);
  if (!verdict.ok) return err(unjudged(verdict.error, workflowId));
  // As of now: to be asked may have taken a while.
  const consented = consent(workflow, { targetState, mustRecover }, verdict.value, {
    nowMs: environment.nowMs(),
    terms: environment.termsOf(workflow.type),
  });
  return consented.ok ? ok({ workflow, consent: consented.value }) : consented;
}

/** Why there is no such workflow. */
export async function missing(store: WorkflowStore, workflowId: WorkflowId): Promise<ManagerError> {
  const purgedAtMs = await store.purgedAtMs(workflowId);
  return purgedAtMs === undefined
    ? { type: "workflow-not-found", workflowId }
    : { type: "workflow-purged", workflowId, purgedAtMs };
}

/** An engine that does not answer has not consented. */
export function unjudged(failure: PredicateFailure, workflowId: WorkflowId): ManagerError {
  switch (failure.type) {
    case "overloaded":
      return { ...failure, type: "predicate-logic-overloaded", workflowId };
    case "refused":
      return { ...failure, type: "predicate-logic-refused", workflowId };
    case "unavailable":
      return { ...failure, type: "predicate-logic-unavailable", workflowId };
    default:
      return unreachable(failure);
  }
}

type Write<Subject, T> = (judged: Subject) => Promise<Result<T, WriteFailure<WorkflowConflict>>>;

/** Judges a move, and writes it. */
export const judgeAndWrite = <T>(
  attempts: Attempts,
  command: MoveCommand,
  transaction: TransactionFacts | undefined,
  asker: Asker,
  write: Write<Judged, T>,
) => judgedAndWritten(attempts, command, asker, () => judge(attempts, command, transaction, asker), write);

/** Judges and writes, again and again until the write still meets the workflow that was judged. Writes nothing once nobody waits. */
export async function judgedAndWritten<Subject, T>(
  attempts: Pick<Attempts, "store">,
  command: Pick<MoveCommand, "workflowId" | "expectedVersion">,
  asker: Asker,
  judgeNow: () => Promise<Result<Subject, ManagerError>>,
  write: Write<Subject, T>,
): Promise<Result<T, ManagerError | { readonly type: "request-exists" }>> {
  for (let race = 0; race < raceCountMax; race += 1) {
    const judged = await judgeNow();
    if (!judged.ok) return judged;
    if (asker.signal.aborted) return err({ type: "outcome-pending", workflowId: command.workflowId, transactionId: undefined });
    const written = await write(judged.value);
    if (written.ok) return written;
    if (written.error.type === "storage-unavailable") return err(written.error);
    if (written.error.conflict.type === "request-exists") return err({ type: "request-exists" });
  }
  const { workflowId, expectedVersion } = command;
  const current = await attempts.store.get(workflowId);
  return current === undefined
    ? err(await missing(attempts.store, workflowId))
    : err({ type: "version-mismatch", workflowId, expectedVersion, currentVersion: current.version });
}

/** The first answer to a request that was answered before; a misuse of its id is an answer too. */
export async function earlierAnswer(
  store: WorkflowStore,
  request: RequestKey | undefined,
): Promise<Result<Answer, ManagerError> | undefined> {
  if (request === undefined) return undefined;
  const stored = await store.answer(request.id);
  if (stored === undefined) return undefined;
  // A digest tells methods apart, so the other condition is never the only one.
  if (stored.digest !== request.digest || !("workflow" in stored)) {
    return err({ type: "request-id-reused", requestId: request.id });
  }
  return ok({ workflow: stored.workflow, event: stored.event });
}

export function stampOf(environment: Environment, workflowType: string): Stamp {
  return { nowMs: environment.nowMs(), eventId: environment.newId(), terms: environment.termsOf(workflowType) };
}

/** The part of a batch that remembers the answer, if the request has an id. */
export function rememberAnswer(request: RequestKey | undefined, environment: Environment) {
  return request === undefined ? {} : { request: { ...request, atMs: environment.nowMs() } };
}
