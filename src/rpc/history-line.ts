import { Workflow, WorkflowEvent } from "../gen/concord/workflow/v1/workflow.ts";
import { jsonText } from "./json-text.ts";

/**
 * A workflow and its events as one line of JSON, `{"workflow": …, "events": […]}`, made piece by piece, since it may be long. The line is
 * whole with its line feed: whatever ends without one is no line.
 */
export function createHistoryLine() {
  let isFirst = true;
  return {
    begin(workflow: Workflow): string {
      isFirst = true;
      return `{"workflow":${jsonText("concord.workflow.v1.Workflow", Workflow, workflow)},"events":[`;
    },
    event(event: WorkflowEvent): string {
      const comma = isFirst ? "" : ",";
      isFirst = false;
      return `${comma}${jsonText("concord.workflow.v1.WorkflowEvent", WorkflowEvent, event)}`;
    },
    end: (): string => "]}\n",
  };
}
