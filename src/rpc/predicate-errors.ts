import { Status } from "nice-grpc-common";
import type { RichServerError } from "nice-grpc-error-details";
import { unreachable } from "../kernel/assert.ts";
import { explainCompileError } from "../predicate/core/compile.ts";
import type { ChangeRuleFailure, CreateRuleFailure, JudgeFailure } from "../predicate/errors.ts";
import { invalidField, known, overloaded, requestIdReused, rpcError, storageUnavailable } from "./errors.ts";

/** The one table from the engine's failures to what proto/concord/error/v1 promises. */
export function ruleError(error: CreateRuleFailure | ChangeRuleFailure, requestId = ""): RichServerError {
  switch (error.type) {
    case "rule-invalid": {
      const { line, column, field, others } = error.error;
      const description = explainCompileError(error.error);
      return rpcError({
        code: Status.INVALID_ARGUMENT,
        reason: "RULE_INVALID",
        message: `${field}: ${description}`,
        metadata: { rule_id: error.ruleId, line: String(line), column: String(column) },
        fields: [error.error, ...others].map((each) => ({ field, description: explainCompileError(each) })),
      });
    }
    case "move-unknown":
      return invalidField(`moves[${error.index}]`, "the lifecycle has no such move, so the rule would never be asked about it");
    case "rule-exists":
      return rpcError({
        code: Status.ALREADY_EXISTS,
        reason: "RULE_ALREADY_EXISTS",
        message: `a rule "${error.ruleId}" exists already`,
        metadata: { rule_id: error.ruleId },
      });
    case "rule-limit":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "RULE_LIMIT_REACHED",
        message: `there are ${error.limit} rules already, as many as the engine allows`,
        metadata: { limit: String(error.limit) },
      });
    case "rule-not-found":
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "RULE_NOT_FOUND",
        message: `no rule "${error.ruleId}"`,
        metadata: { rule_id: error.ruleId },
      });
    case "rule-state":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "RULE_STATE",
        message: `rule "${error.ruleId}" is ${error.state}`,
        metadata: { rule_id: error.ruleId, state: error.state },
      });
    case "request-id-reused":
      return requestIdReused(error.requestId);
    case "storage-unavailable":
      return storageUnavailable(known({ requestId }));
    default:
      return unreachable(error);
  }
}

export function judgeError(error: JudgeFailure): RichServerError {
  switch (error.type) {
    case "overloaded":
      return overloaded(error.limit, `${error.what} wait for their rules`);
    case "call-cost-limit":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "CHECKS_TOO_EXPENSIVE",
        message: `the checks of this call cost more than ${error.limit} units together; ask for fewer in one call`,
        metadata: { limit: String(error.limit) },
      });
    default:
      return unreachable(error);
  }
}
