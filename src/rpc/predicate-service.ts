import type { CallContext } from "nice-grpc-common";
import {
  ListRulesResponse,
  type PredicateLogicServiceImplementation,
  Rule as WireRule,
} from "../gen/concord/predicate/v1/predicate_logic.ts";
import type { RuleId } from "../kernel/ids.ts";
import type { Result } from "../kernel/result.ts";
import { stretchOf } from "../kernel/stretch.ts";
import type { Turns } from "../kernel/turns.ts";
import { celRecord, celTime } from "../predicate/core/bindings.ts";
import type { Variables } from "../predicate/core/compile.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import type { Rule, Verdict } from "../predicate/core/types.ts";
import { enumOf, recordOf, types } from "../predicate/core/typing/type.ts";
import type { Engine, Question } from "../predicate/engine.ts";
import type { ChangeRuleFailure, CreateRuleFailure } from "../predicate/errors.ts";
import type { RuleChange } from "../predicate/ports.ts";
import type { RpcContext } from "./context.ts";
import { moveFromWire, questionFromWire, ruleToWire, verdictsToWire } from "./convert-rule.ts";
import { encoded, listAnswer } from "./encoded-answer.ts";
import { filterOf, namesOf } from "./filter.ts";
import { createReadPage } from "./list.ts";
import { judgeError, ruleError } from "./predicate-errors.ts";
import { requestKey } from "./request-key.ts";

/** `concord.predicate.v1.PredicateLogic` over an engine. */
export function createPredicateService(dependencies: {
  readonly engine: Engine;
  readonly turns: Turns;
}): PredicateLogicServiceImplementation<RpcContext> {
  const { engine } = dependencies;
  const readPage = createReadPage(dependencies);

  async function judged(questions: readonly Question[], promptOnly: boolean, context: CallContext & RpcContext) {
    const outcome = await engine.check(questions, { caller: context.peer, signal: context.signal, promptOnly });
    if (!outcome.ok) throw judgeError(outcome.error);
    warnOfFailures(outcome.value, context);
    return verdictsToWire(outcome.value);
  }

  return {
    async validateTransition({ check }, context) {
      const [verdict] = await judged([questionFromWire(check, "check")], false, context);
      return { verdict };
    },

    async batchValidateTransitions({ checks, promptOnly }, context) {
      const questions = checks.map((check, index) => questionFromWire(check, `checks[${index}]`));
      return { verdicts: await judged(questions, promptOnly, context) };
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
          request: requestKey("concord.predicate.v1.CreateRuleRequest", request),
        }),
        request,
      );
      log.info({ rule: rule.id, version: rule.version, requestedBy: rule.requestedBy }, "rule created");
      return { rule: ruleToWire(rule) };
    },

    async getRule({ ruleId }) {
      const rule = engine.getRule(ruleId as RuleId);
      if (rule === undefined) throw ruleError({ type: "rule-not-found", ruleId: ruleId as RuleId });
      return { rule: ruleToWire(rule) };
    },

    async listRules(request, context) {
      const page = await readPage<Rule>(
        {
          scope: `rules ${request.filter}`,
          keyOf: ({ id }) => id,
          read: async (after, limit) => stretchOf(engine.listRules({ afterId: after, limit }), limit, ({ id }) => id),
          matches: ruleFilter(request.filter),
          encode: (rule) => encoded(WireRule, ruleToWire(rule)),
        },
        request,
        context,
      );
      const rest = { nextPageToken: page.nextPageToken, ruleSetRevision: BigInt(engine.ruleSetRevision()) };
      return listAnswer(ListRulesResponse, page.items, rest);
    },

    async activateRule(request, { log }) {
      const { ruleId, reason, requestedBy } = request;
      const key = requestKey("concord.predicate.v1.ActivateRuleRequest", request);
      const change = changed(await engine.activate({ id: ruleId as RuleId, reason, requestedBy, request: key }), request);
      log.info({ rule: ruleId, ruleSetRevision: change.ruleSetRevision, requestedBy }, "rule activated");
      return { rule: ruleToWire(change.rule), ruleSetRevision: BigInt(change.ruleSetRevision) };
    },

    async deactivateRule(request, { log }) {
      const { ruleId, reason, requestedBy } = request;
      const key = requestKey("concord.predicate.v1.DeactivateRuleRequest", request);
      const change = changed(await engine.deactivate({ id: ruleId as RuleId, reason, requestedBy, request: key }), request);
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

const ruleFilterVariables: Variables = {
  rule: recordOf({
    id: types.string,
    version: types.int,
    description: types.string,
    expression: types.string,
    message: types.string,
    priority: types.int,
    state: enumOf(namesOf("concord.predicate.v1.RuleState")),
    created_at: types.timestamp,
    updated_at: types.timestamp,
    requested_by: types.string,
    reason: types.string,
  }),
};

function ruleFilter(expression: string): ((rule: Rule) => boolean) | undefined {
  const bindingsOf = (rule: Rule): Bindings => ({
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
  });
  // All of them are in memory.
  return filterOf(expression, ruleFilterVariables, bindingsOf, () => undefined)?.matches;
}

function changed(
  result: Result<RuleChange, CreateRuleFailure | ChangeRuleFailure>,
  { requestId }: { readonly requestId: string },
): RuleChange {
  if (!result.ok) throw ruleError(result.error, requestId);
  return result.value;
}
