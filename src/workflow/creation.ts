import { assert } from "../kernel/assert.ts";
import { type CountQuota, noCountQuota } from "../kernel/count-quota.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import { isSameJson, type JsonObject } from "../kernel/json.ts";
import { type Proved, provedOf } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Answer, type Attempts, earlierAnswer, rememberAnswers, stampOf, unjudged } from "./attempt.ts";
import type { Call } from "./calls.ts";
import { deadlineProblem, type WantedDeadline } from "./core/deadline.ts";
import { noTerms } from "./core/policy.ts";
import { applyMove, type Change, consent, create } from "./core/step.ts";
import type { Move, WorkflowEvent } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { WorkflowStore } from "./ports.ts";

export type CreateCommand = {
  readonly workflowId: WorkflowId | undefined;
  readonly type: string;
  readonly metadata: JsonObject;
  readonly initialState: "CREATED" | "ACTIVE";
  readonly ifExists: "fail" | "return";
  readonly reason: string;
  readonly requestedBy: string;
  /** Of the state that it begins in. Without it, what the policy of the type says. */
  readonly deadline?: WantedDeadline;
  readonly request: RequestKey | undefined;
} & Proved;

/** `event` is the last one of the creation. `alreadyExisted`: nothing was written, and the workflow is as it is now. */
export type Created = Answer & { readonly createdEvent: WorkflowEvent; readonly alreadyExisted: boolean };

/** What of a workflow is not as a creation wants it. */
export type Difference = "type" | "metadata" | "state";

type Outcome = Result<Created, ManagerError>;

type Creating = Attempts & {
  readonly workflowCountMax: number;
  /** Of workflows that were not purged. */
  readonly quota?: CountQuota;
};

/** Creates a workflow, and starts it if that is asked for; or finds it, if it may be there. */
export async function createOnce(creating: Creating, command: CreateCommand, call: Call): Promise<Outcome> {
  const { store, environment, workflowCountMax, quota = noCountQuota } = creating;
  const { ifExists, request, authenticatedAs: principal } = command;
  const workflowId = command.workflowId ?? (environment.newId() as WorkflowId);
  const earlier = await earlierCreation(store, request);
  if (earlier !== undefined) return earlier;
  // Before the engine is asked: whoever repeats a creation needs none.
  const there = ifExists === "return" ? await existing(store, command, workflowId) : undefined;
  if (there !== undefined) return there;
  const problem = command.deadline && deadlineProblem(command.initialState, command.deadline, environment.nowMs());
  if (problem !== undefined) return err({ type: "deadline-invalid", problem });
  const changes = await judged(creating, command, workflowId, call);
  if (!changes.ok) return changes;
  const { created, last } = changes.value;
  const applied = await store.apply({
    puts: [{ workflow: last.workflow, expected: "absent" }],
    events: created === last ? [created.event] : [created.event, last.event],
    ...(principal !== undefined && { creator: { principal, countMax: quota.most(principal) } }),
    workflowCountMax,
    ...rememberAnswers([request], environment),
  });
  if (applied.ok) return ok(answerOf(last.workflow, applied.value));
  if (applied.error.type === "storage-unavailable") return err(applied.error);
  // Its original may have been written since.
  const original = await earlierCreation(store, request);
  if (original !== undefined) return original;
  const { conflict } = applied.error;
  if (conflict.type === "purged") return err({ type: "id-retired", workflowId });
  if (conflict.type === "limit") return err({ type: "workflow-limit-reached", limit: workflowCountMax });
  if (conflict.type === "creator-limit") {
    const { principal: creator, limit } = conflict;
    quota.exceeded(creator);
    return err({ type: "workflow-quota", principal: creator, limit, count: await store.countCreatedAs(creator) });
  }
  const other = ifExists === "return" ? await existing(store, command, workflowId) : undefined;
  return other ?? err({ type: "workflow-already-exists", workflowId, differences: [] });
}

