import type { WorkflowId } from "../kernel/ids.ts";
import type { Proved } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Answer, type Attempts, barredFrom, missing } from "./attempt.ts";
import type { Call } from "./calls.ts";
import { changeOnce } from "./change-once.ts";
import { deadlineProblem, type WantedDeadline } from "./core/deadline.ts";
import { setDeadline } from "./core/set-deadline.ts";
import { admit } from "./core/step.ts";
import type { Workflow } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";

export type DeadlineCommand = {
  readonly workflowId: WorkflowId;
  readonly expectedVersion: number | undefined;
  /** Undefined: the one that there is shall be cancelled. */
  readonly wanted: WantedDeadline | undefined;
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
} & Proved;

/** Sets, changes or cancels the deadline of the state that a workflow is in. Nobody is asked: the rules are when it falls due. */
export function setDeadlineOnce(attempts: Attempts, command: DeadlineCommand, call: Call): Promise<Result<Answer, ManagerError>> {
  const { store, environment } = attempts;
  const { workflowId, wanted } = command;
  return changeOnce(attempts, command, call, {
    judgeNow: async () => {
      const workflow = await store.get(workflowId);
      if (workflow === undefined) return err(await missing(store, workflowId, call));
      const barred = barredFrom(workflow, call);
      if (barred !== undefined) return err(barred);
      const admitted = admit(workflow, command);
      if (!admitted.ok) return admitted;
      const refusal = refusalOf(workflow, wanted, environment.nowMs());
      return refusal === undefined ? ok({ workflow }) : err(refusal);
    },
    change: ({ workflow }, stamp) => setDeadline(workflow, command, stamp),
  });
}

function refusalOf(workflow: Workflow, wanted: WantedDeadline | undefined, nowMs: number): ManagerError | undefined {
  const { id: workflowId, state } = workflow;
  if (wanted === undefined) return workflow.deadline === undefined ? { type: "deadline-not-set", workflowId, state } : undefined;
  const problem = deadlineProblem(state, wanted, nowMs);
  return problem && { type: "deadline-invalid", problem };
}
