import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import { provedBy } from "../../kernel/principal.ts";
import type { Logger } from "../../runtime/logger.ts";
import { barredFrom } from "../../workflow/attempt.ts";
import type { Manager } from "../../workflow/manager.ts";
import { reasonOf } from "../../workflow/refusal-text.ts";
import type { RpcContext } from "../context.ts";
import { eventToWire, structFromWire, workflowToWire } from "../convert-workflow.ts";
import { createDenialLog } from "../denial-log.ts";
import { invalidField } from "../errors.ts";
import { requestKey } from "../request-key.ts";
import { workflowError } from "../workflow-errors.ts";

export function createUpdateHandlers({
  manager,
  clock,
  logger,
}: {
  readonly manager: Manager;
  readonly clock: Clock;
  readonly logger: Logger;
}): Pick<WorkflowServiceImplementation<RpcContext>, "updateWorkflowMetadata"> {
  const logDenial = createDenialLog(logger, clock.monotonicMs, "update");
  return {
    async updateWorkflowMetadata(request, context) {
      const { reason, requestedBy } = request;
      const workflowId = request.workflowId as WorkflowId;
      const patch = structFromWire(request.metadataPatch);
      if (Object.keys(patch).length === 0)
        throw invalidField("metadata_patch", "must have a key at least: it says what to change");
      const command = {
        workflowId,
        expectedVersion: request.expectedVersion === undefined ? undefined : Number(request.expectedVersion),
        context: structFromWire(request.context),
        update: {
          patch,
          reason,
          requestedBy,
          ...provedBy(context.principal),
          eventMetadata: structFromWire(request.eventMetadata),
        },
        request: requestKey("concord.workflow.v1.UpdateWorkflowMetadataRequest", request, context),
      };
      const result = await manager.update(command, context);
      const subject = { workflow: workflowId, by: requestedBy };
      if (!result.ok) {
        const { error } = result;
        const refused = { ...subject, refused: reasonOf(error) };
        if (error.type === "rule-denied") logDenial(refused, error, context);
        else context.log.info(refused, "update refused");
        throw workflowError(error, request);
      }
      const { workflow, event } = result.value;
      const barred = barredFrom(workflow, context);
      if (barred !== undefined) throw workflowError(barred, request);
      context.log.info({ ...subject, version: workflow.version, sequence: event.sequence }, "metadata updated");
      return { workflow: workflowToWire(workflow), event: eventToWire(event), warnings: event.warnings.first };
    },
  };
}
