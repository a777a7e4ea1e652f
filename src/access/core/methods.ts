/** What a principal is granted. docs/security.md says of each what it is for. */
export const roles = [
  "reader",
  "operator",
  "rule-author",
  "rule-activator",
  "client",
  "participant",
  "manager",
  "admin",
] as const;

export type Role = (typeof roles)[number];

/**
 * What a method is about, and so what a grant narrows of it. "workflows": those of the grant's types and id_prefix, "all-workflows": only a grant
 * without either counts, for what it does or says concerns all. "rules": those
 * that judge the grant's types only; a grant with id_prefix does not count, for rules know no prefixes. "session": the ids under which a participant, or a manager, says Hello. "participants":
 * transactions with these. "nothing": a grant of the role is all that it takes.
 */
export type Concern = "nothing" | "workflows" | "all-workflows" | "rules" | "session" | "participants";

export type MethodRule = {
  readonly concern: Concern;
  /** Any of these. */
  readonly roles: readonly Role[];
};

const anyRole: readonly Role[] = roles;
const readers = ["reader", "operator", "client"] as const;
const movers = ["client", "operator"] as const;
const ruleReaders = ["reader", "operator", "rule-author", "rule-activator"] as const;
const ruleJudges = ["rule-author", "rule-activator"] as const;
const transactors = ["client", "manager"] as const;

const of = (concern: Concern, ...by: readonly Role[]): MethodRule => ({ concern, roles: by });

const workflowMethods = {
  CreateWorkflow: of("workflows", "client"),
  GetWorkflow: of("workflows", ...readers),
  WaitForWorkflow: of("workflows", ...readers),
  ListWorkflows: of("workflows", ...readers),
  CountWorkflows: of("workflows", ...readers),
  TransitionWorkflow: of("workflows", ...movers),
  BatchTransitionWorkflows: of("workflows", ...movers),
  StartBulkOperation: of("workflows", "operator"),
  GetBulkOperation: of("workflows", "operator", "reader"),
  ListBulkOperations: of("workflows", "operator", "reader"),
  ListBulkOperationResults: of("workflows", "operator", "reader"),
  PauseBulkOperation: of("workflows", "operator"),
  ResumeBulkOperation: of("workflows", "operator"),
  CancelBulkOperation: of("workflows", "operator"),
  UpdateWorkflowMetadata: of("workflows", ...movers),
  RecoverWorkflow: of("workflows", ...movers),
  SetWorkflowDeadline: of("workflows", ...movers),
  ListAllowedTransitions: of("workflows", ...readers),
  // It ends all holds of the transaction, whoever's workflows they are of.
  ResolveTransition: of("all-workflows", "operator"),
  SetWorkflowTypePolicy: of("workflows", "operator"),
  GetWorkflowTypePolicy: of("workflows", ...readers),
  ListWorkflowTypePolicies: of("workflows", ...readers),
  DeleteWorkflowTypePolicy: of("workflows", "operator"),
  PurgeWorkflows: of("workflows", "operator"),
  ExportWorkflows: of("workflows", "reader", "operator"),
  ListWorkflowEvents: of("workflows", ...readers),
  WatchWorkflowEvents: of("workflows", ...readers),
  ListSinks: of("all-workflows", "reader", "operator"),
  ResetSink: of("all-workflows", "operator"),
  PauseSink: of("all-workflows", "operator"),
  ResumeSink: of("all-workflows", "operator"),
  ListDeadLetters: of("all-workflows", "operator"),
  RetryDeadLetters: of("all-workflows", "operator"),
  DiscardDeadLetters: of("all-workflows", "operator"),
  GetSystemStats: of("all-workflows", "reader", "operator"),
  GetServerInfo: of("nothing", ...anyRole),
};

