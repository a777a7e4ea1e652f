import { GetWorkflowResponse } from "../gen/concord/workflow/v1/workflow_service.ts";
import type { Workflow } from "../workflow/core/types.ts";
import { workflowToWire } from "./convert-workflow.ts";
import { EncodedAnswer, encoded } from "./encoded-answer.ts";

/**
 * As long as the workflow is in memory: all who read it are answered the same. Not for moves, which make another one each: what they would put in here
 * costs the collection of garbage more than encoding costs.
 */
const known = new WeakMap<Workflow, EncodedAnswer>();

export function readAnswer(workflow: Workflow): Partial<GetWorkflowResponse> {
  let answer = known.get(workflow);
  if (answer === undefined) {
    answer = new EncodedAnswer(encoded(GetWorkflowResponse, { workflow: workflowToWire(workflow) }));
    known.set(workflow, answer);
  }
  return answer as unknown as Partial<GetWorkflowResponse>;
}
