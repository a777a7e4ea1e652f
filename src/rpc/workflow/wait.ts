import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import type { Result } from "../../kernel/result.ts";
import { missing } from "../../workflow/attempt.ts";
import type { ManagerError } from "../../workflow/errors.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import { type Waited, waitForWorkflow, waitMsMax } from "../../workflow/wait.ts";
import type { Watch } from "../../workflow/watch.ts";
import type { RpcContext } from "../context.ts";
import { eventToWire, stateFromWire, workflowToWire } from "../convert-workflow.ts";
import { durationMs } from "../duration.ts";
import { withPatience } from "../patience.ts";
import { workflowError } from "../workflow-errors.ts";

export function createWaitHandlers({
  store,
  watch,
  clock,
}: {
  readonly store: WorkflowStore;
  readonly watch: Watch;
  readonly clock: Clock;
}): Pick<WorkflowServiceImplementation<RpcContext>, "waitForWorkflow"> {
  /** The time is over: as it is now. */
  async function look(workflowId: WorkflowId, context: RpcContext): Promise<Result<Waited, ManagerError>> {
    const workflow = await store.get(workflowId);
    return workflow === undefined
      ? { ok: false, error: await missing(store, workflowId, context) }
      : { ok: true, value: { workflow, isReached: false, event: undefined } };
  }

  return {
    async waitForWorkflow(request, context) {
      const workflowId = request.workflowId as WorkflowId;
      const wanted = {
        workflowId,
        guard: context.guard,
        states: request.states.flatMap((state, index) => stateFromWire(state, `states[${index}]`) ?? []),
        minVersion: request.minVersion === undefined ? undefined : Number(request.minVersion),
      };
      const waited = await withPatience(
        context,
        clock,
        durationMs(request.timeout) ?? waitMsMax,
        async ({ signal }): Promise<Result<Waited, ManagerError>> => {
          try {
            return await waitForWorkflow({ store, watch }, wanted, signal);
          } catch (error) {
            if (!signal.aborted) throw error;
            // Else the caller has left, or the server leaves, which its own signal says.
            context.signal.throwIfAborted();
            return look(workflowId, context);
          }
        },
      );
      if (!waited.ok) throw workflowError(waited.error, request);
      const { workflow, isReached: reached, event } = waited.value;
      return { workflow: workflowToWire(workflow), reached, event: event && eventToWire(event) };
    },
  };
}
