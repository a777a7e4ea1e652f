import type { Workflow, WorkflowEvent } from "../../gen/concord/workflow/v1/workflow.ts";
import type { Clients } from "../client.ts";

/** What rules see as `last_event`: without it they would say of a move what they do not say when it is made. */
export async function lastEventOf(
  workflows: Clients["workflows"],
  workflow: Workflow | undefined,
  deadline: number,
): Promise<WorkflowEvent | undefined> {
  if (workflow === undefined) return undefined;
  const { workflowId, version } = workflow;
  let pageToken = "";
  do {
    const request = { workflowId, filter: `event.version == ${version}`, pageSize: 1, pageToken };
    const { events, nextPageToken } = await workflows.listWorkflowEvents(request, { deadline });
    if (events[0] !== undefined) return events[0];
    pageToken = nextPageToken;
  } while (pageToken !== "");
  return undefined;
}