/** The changes that are to be written: one, or two, of which the last is the move to ACTIVE. */
async function judged(
  { predicates, environment }: Creating,
  command: CreateCommand,
  id: WorkflowId,
  call: Call,
): Promise<Result<{ readonly created: Change; readonly last: Change }, ManagerError>> {
  const checked = await checkMetadata({ predicates }, command, id, call);
  if (!checked.ok) return checked;
  const { type, deadline, ...creation } = command;
  const stamp = stampOf(environment, type);
  const wanted = { ...creation, id, type, ruleSetRevision: checked.value };
  if (command.initialState === "CREATED") {
    const created = create(deadline === undefined ? wanted : { ...wanted, deadline }, stamp);
    return ok({ created, last: created });
  }
  // It has left CREATED before a deadline could count there.
  const created = create(wanted, { ...stamp, terms: noTerms });
  const { reason, requestedBy } = command;
  const said = { reason, requestedBy, ...provedOf(command) };
  const plain: Move = { targetState: "ACTIVE", ...said, eventMetadata: {}, request: undefined };
  const move = deadline === undefined ? plain : { ...plain, deadline };
  const { workflow, event: lastEvent } = created;
  const question = { ...move, workflow, lastEvent, context: {}, transaction: undefined, atMs: workflow.createdAtMs };
  const verdict = await predicates.check(question, call);
  if (!verdict.ok) return err(unjudged(verdict.error, id));
  if (call.signal.aborted) return err({ type: "outcome-pending", workflowId: id, transactionId: undefined });
  const consented = consent(workflow, { targetState: move.targetState, mustRecover: false }, verdict.value, stamp);
  if (!consented.ok) return consented;
  return ok({ created, last: applyMove(workflow, move, consented.value, stampOf(environment, type), undefined) });
}

/** Yields the rule-set revision with which the metadata was checked; 0: without a type, nothing can be asked of it. */
async function checkMetadata(
  { predicates }: Pick<Attempts, "predicates">,
  { type: workflowType, metadata }: CreateCommand,
  workflowId: WorkflowId,
  call: Call,
): Promise<Result<number, ManagerError>> {
  if (workflowType === "") return ok(0);
  const verdict = await predicates.checkMetadata({ workflowType, metadata }, call);
  if (!verdict.ok) return err(unjudged(verdict.error, workflowId));
  if (call.signal.aborted) return err({ type: "outcome-pending", workflowId, transactionId: undefined });
  const { violations, ruleSetRevision } = verdict.value;
  return violations.length === 0
    ? ok(ruleSetRevision)
    : err({ type: "metadata-invalid", workflowType, ruleSetRevision, violations });
}

/** The workflow that is there, if it is the one that is wanted; what is different, if it is not. Nothing, if there is none. */
async function existing(store: WorkflowStore, command: CreateCommand, workflowId: WorkflowId): Promise<Outcome | undefined> {
  const workflow = await store.get(workflowId);
  if (workflow === undefined) return undefined;
  const [event] = await eventsOf(store, workflowId, 0, 1);
  const differences: Difference[] = [];
  if (workflow.type !== command.type) differences.push("type");
  // Its metadata may have changed since; the event says with what it was created.
  if (event === undefined || !isSameJson(event.metadata, command.metadata)) differences.push("metadata");
  if (command.initialState === "ACTIVE" && workflow.state === "CREATED") differences.push("state");
  if (event === undefined || differences.length > 0) return err({ type: "workflow-already-exists", workflowId, differences });
  return ok({ workflow, event, createdEvent: event, alreadyExisted: true });
}

/** The first answer to a creation. One event of it is remembered; the other one stands beside it. */
async function earlierCreation(store: WorkflowStore, request: RequestKey | undefined): Promise<Outcome | undefined> {
  const earlier = await earlierAnswer(store, request);
  if (earlier === undefined || !earlier.ok) return earlier;
  const { workflow } = earlier.value;
  const events = await eventsOf(store, workflow.id, 0, workflow.version);
  return ok(answerOf(workflow, events.length === workflow.version ? events : [earlier.value.event]));
}

async function eventsOf(store: WorkflowStore, workflowId: WorkflowId, afterSequence: number, limit: number) {
  const ranges = { workflowId: { oneOf: [workflowId] } };
  return (await store.listEvents({ afterSequence, limit, ranges })).rows;
}

function answerOf(workflow: Created["workflow"], events: readonly WorkflowEvent[]): Created {
  const [createdEvent] = events;
  const event = events.at(-1);
  assert(createdEvent !== undefined && event !== undefined, "EventPerChange");
  return { workflow, event, createdEvent, alreadyExisted: false };
}
