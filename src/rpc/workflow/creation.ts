import { WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import { IfExists, type WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import { provedBy } from "../../kernel/principal.ts";
import type { ManagerError } from "../../workflow/errors.ts";
import type { Manager } from "../../workflow/manager.ts";
import type { RpcContext } from "../context.ts";
import { eventToWire, structFromWire, workflowToWire } from "../convert-workflow.ts";
import { invalidRequest } from "../errors.ts";
import { checkWorkflows } from "../permission.ts";
import { requestKey } from "../request-key.ts";
import { workflowError } from "../workflow-errors.ts";
import { deadlineFromWire } from "./deadlines.ts";

export function createCreationHandlers({
  manager,
}: {
  readonly manager: Manager;
}): Pick<WorkflowServiceImplementation<RpcContext>, "createWorkflow"> {
  return {
    async createWorkflow(request, context) {
      checkWorkflows(context, [{ id: request.workflowId, type: request.type }]);
      const starts = request.initialState === WorkflowState.ACTIVE;
      if (starts) requireMove(request);
      const deadline = deadlineFromWire(request.deadline);
      const command = {
        workflowId: request.workflowId === "" ? undefined : (request.workflowId as WorkflowId),
        type: request.type,
        metadata: structFromWire(request.metadata),
        initialState: starts ? "ACTIVE" : "CREATED",
        ifExists: request.ifExists === IfExists.RETURN ? "return" : "fail",
        reason: request.reason,
        requestedBy: request.requestedBy,
        ...provedBy(context.principal),
        ...(deadline && { deadline }),
        request: requestKey("concord.workflow.v1.CreateWorkflowRequest", request, context),
      } as const;
      const result = await manager.create(command, context);
      if (!result.ok) throw workflowError(told(result.error, context), request);
      const { workflow, event, createdEvent, alreadyExisted } = result.value;
      if (!alreadyExisted)
        context.log.info({ workflow: workflow.id, by: event.requestedBy, sequence: event.sequence }, "workflow created");
      return {
        workflow: workflowToWire(workflow),
        event: eventToWire(event),
        createdEvent: eventToWire(createdEvent),
        alreadyExisted,
        warnings: event.warnings.first,
      };
    },
  };
}

/** That an id is taken must be told; of a workflow of another type, not what it is. */
function told(error: ManagerError, { guard }: RpcContext): ManagerError {
  if (guard === undefined || error.type !== "workflow-already-exists" || !error.differences.includes("type")) return error;
  return { ...error, differences: [] };
}

/** What the contract requires of a move is required of the one to ACTIVE. */
function requireMove({ reason, requestedBy }: { readonly reason: string; readonly requestedBy: string }): void {
  const missing = [...(reason === "" ? ["reason"] : []), ...(requestedBy === "" ? ["requested_by"] : [])].map((field) => ({
    field,
    description: "is required with initial_state WORKFLOW_STATE_ACTIVE, which is a move",
  }));
  if (missing.length > 0) throw invalidRequest(missing);
}
