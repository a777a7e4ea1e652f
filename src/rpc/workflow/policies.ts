import type { CallContext } from "nice-grpc-common";
import type { Permission } from "../../access/core/policy.ts";
import { hasAllOfType, mayHaveType } from "../../access/core/scope.ts";
import {
  type DeleteWorkflowTypePolicyRequest,
  ListWorkflowTypePoliciesResponse,
  PolicyTerms,
  type SetWorkflowTypePolicyRequest,
  WorkflowTypePolicy,
} from "../../gen/concord/workflow/v1/policy.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { provedBy } from "../../kernel/principal.ts";
import type { Result } from "../../kernel/result.ts";
import { policyProblems, type TypePolicy } from "../../workflow/core/policy.ts";
import type { ManagerError } from "../../workflow/errors.ts";
import type { Policies, PolicyCommand } from "../../workflow/policies.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import type { RpcContext } from "../context.ts";
import { encoded, listAnswer } from "../encoded-answer.ts";
import { invalidRequest } from "../errors.ts";
import type { ReadPage } from "../list.ts";
import { checkWholeType } from "../permission.ts";
import { requestKey } from "../request-key.ts";
import { workflowError } from "../workflow-errors.ts";
import { policyToWire, termsFromWire } from "./convert-policy.ts";

type PolicyHandlers = Pick<
  WorkflowServiceImplementation<RpcContext>,
  "setWorkflowTypePolicy" | "getWorkflowTypePolicy" | "listWorkflowTypePolicies" | "deleteWorkflowTypePolicy"
>;

/** The RPCs of policies: proto/concord/workflow/v1/policy.proto. */
export function createPolicyHandlers({
  policies,
  store,
  readPage,
}: {
  readonly policies: Policies;
  readonly store: WorkflowStore;
  readonly readPage: ReadPage;
}): PolicyHandlers {
  /** The store has what was changed; who changed it and why is also in the log. */
  async function changed(
    { workflowType, requestedBy: by, reason, request }: PolicyCommand,
    answer: Promise<Result<TypePolicy, ManagerError>>,
    message: string,
    context: CallContext & RpcContext,
  ) {
    const result = await answer;
    if (!result.ok) throw workflowError(result.error, { requestId: request?.id });
    context.log.info({ workflowType, revision: result.value.revision, by, reason }, message);
    return { policy: policyToWire(result.value) };
  }

  return {
    async setWorkflowTypePolicy(request, context) {
      checkOwnsType(request.workflowType, context);
      const terms = termsFromWire(request.terms ?? PolicyTerms.create(), "terms");
      const problems = policyProblems(terms);
      if (problems.length > 0) {
        throw invalidRequest(problems.map(({ field, description }) => ({ field: `terms.${field}`, description })));
      }
      const command = commandOf("Set", request, context);
      return changed(command, policies.set(command, terms), "policy set", context);
    },

    async getWorkflowTypePolicy({ workflowType }, { permission }) {
      const policy = mayRead(permission, workflowType) ? policies.get(workflowType) : undefined;
      if (policy === undefined) throw workflowError({ type: "policy-not-found", workflowType }, {});
      return { policy: policyToWire(policy, await store.metadataIndexes()) };
    },

    async listWorkflowTypePolicies(request, context) {
      const indexes = await store.metadataIndexes();
      const page = await readPage<TypePolicy>(
        {
          scope: "policies",
          keyOf: ({ workflowType }) => workflowType,
          read: async (after, limit) => policies.list(after, limit),
          matches: ({ workflowType }) => mayRead(context.permission, workflowType),
          encode: (policy) => encoded(WorkflowTypePolicy, policyToWire(policy, indexes)),
        },
        request,
        context,
      );
      return listAnswer(ListWorkflowTypePoliciesResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async deleteWorkflowTypePolicy(request, context) {
      checkOwnsType(request.workflowType, context);
      const command = commandOf("Delete", request, context);
      return changed(command, policies.delete(command), "policy deleted", context);
    },
  };
}

/** What holds for types without a policy concerns whoever has workflows of such a type. */
const mayRead = ({ workflows }: Permission, workflowType: string): boolean =>
  workflowType === "" || mayHaveType(workflows, workflowType);

/** A policy is of all workflows of its type; one without a type, of all types that have none. */
function checkOwnsType(type: string, context: RpcContext): void {
  checkWholeType(context, type, (scope) => (type === "" ? scope === "all" : hasAllOfType(scope, type)));
}

function commandOf(
  verb: "Set" | "Delete",
  request: SetWorkflowTypePolicyRequest | DeleteWorkflowTypePolicyRequest,
  context: RpcContext,
): PolicyCommand {
  const { workflowType, expectedRevision, reason, requestedBy } = request;
  return {
    workflowType,
    expectedRevision: expectedRevision === undefined ? undefined : Number(expectedRevision),
    reason,
    requestedBy,
    ...provedBy(context.principal),
    request: requestKey(`concord.workflow.v1.${verb}WorkflowTypePolicyRequest`, request, context),
  };
}
