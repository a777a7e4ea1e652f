import type { DeepPartial } from "../gen/concord/workflow/v1/workflow.ts";
import { GetWorkflowResponse } from "../gen/concord/workflow/v1/workflow_service.ts";
import type { Workflow } from "../workflow/core/types.ts";
import { workflowToWire } from "./convert-workflow.ts";
import { EncodedAnswer, encoded, type MessageType } from "./encoded-answer.ts";

/** As long as the workflow is in memory: whoever reads it, and the answer of the move that has made it, and what is asked of the rules for the next one. */
const known = new WeakMap<Workflow, EncodedAnswer>();

/** A message that has `Workflow workflow = 1`, and nothing else. */
function workflowAlone(workflow: Workflow): EncodedAnswer {
  const before = known.get(workflow);
  if (before !== undefined) return before;
  const made = new EncodedAnswer(encoded(GetWorkflowResponse, { workflow: workflowToWire(workflow) }));
  known.set(workflow, made);
  return made;
}

export const getAnswer = (workflow: Workflow) => workflowAlone(workflow) as unknown as DeepPartial<GetWorkflowResponse>;

/** A message that has `Workflow workflow = 1`, and the rest. */
export const withWorkflow = <Message, Partial>(
  type: MessageType<Message, Partial>,
  workflow: Workflow,
  rest: Partial,
): Uint8Array => Buffer.concat([workflowAlone(workflow).finish(), encoded(type, rest)]);

/** An answer that has it. */
export const answerWithWorkflow = <Message, Partial>(
  type: MessageType<Message, Partial>,
  workflow: Workflow,
  rest: Partial,
): Partial => new EncodedAnswer(withWorkflow(type, workflow, rest)) as unknown as Partial;
