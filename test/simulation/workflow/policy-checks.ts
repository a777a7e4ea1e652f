import { policyActor } from "../../../src/workflow/core/deadline.ts";
import { noTerms, type PolicyTerms } from "../../../src/workflow/core/policy.ts";
import type { NewWorkflowEvent, Workflow } from "../../../src/workflow/core/types.ts";
import type { Demand } from "./change-checks.ts";
import type { Request } from "./clients.ts";

/** The policies of a store's one type, as they became durable. */
export type PolicyBook = {
  onPolicy(terms: PolicyTerms | undefined): void;
  /** The caller of the last change is answered. */
  onAnswer(): void;
  /** Of the one that was answered last. */
  readonly answered: number;
  /** Those that may be looked to by whoever was asked when that one was answered; by whoever was asked by nobody, those of a while. */
  since(answered: number | undefined): readonly PolicyTerms[];
};

/** What was judged by one that is not there any more is written by then, however slow the disk is. */
const whileMs = 5 * 60_000;

export function createPolicyBook(nowMs: () => number): PolicyBook {
  const policies: { readonly terms: PolicyTerms; untilMs: number }[] = [{ terms: noTerms, untilMs: Number.POSITIVE_INFINITY }];
  let answered = 0;
  return {
    onPolicy(terms = noTerms) {
      const last = policies.at(-1);
      if (last) last.untilMs = nowMs();
      policies.push({ terms, untilMs: Number.POSITIVE_INFINITY });
    },
    onAnswer() {
      answered = policies.length - 1;
    },
    get answered() {
      return answered;
    },
    since(index) {
      const these = index === undefined ? policies.filter(({ untilMs }) => untilMs > nowMs() - whileMs) : policies.slice(index);
      return these.map(({ terms }) => terms);
    },
  };
}

type Changed = {
  readonly before: Workflow | undefined;
  readonly after: Workflow;
  readonly events: readonly NewWorkflowEvent[];
  /** The latest time that the manager has read off its clock. */
  readonly latestMs: number;
};

/** What a workflow has of the policy of its type, and of who has set it a deadline, is what one of these says. */
export function checkTerms(
  demand: Demand,
  { before, after, events, latestMs }: Changed,
  request: Request | undefined,
  policies: readonly PolicyTerms[],
): void {
  let { state, deadline } = before ?? { state: undefined, deadline: undefined };
  let recoverableAtMs = before?.recoverableAtMs;
  let retries = before?.retryCount ?? 0;
  for (const event of events) {
    const { workflowId: id, type, toState } = event;
    const enters = state !== toState;
    // What is created in a later state has left CREATED before a deadline could count there.
    const stays = event === events.at(-1);
    if (enters && stays) checkEntered(demand, event, request, policies);
    if (enters || type === "DEADLINE_SET") deadline = event.deadline;
    if (type === "DEADLINE_REFUSED") deadline = undefined;
    if (type === "RECOVERED") {
      const mayRecover = policies.some(({ recovery }) => retries < (recovery?.maxAttempts ?? Number.POSITIVE_INFINITY));
      demand(mayRecover, "RecoveryHonest", `${id} is recovered after ${retries} recoveries, which no policy allows`);
      demand((recoverableAtMs ?? 0) <= latestMs, "RecoveryHonest", `${id} is recovered too early`);
      retries += 1;
    }
    if (enters) recoverableAtMs = toState === "FAILED" ? after.recoverableAtMs : undefined;
    state = toState;
  }
  const { id } = after;
  demand(JSON.stringify(after.deadline) === JSON.stringify(deadline), "DeadlineHonest", `${id}: its deadline is not its events'`);
  demand(after.recoverableAtMs === recoverableAtMs, "RecoveryHonest", `${id}: it may be recovered at another time`);
  const hasFailed = events.some(({ toState }) => toState === "FAILED") && before?.state !== "FAILED";
  if (!hasFailed) return;
  const isOfOne = policies.some(
    ({ recovery }) => (recovery?.initialBackoffMs ?? 0) > 0 === (after.recoverableAtMs !== undefined),
  );
  demand(
    isOfOne,
    "RecoveryHonest",
    `${id} has failed, and may be recovered ${after.recoverableAtMs === undefined ? "" : "not "}at once`,
  );
}

/** Whoever brings a workflow into a state may set it a deadline; otherwise its policy does. */
function checkEntered(
  demand: Demand,
  { workflowId, toState, deadline, requestedBy }: NewWorkflowEvent,
  request: Request | undefined,
  policies: readonly PolicyTerms[],
): void {
  const detail = `${workflowId} is ${toState} with ${JSON.stringify(deadline)}`;
  const wanted = request?.verb.type === "move" ? request.verb.deadlineMs : undefined;
  if (wanted !== undefined) {
    const isIts = deadline?.setBy === requestedBy && deadline.atMs === deadline.setAtMs + wanted;
    demand(isIts && deadline.targetState === "CANCELLED", "DeadlineHonest", detail);
    return;
  }
  const isOfOne = policies.some(({ deadlines }) => {
    const its = deadlines.find(({ state }) => state === toState);
    if (its === undefined || deadline === undefined) return its === deadline;
    return (
      deadline.targetState === its.targetState &&
      deadline.setBy === policyActor &&
      deadline.atMs === deadline.setAtMs + its.afterMs
    );
  });
  demand(isOfOne, "DeadlineHonest", `${detail}, which no policy says`);
}
