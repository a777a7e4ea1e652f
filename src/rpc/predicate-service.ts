import type { CallContext } from "nice-grpc-common";
import { mayHaveType } from "../access/core/scope.ts";
import type {
  BatchValidateTransitionsRequest,
  PredicateLogicServiceImplementation,
  StreamValidateTransitionsRequest,
} from "../gen/concord/predicate/v1/predicate_logic.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import type { RuleId } from "../kernel/ids.ts";
import type { Turns } from "../kernel/turns.ts";
import type { Question } from "../predicate/answers.ts";
import type { Engine } from "../predicate/engine.ts";
import type { Logger } from "../runtime/logger.ts";
import { burstsOf } from "./bursts.ts";
import type { RpcContext } from "./context.ts";
import { diagnosticToWire, sourceFromWire } from "./convert-rule-set.ts";
import { questionFromWire, verdictsToWire, workflowsOf } from "./convert-verdict.ts";
import { structFromWire } from "./convert-workflow.ts";
import { createFailureLog } from "./denial-log.ts";
import { permissionDenied } from "./errors.ts";
import { checkWorkflows } from "./permission.ts";
import { judgeError } from "./predicate-errors.ts";
import { ruleAnswers } from "./rule-answers.ts";
import { ruleChanges } from "./rule-changes.ts";
import { ruleLists } from "./rule-lists.ts";
import { checkRuleTypes } from "./rule-permission.ts";
import { untilAborted } from "./until-aborted.ts";
import { InvalidMessage } from "./validation.ts";
import { type Verdicts, verdictLists } from "./verdict-lists.ts";

/** `concord.predicate.v1.PredicateLogic` over an engine. */
export function createPredicateService(dependencies: {
  readonly engine: Engine;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: nothing is written down. */
  readonly verdicts: Verdicts | undefined;
}): PredicateLogicServiceImplementation<RpcContext> {
  const { engine, clock, logger } = dependencies;
  const warnOfFailures = createFailureLog(logger, clock.monotonicMs);

  async function judged(
    questions: readonly Question[],
    options: { readonly promptOnly: boolean; readonly minRevision: bigint; readonly callIds?: readonly string[] },
    context: CallContext & RpcContext,
  ) {
    const { peer: caller, signal } = context;
    checkWorkflows(context, workflowsOf(questions));
    const minRevision = Number(options.minRevision);
    const outcome = await engine.check(askedBy(context, questions), {
      caller,
      signal,
      promptOnly: options.promptOnly,
      minRevision,
    });
    if (!outcome.ok) throw judgeError(outcome.error);
    warnOfFailures(outcome.value, context, options.callIds);
    return verdictsToWire(outcome.value);
  }

  const judgedAll = ({ checks, ...options }: BatchValidateTransitionsRequest, context: CallContext & RpcContext) =>
    judged(
      checks.map((check, index) => questionFromWire(check, `checks[${index}]`)),
      options,
      context,
    );

  return {
    ...ruleChanges(engine),
    ...ruleLists(dependencies),
    ...ruleAnswers(dependencies),
    ...verdictLists(dependencies),

    async validateTransition({ check, minRevision }, context) {
      const [verdict] = await judged([questionFromWire(check, "check")], { promptOnly: false, minRevision }, context);
      return { verdict };
    },

    async batchValidateTransitions(request, context) {
      return { verdicts: await judgedAll(request, context) };
    },

    async *streamValidateTransitions(requests: AsyncIterable<StreamValidateTransitionsRequest | InvalidMessage>, context) {
      for await (const burst of untilAborted(burstsOf(requests), context.signal)) {
        for (const request of burst) {
          if (request instanceof InvalidMessage) throw request.failure;
          const answered = context.ask(request.callIds[0]);
          const verdicts = await judgedAll(request, context);
          answered();
          yield { verdicts, question: request.question };
        }
      }
    },

    async validateMetadata({ workflowType, metadata, minRevision }, { permission }) {
      if (!mayHaveType(permission.workflows, workflowType))
        throw permissionDenied(`what you are granted is not for workflows of type "${workflowType}"`);
      const question = { workflowType, metadata: structFromWire(metadata), minRevision: Number(minRevision) };
      const answer = await engine.validateMetadata(question);
      if (!answer.ok) throw judgeError(answer.error);
      const { violations, ruleSetRevision } = answer.value;
      return { violations, ruleSetRevision: BigInt(ruleSetRevision) };
    },

    async checkRule({ rule }, context) {
      assert(rule !== undefined, "the contract requires a rule");
      checkRuleTypes(context, rule.workflowTypes);
      const { diagnostics, costMin, costMax } = await engine.checkRule({
        id: rule.ruleId as RuleId,
        ...sourceFromWire(rule, "rule."),
      });
      return { diagnostics: diagnostics.map(diagnosticToWire), costMin: BigInt(costMin), costMax: BigInt(costMax ?? 0) };
    },
  };
}

/** In the name of who asks, for its verdict is written down; but of a workflow manager in that of its caller. */
function askedBy({ principal, permission }: RpcContext, questions: readonly Question[]): readonly Question[] {
  if (permission.speaksForOthers) return questions;
  return questions.map((question) => {
    const { authenticatedAs } = question;
    if (authenticatedAs !== "" && authenticatedAs !== principal.name)
      throw permissionDenied(
        "authenticated_as: only a workflow manager says who was proved to ask; leave it empty, or explain the move instead",
      );
    return { ...question, authenticatedAs: principal.name };
  });
}
