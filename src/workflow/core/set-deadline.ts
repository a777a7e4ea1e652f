import type { Proved } from "../../kernel/principal.ts";
import { type Deadline, deadlineActor, deadlineIn, type WantedDeadline } from "./deadline.ts";
import { changeInPlace } from "./in-place.ts";
import { noTerms } from "./policy.ts";
import type { Change, Stamp } from "./step.ts";
import type { Workflow } from "./types.ts";

type WantedChange = {
  /** Undefined: the one that there is shall be cancelled. */
  readonly wanted: WantedDeadline | undefined;
  readonly reason: string;
  readonly requestedBy: string;
} & Proved;

/** Sets, changes or cancels the deadline of a workflow's state. specs/WorkflowManager.tla: EventsFor, of a deadline. */
export function setDeadline(workflow: Workflow, { wanted, ...asked }: WantedChange, stamp: Stamp): Change {
  // What the policy says was set when the state began; here it is overruled.
  const deadline: Deadline | undefined = deadlineIn(workflow, wanted, noTerms, { ...stamp, requestedBy: asked.requestedBy });
  return changeInPlace(workflow, { deadline }, { ...asked, type: "DEADLINE_SET", ...(deadline && { deadline }) }, stamp);
}

/** Drops a deadline whose move can never be made: `why` says what forbids it. specs/WorkflowManager.tla: TimerActs. */
export function refuseDeadline(
  workflow: Workflow,
  { why, ruleSetRevision }: { readonly why: string; readonly ruleSetRevision: number },
  stamp: Stamp,
): Change {
  return changeInPlace(
    workflow,
    { deadline: undefined },
    { type: "DEADLINE_REFUSED", reason: why, requestedBy: deadlineActor, authenticatedAs: deadlineActor, ruleSetRevision },
    stamp,
  );
}
