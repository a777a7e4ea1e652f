import { assert } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import {
  type Answer,
  type Attempts,
  changedAgain,
  earlierAnswer,
  judgedAndWritten,
  missing,
  rememberAnswers,
  rivalsOf,
  stampOf,
} from "./attempt.ts";
import type { Call } from "./calls.ts";
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
};

/** Sets, changes or cancels the deadline of the state that a workflow is in. Nobody is asked: the rules are when it falls due. */
export async function setDeadlineOnce(
  attempts: Attempts,
  command: DeadlineCommand,
  call: Call,
): Promise<Result<Answer, ManagerError>> {
  const { store, environment } = attempts;
  const { workflowId, request, wanted } = command;
  const earlier = await earlierAnswer(store, request);
  if (earlier !== undefined) return earlier;
  const written = await judgedAndWritten(call, {
    workflowId,
    rivals: rivalsOf(attempts, command),
    judgeNow: async (): Promise<Result<Workflow, ManagerError>> => {
      const workflow = await store.get(workflowId);
      if (workflow === undefined) return err(await missing(store, workflowId));
      const admitted = admit(workflow, command);
      if (!admitted.ok) return admitted;
      const refusal = refusalOf(admitted.value, wanted, environment.nowMs());
      return refusal === undefined ? admitted : err(refusal);
    },
    write: async (found) => {
      const { workflow, event } = setDeadline(found, command, stampOf(environment, found.type));
      const applied = await store.apply({
        puts: [{ workflow, expected: { version: found.version, heldBy: undefined } }],
        events: [event],
        ...rememberAnswers([request], environment),
      });
      if (!applied.ok) return applied;
      const [stored] = applied.value;
      assert(stored !== undefined, "EventPerChange");
      return ok({ workflow, event: stored });
    },
    whenLost: () => changedAgain(attempts, command),
  });
  if (written.ok) return written;
  // What it lost to may have been its original, whose answer is then the answer.
  const original = await earlierAnswer(store, request);
  if (original !== undefined) return original;
  assert(written.error.type !== "request-exists", "AtMostOncePerRequestId");
  return err(written.error);
}

function refusalOf(workflow: Workflow, wanted: WantedDeadline | undefined, nowMs: number): ManagerError | undefined {
  const { id: workflowId, state } = workflow;
  if (wanted === undefined) return workflow.deadline === undefined ? { type: "deadline-not-set", workflowId, state } : undefined;
  const problem = deadlineProblem(state, wanted, nowMs);
  return problem && { type: "deadline-invalid", problem };
}
