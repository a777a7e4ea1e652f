import type { WorkflowState } from "../../../src/kernel/lifecycle.ts";
import type { NewWorkflowEvent, Workflow } from "../../../src/workflow/core/types.ts";
import type { WorkflowBatch } from "../../../src/workflow/ports.ts";
import { allows } from "./rules.ts";

/** What a check says of what it looks at: what is wrong, under the name that specs/WorkflowManager.tla gives it. */
export type Demand = (holds: boolean, invariant: string, detail: string) => void;

/** The nine moves, said once more. */
const lifecycle: ReadonlySet<string> = new Set(
  ["CREATED>ACTIVE", "ACTIVE>PAUSED", "ACTIVE>COMPLETED", "ACTIVE>FAILED", "ACTIVE>CANCELLED"].concat([
    "PAUSED>ACTIVE",
    "PAUSED>CANCELLED",
    "FAILED>ACTIVE",
    "FAILED>CANCELLED",
  ]),
);

const terminal: ReadonlySet<WorkflowState> = new Set(["COMPLETED", "CANCELLED"]);

/** Who makes the move of a deadline. */
export const timer = "system:deadline";

export type Put = {
  readonly before: Workflow | undefined;
  readonly after: Workflow;
  readonly events: readonly NewWorkflowEvent[];
  readonly batch: WorkflowBatch;
};

export type Rules = {
  /** Those that were active at this revision; nothing, if there was none. */
  at(revision: number): readonly string[] | undefined;
};

/** One workflow over one write, against all that must hold of any. */
export function checkPut(demand: Demand, { before, after, events, batch }: Put, rules: Rules): void {
  const { id } = after;
  const last = events.at(-1);
  demand(
    before === undefined || !terminal.has(before.state),
    "TerminalStateImmutability",
    `${id} is ${before?.state}, and changed`,
  );
  demand(
    last === undefined || last.toState === after.state,
    "StateConsistency",
    `${id} is ${after.state} after ${last?.toState}`,
  );
  demand(
    after.version === (before?.version ?? 0) + events.length,
    "EventPerChange",
    `${id} goes from version ${before?.version ?? 0} to ${after.version} with ${events.length} events`,
  );
  if (last === undefined && before !== undefined) checkSame(demand, before, after);
  checkHold(demand, { before, after, events, batch });
  let state = before?.state;
  let version = before?.version ?? 0;
  let retries = before?.retryCount ?? 0;
  for (const event of events) {
    version += 1;
    demand(event.version === version, "VersionMonotonicity", `${id}: the event of version ${version} names ${event.version}`);
    demand(event.fromState === state, "StateConsistency", `${id} is ${state}, and an event says ${event.fromState}`);
    const isMove = event.type !== "CREATED" && event.toState !== state;
    const isInPlace = ["UPDATED", "DEADLINE_SET", "DEADLINE_REFUSED"].includes(event.type);
    demand(
      event.type === "CREATED" ? state === undefined && event.toState === "CREATED" : isMove !== isInPlace,
      "EventPerChange",
      `${id}: an event ${event.type} from ${state} to ${event.toState}`,
    );
    if (isMove) {
      const move = `${state}>${event.toState}`;
      demand(lifecycle.has(move), "TransitionValidity", `${id}: ${move}`);
      if (move === "FAILED>ACTIVE") retries += 1;
      checkRules(demand, event, before?.metadata ?? after.metadata, before?.retryCount ?? 0, rules);
    }
    demand(event.retryCount === retries, "RecoverySessionValidity", `${id}: ${event.retryCount} recoveries, not ${retries}`);
    state = event.toState;
  }
  demand(after.retryCount === retries, "RecoverySessionValidity", `${id}: ${after.retryCount} recoveries, not ${retries}`);
}

/** The rules of the revision that an event names have allowed it, as the workflow was when it was written. */
function checkRules(
  demand: Demand,
  { workflowId, ruleSetRevision, toState, reason }: NewWorkflowEvent,
  metadata: Workflow["metadata"],
  retryCount: number,
  rules: Rules,
): void {
  const active = rules.at(ruleSetRevision);
  demand(active !== undefined, "PredicateLogicDependency", `${workflowId}: there is no revision ${ruleSetRevision}`);
  demand(
    active === undefined || allows(active, { metadata, retryCount, to: toState, reason }),
    "PredicateLogicDependency",
    `${workflowId} goes to ${toState}, which revision ${ruleSetRevision} [${active?.join(" ")}] forbids`,
  );
}

/** A hold begins where there is none, stays as it is, and ends with its transaction: by its move, or by nothing. */
function checkHold(demand: Demand, { before, after, events, batch }: Put): void {
  const { id, hold } = after;
  const held = before?.hold;
  if (held === undefined) {
    demand(
      events.every(({ transactionId }) => transactionId === undefined),
      "HoldKept",
      `${id} is moved by whom it is not held`,
    );
    demand(hold === undefined || events.length === 0, "HoldKept", `${id} is moved and held at once`);
    demand(hold === undefined || lifecycle.has(`${after.state}>${hold.move.targetState}`), "TransitionValidity", `${id}: a hold`);
    return;
  }
  if (hold !== undefined) {
    demand(events.length === 0 && JSON.stringify(hold) === JSON.stringify(held), "HoldKept", `${id}: its hold is another one`);
    return;
  }
  const { outcome } = batch;
  demand(outcome?.transactionId === held.transactionId, "HoldKept", `${id}: the hold of ${held.transactionId} is gone`);
  const [event, ...others] = events;
  if (outcome?.outcome === "aborted") demand(event === undefined, "NoEventFromAborted", `${id} is moved by an abort`);
  if (outcome?.outcome !== "committed") return;
  const isItsMove =
    event?.transactionId === held.transactionId &&
    event.toState === held.move.targetState &&
    event.ruleSetRevision === held.ruleSetRevision &&
    event.requestedBy === held.move.requestedBy;
  demand(isItsMove && others.length === 0, "HoldKept", `${id}: ${held.transactionId} commits another move than it has held`);
}

function checkSame(demand: Demand, before: Workflow, after: Workflow): void {
  const rest = ({ hold: _, metadata: __, ...others }: Workflow): string => JSON.stringify(others);
  demand(rest(before) === rest(after), "EventPerChange", `${after.id} is changed without an event`);
}
