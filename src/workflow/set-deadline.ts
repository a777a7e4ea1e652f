import { assert } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Answer, type Attempts, earlierAnswer, missing, raceCountMax, rememberAnswers, stampOf } from "./attempt.ts";
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
  { store, environment }: Pick<Attempts, "store" | "environment">,
  command: DeadlineCommand,
): Promise<Result<Answer, ManagerError>> {
  const { workflowId, request, expectedVersion } = command;
  for (let race = 0; race < raceCountMax; race += 1) {
    const earlier = await earlierAnswer(store, request);
    if (earlier !== undefined) return earlier;
    const workflow = await store.get(workflowId);
    if (workflow === undefined) return err(await missing(store, workflowId));
    const admitted = admit(workflow, command);
    if (!admitted.ok) return admitted;
    const found = admitted.value;
    const refusal = refusalOf(found, command.wanted, environment.nowMs());
    if (refusal !== undefined) return err(refusal);
    const { workflow: next, event } = setDeadline(found, command, stampOf(environment, found.type));
    const applied = await store.apply({
      puts: [{ workflow: next, expected: { version: found.version, heldBy: undefined } }],
      events: [event],
      ...rememberAnswers([request], environment),
    });
    if (applied.ok) {
      const [stored] = applied.value;
      assert(stored !== undefined, "EventPerChange");
      return ok({ workflow: next, event: stored });
    }
    if (applied.error.type === "storage-unavailable") return err(applied.error);
  }
  const current = await store.get(workflowId);
  return err({ type: "version-mismatch", workflowId, expectedVersion, currentVersion: current?.version ?? 0 });
}

function refusalOf(workflow: Workflow, wanted: WantedDeadline | undefined, nowMs: number): ManagerError | undefined {
  const { id: workflowId, state } = workflow;
  if (wanted === undefined) return workflow.deadline === undefined ? { type: "deadline-not-set", workflowId, state } : undefined;
  const problem = deadlineProblem(state, wanted, nowMs);
  return problem && { type: "deadline-invalid", problem };
}
