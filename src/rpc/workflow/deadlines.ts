import type { Deadline } from "../../gen/concord/workflow/v1/deadline.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import { provedBy } from "../../kernel/principal.ts";
import { barredFrom } from "../../workflow/attempt.ts";
import type { WantedDeadline } from "../../workflow/core/deadline.ts";
import type { Manager } from "../../workflow/manager.ts";
import type { RpcContext } from "../context.ts";
import { eventToWire, stateFromWire, workflowToWire } from "../convert-workflow.ts";
import { durationMs } from "../duration.ts";
import { invalidField } from "../errors.ts";
import { requestKey } from "../request-key.ts";
import { workflowError } from "../workflow-errors.ts";

/** The RPC of deadlines: proto/concord/workflow/v1/deadline.proto. */
export function createDeadlineHandlers({
  manager,
}: {
  readonly manager: Manager;
}): Pick<WorkflowServiceImplementation<RpcContext>, "setWorkflowDeadline"> {
  return {
    async setWorkflowDeadline(request, context) {
      const { expectedVersion, reason, requestedBy } = request;
      const workflowId = request.workflowId as WorkflowId;
      const wanted = deadlineFromWire(request.deadline);
      const command = {
        workflowId,
        expectedVersion: expectedVersion === undefined ? undefined : Number(expectedVersion),
        wanted,
        reason,
        requestedBy,
        ...provedBy(context.principal),
        request: requestKey("concord.workflow.v1.SetWorkflowDeadlineRequest", request, context),
      };
      const result = await manager.setDeadline(command, context);
      if (!result.ok) throw workflowError(result.error, request);
      const { workflow, event } = result.value;
      const barred = barredFrom(workflow, context);
      if (barred !== undefined) throw workflowError(barred, request);
      const fields = { workflow: workflowId, by: requestedBy, version: workflow.version, sequence: event.sequence };
      context.log.info(fields, wanted === undefined ? "deadline cancelled" : "deadline set");
      return { workflow: workflowToWire(workflow), event: eventToWire(event) };
    },
  };
}

/** The field of a request that has one. Times are kept in whole milliseconds. */
export function deadlineFromWire(deadline: Deadline | undefined): WantedDeadline | undefined {
  if (deadline === undefined) return undefined;
  const { due, reason } = deadline;
  const targetState = stateFromWire(deadline.targetState, "deadline.target_state");
  if (targetState === undefined) throw invalidField("deadline.target_state", "is required");
  if (due === undefined) throw invalidField("deadline.due", "is required");
  if (due.$case === "at") return { due: { atMs: due.value.getTime() }, targetState, reason };
  return { due: { afterMs: Math.ceil(durationMs(due.value) ?? 0) }, targetState, reason };
}
