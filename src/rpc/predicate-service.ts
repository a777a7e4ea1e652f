import { Status } from "nice-grpc-common";
import type { PredicateLogicServiceImplementation } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { unreachable } from "../kernel/assert.ts";
import type { RequestId, RuleId } from "../kernel/ids.ts";
import type { Result } from "../kernel/result.ts";
import { celRecord, celTime } from "../predicate/core/bindings.ts";
import { describeCompileError, type Variables } from "../predicate/core/compile.ts";
import type { Rule, Verdict } from "../predicate/core/types.ts";
import type { Engine } from "../predicate/engine.ts";
import type { ChangeRuleFailure, CreateRuleFailure } from "../predicate/errors.ts";
import type { RequestKey, RuleChange } from "../predicate/ports.ts";
import type { RpcContext } from "./context.ts";
import { moveFromWire, questionFromWire, ruleToWire, verdictToWire } from "./convert-rule.ts";
import { invalidField, requestIdReused, rpcError, storageUnavailable } from "./errors.ts";
import { filterOf } from "./filter.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page.ts";
import { requestDigest } from "./request-digest.ts";

/** `concord.predicate.v1.PredicateLogic` over an engine. */
export function createPredicateService({ engine }: { readonly engine: Engine }): PredicateLogicServiceImplementation<RpcContext> {
  return {
    async validateTransition({ check }, context) {
      const verdict = engine.check(questionFromWire(check, "check"));
      warnOfFailures([verdict], context);
      return { verdict: verdictToWire(verdict) };
    },

    async batchValidateTransitions({ checks }, context) {
      const verdicts = engine.checkMany(checks.map((check, index) => questionFromWire(check, `checks[${index}]`)));
      warnOfFailures(verdicts, context);
      return { verdicts: verdicts.map(verdictToWire) };
    },

    async createRule(request, { log }) {
      const { rule } = changed(
        await engine.createRule({
          id: request.ruleId as RuleId,
          description: request.description,
          moves: request.moves.map((move, index) => moveFromWire(move, `moves[${index}]`)),
          expression: request.expression,
          message: request.message,
          priority: request.priority,
          reason: request.reason,
          requestedBy: request.requestedBy,
          request: requestKey("CreateRule", request),
        }),
      );
      log.info({ rule: rule.id, version: rule.version, requestedBy: rule.requestedBy }, "rule created");
      return { rule: ruleToWire(rule) };
    },

    async getRule({ ruleId }) {
      const rule = engine.getRule(ruleId as RuleId);
      if (rule === undefined) throw failure({ type: "rule-not-found", ruleId: ruleId as RuleId });
      return { rule: ruleToWire(rule) };
    },

    async listRules(request) {
      const scope = `rules ${request.filter}`;
      const page = engine.listRules({
        afterId: decodePageToken(scope, request.pageToken),
        limit: pageSize(request.pageSize),
        matches: ruleFilter(request.filter),
      });
      const last = page.rules.at(-1);
      return {
        rules: page.rules.map(ruleToWire),
        nextPageToken: page.more && last !== undefined ? encodePageToken(scope, last.id) : "",
        ruleSetRevision: BigInt(page.ruleSetRevision),
      };
    },

    async activateRule(request, { log }) {
      const { ruleId, reason, requestedBy } = request;
      const key = requestKey("ActivateRule", request);
      const change = changed(await engine.activate({ id: ruleId as RuleId, reason, requestedBy, request: key }));
      log.info({ rule: ruleId, ruleSetRevision: change.ruleSetRevision, requestedBy }, "rule activated");
      return { rule: ruleToWire(change.rule), ruleSetRevision: BigInt(change.ruleSetRevision) };
    },

    async deactivateRule(request, { log }) {
      const { ruleId, reason, requestedBy } = request;
      const key = requestKey("DeactivateRule", request);
      const change = changed(await engine.deactivate({ id: ruleId as RuleId, reason, requestedBy, request: key }));
      log.info({ rule: ruleId, ruleSetRevision: change.ruleSetRevision, requestedBy }, "rule deactivated");
      return { rule: ruleToWire(change.rule), ruleSetRevision: BigInt(change.ruleSetRevision) };
    },
  };
}

/** A rule that cannot be evaluated denies whatever it applies to: one line per rule and call. */
function warnOfFailures(verdicts: readonly Verdict[], context: RpcContext): void {
  const warned = new Set<RuleId>();
  for (const verdict of verdicts) {
    if (verdict.type !== "rule-denied") continue;
    for (const { ruleId, message, evaluationFailed } of verdict.violations) {
      if (!evaluationFailed || warned.has(ruleId)) continue;
      warned.add(ruleId);
      context.log.warn({ rule: ruleId, ruleSetRevision: verdict.ruleSetRevision, why: message }, "rule failed, and denies");
    }
  }
}

function requestKey(method: string, request: { readonly requestId: string }): RequestKey | undefined {
  return request.requestId === "" ? undefined : { id: request.requestId as RequestId, digest: requestDigest(method, request) };
}

const ruleFilterVariables: Variables = {
  rule: [
    "id",
    "version",
    "description",
    "expression",
    "message",
    "priority",
    "state",
    "created_at",
    "updated_at",
    "requested_by",
    "reason",
  ],
};

function ruleFilter(expression: string): (rule: Rule) => boolean {
  return filterOf(expression, ruleFilterVariables, (rule: Rule) => ({
    rule: celRecord({
      id: rule.id,
      version: BigInt(rule.version),
      description: rule.description,
      expression: rule.expression,
      message: rule.message,
      priority: BigInt(rule.priority),
      state: rule.state,
      created_at: celTime(rule.createdAtMs),
      updated_at: celTime(rule.updatedAtMs),
      requested_by: rule.requestedBy,
      reason: rule.reason,
    }),
  }));
}

function changed(result: Result<RuleChange, CreateRuleFailure | ChangeRuleFailure>): RuleChange {
  if (!result.ok) throw failure(result.error);
  return result.value;
}

function failure(error: CreateRuleFailure | ChangeRuleFailure): Error {
  switch (error.type) {
    case "rule-invalid": {
      const { line, column, field } = error.error;
      const description = describeCompileError(error.error);
      return rpcError({
        code: Status.INVALID_ARGUMENT,
        reason: "RULE_INVALID",
        message: `${field}: ${description}`,
        metadata: { rule_id: error.ruleId, line: String(line), column: String(column) },
        fields: [{ field, description }],
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
      return storageUnavailable();
    default:
      return unreachable(error);
  }
}
