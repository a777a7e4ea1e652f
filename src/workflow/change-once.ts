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
  rememberAnswers,
  rivalsOf,
  stampOf,
} from "./attempt.ts";
import type { Call } from "./calls.ts";
import type { Change, Stamp } from "./core/step.ts";
import type { Workflow } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";

/** Makes a change of a workflow that is no move, once for its request: judged as the workflow is then, and written if it still is so. */
export async function changeOnce<Judged extends { readonly workflow: Workflow }>(
  attempts: Attempts,
  command: {
    readonly workflowId: WorkflowId;
    readonly expectedVersion: number | undefined;
    readonly request: RequestKey | undefined;
  },
  call: Call,
  {
    judgeNow,
    change,
  }: {
    readonly judgeNow: () => Promise<Result<Judged, ManagerError>>;
    readonly change: (judged: Judged, stamp: Stamp) => Change;
  },
): Promise<Result<Answer, ManagerError>> {
  const { store, environment } = attempts;
  const { workflowId, request } = command;
  const earlier = await earlierAnswer(store, request);
  if (earlier !== undefined) return earlier;
  const written = await judgedAndWritten(call, {
    workflowId,
    rivals: rivalsOf(attempts, command),
    judgeNow,
    write: async (judged) => {
      const { type, version } = judged.workflow;
      const { workflow, event } = change(judged, stampOf(environment, type));
      const applied = await store.apply({
        puts: [{ workflow, expected: { version, heldBy: undefined } }],
        events: [event],
        ...rememberAnswers([request], environment),
      });
      if (!applied.ok) return applied;
      const [stored] = applied.value;
      assert(stored !== undefined, "EventPerChange");
      return ok({ workflow, event: stored });
    },
    whenLost: () => changedAgain(attempts, command, call),
  });
  if (written.ok) return written;
  // What it lost to may have been its original, whose answer is then the answer.
  const original = await earlierAnswer(store, request);
  if (original !== undefined) return original;
  assert(written.error.type !== "request-exists", "AtMostOncePerRequestId");
  return err(written.error);
}