const ruleMethods = {
  // What is judged here is written down as a verdict: only who decides by it may ask for it.
  ValidateTransition: of("workflows", "manager", ...ruleJudges),
  BatchValidateTransitions: of("workflows", "manager", ...ruleJudges),
  StreamValidateTransitions: of("workflows", "manager"),
  ExplainTransition: of("workflows", "manager", ...readers, ...ruleJudges),
  ListAllowedTransitions: of("workflows", "manager", ...readers, ...ruleJudges),
  ValidateMetadata: of("workflows", "manager", ...readers, ...ruleJudges),
  AssessImpact: of("all-workflows", ...ruleJudges),
  LintRuleSet: of("all-workflows", ...ruleReaders),
  CheckRule: of("rules", ...ruleJudges),
  CreateRule: of("rules", "rule-author"),
  UpdateRule: of("rules", "rule-author"),
  GetRule: of("rules", ...ruleReaders),
  ListRules: of("rules", ...ruleReaders),
  ListRuleVersions: of("rules", ...ruleReaders),
  ActivateRule: of("rules", "rule-activator"),
  DeactivateRule: of("rules", "rule-activator"),
  ShadowRule: of("rules", ...ruleJudges),
  DeprecateRule: of("rules", "rule-activator"),
  // Of a draft: one that has judged cannot be deleted.
  DeleteRule: of("rules", "rule-author"),
  // Of a test, and of what is only tried. What judges at once takes both roles: `bothForRules`.
  SetRuleSetItem: of("all-workflows", ...ruleJudges),
  DeleteRuleSetItem: of("all-workflows", ...ruleJudges),
  ApplyRuleSet: of("all-workflows", ...ruleJudges),
  RollbackRuleSet: of("all-workflows", "rule-activator"),
  GetRuleSet: of("all-workflows", ...ruleReaders),
  ListRuleSetChanges: of("all-workflows", ...ruleReaders),
  WatchRuleSet: of("all-workflows", ...ruleReaders),
  ListVerdicts: of("workflows", ...ruleReaders),
  ReplayVerdicts: of("workflows", ...ruleReaders),
};

const transactionMethods = {
  Participate: of("session", "participant", "manager"),
  ExecuteTransaction: of("participants", ...transactors),
  BeginTransaction: of("participants", ...transactors),
  EnlistParticipant: of("participants", ...transactors),
  CommitTransaction: of("participants", ...transactors),
  AbortTransaction: of("participants", ...transactors),
  RetryTransaction: of("participants", "operator"),
  ResolveTransaction: of("participants", "operator"),
  ForgetTransaction: of("participants", "operator"),
  GetTransaction: of("participants", "reader", "operator", "client", "manager", "participant"),
  ListTransactions: of("participants", "reader", "operator", "participant"),
  WatchTransaction: of("participants", "reader", "operator", "client", "manager", "participant"),
  WatchTransactions: of("participants", "reader", "operator", "participant"),
  ListParticipants: of("participants", "reader", "operator"),
  ForgetParticipant: of("participants", "operator"),
};

const services: Readonly<Record<string, Readonly<Record<string, MethodRule>>>> = {
  "concord.workflow.v1.WorkflowService": workflowMethods,
  "concord.predicate.v1.PredicateLogic": ruleMethods,
  "concord.commit.v1.TwoPhaseCommit": transactionMethods,
  "concord.server.v1.ServerStatus": { GetServerStatus: of("nothing", "reader", "operator", "manager") },
  "grpc.health.v1.Health": {
    Check: of("nothing", ...anyRole),
    List: of("nothing", ...anyRole),
    Watch: of("nothing", ...anyRole),
  },
  "grpc.reflection.v1.ServerReflection": { ServerReflectionInfo: of("nothing", ...anyRole) },
  "grpc.reflection.v1alpha.ServerReflection": { ServerReflectionInfo: of("nothing", ...anyRole) },
};

/** Of each method of each service, by its path in HTTP/2, such as `/concord.workflow.v1.WorkflowService/GetWorkflow`. A test holds it against the descriptors. */
export const methodRules: ReadonlyMap<string, MethodRule> = new Map(
  Object.entries(services).flatMap(([service, methods]) =>
    Object.entries(methods).map(([name, rule]) => [`/${service}/${name}`, rule] as const),
  ),
);

/** What changes what judges, without a draft before it: it takes whoever may write and activate, or two who each may do one. */
export const bothForRules: readonly Role[] = ["rule-author", "rule-activator"];

/** The roles whose methods a key of a grant narrows: with none of these it would narrow nothing. */
export const rolesWith = (concern: Concern): ReadonlySet<Role> =>
  new Set([...methodRules.values()].filter((rule) => rule.concern === concern).flatMap((rule) => rule.roles));
