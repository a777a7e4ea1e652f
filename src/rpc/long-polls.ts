/**
 * Unary calls that wait for what others do: they count, and end, as watches do. Else those who wait would keep others from calling, and a
 * server from stopping.
 */
const longPolls: ReadonlySet<string> = new Set(["/concord.workflow.v1.WorkflowService/WaitForWorkflow"]);

/** `path`: of the method, as gRPC has it. */
export const isLongPoll = (path: string): boolean => longPolls.has(path);
