import { randomUUID } from "node:crypto";
import type { ClientMiddleware } from "nice-grpc-common";
import { TwoPhaseCommitDefinition } from "../gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition } from "../gen/concord/workflow/v1/workflow_service.ts";

const definitions = [WorkflowServiceDefinition, PredicateLogicDefinition, TwoPhaseCommitDefinition];

/** Of each RPC, by its path, a request with nothing in it, which has all fields. */
const emptyRequests: ReadonlyMap<string, object> = new Map(
  definitions.flatMap(({ fullName, methods }) =>
    Object.values(methods).map(({ name, requestType }) => [`/${fullName}/${name}`, requestType.create()] as const),
  ),
);

/** Gives a request what it has a field for and does not say: who asks, and, of a change, an id, which is the same for all attempts. */
export function fillIn(requestedBy: string): ClientMiddleware {
  return (call, options) => {
    if (call.requestStream) return call.next(call.request, options);
    const empty = emptyRequests.get(call.method.path) ?? {};
    const own = call.request as { readonly requestedBy?: string; readonly requestId?: string };
    const request = {
      ...call.request,
      ...("requestedBy" in empty && { requestedBy: own.requestedBy || requestedBy }),
      ...("requestId" in empty && { requestId: own.requestId || randomUUID() }),
    };
    return call.next(request, options);
  };
}
