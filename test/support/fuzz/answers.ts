/** What any call may be answered. Besides these, a caller's own deadline or cancel. */
const always = ["OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"];

/** What else each RPC may answer, as its contract has it. */
const more: Readonly<Record<string, readonly string[]>> = {
  CreateWorkflow: ["ALREADY_EXISTS"],
  GetWorkflow: ["NOT_FOUND"],
  ListWorkflows: [],
  TransitionWorkflow: ["NOT_FOUND", "FAILED_PRECONDITION", "ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"],
  RecoverWorkflow: ["NOT_FOUND", "FAILED_PRECONDITION", "ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"],
  ResolveTransition: ["NOT_FOUND", "FAILED_PRECONDITION"],
  ListWorkflowEvents: [],
  WatchWorkflowEvents: ["OUT_OF_RANGE"],
  GetSystemStats: [],
  ValidateTransition: [],
  BatchValidateTransitions: [],
  CreateRule: ["ALREADY_EXISTS"],
  GetRule: ["NOT_FOUND"],
  ListRules: [],
  ActivateRule: ["NOT_FOUND", "FAILED_PRECONDITION"],
  DeactivateRule: ["NOT_FOUND", "FAILED_PRECONDITION"],
  Participate: ["ABORTED", "UNAVAILABLE", "FAILED_PRECONDITION"],
  ExecuteTransaction: ["DEADLINE_EXCEEDED"],
  BeginTransaction: [],
  EnlistParticipant: ["NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS"],
  CommitTransaction: ["NOT_FOUND", "FAILED_PRECONDITION", "DEADLINE_EXCEEDED"],
  AbortTransaction: ["NOT_FOUND", "FAILED_PRECONDITION"],
  RetryTransaction: ["NOT_FOUND", "FAILED_PRECONDITION"],
  ResolveTransaction: ["NOT_FOUND", "FAILED_PRECONDITION"],
  ForgetTransaction: ["NOT_FOUND", "FAILED_PRECONDITION"],
  GetTransaction: ["NOT_FOUND"],
  ListTransactions: [],
  WatchTransaction: ["NOT_FOUND"],
  WatchTransactions: [],
  ListParticipants: [],
  ForgetParticipant: ["FAILED_PRECONDITION"],
};

export function mayAnswer(method: string, code: string): boolean {
  return always.includes(code) || (more[method]?.includes(code) ?? false);
}
