import type { CallContext } from "nice-grpc-common";
import { RuleExplanation } from "../gen/concord/predicate/v1/explanation.ts";
import {
  type AssessImpactRequest,
  ExplainTransitionResponse,
  LintRuleSetResponse,
  type PredicateLogicServiceImplementation,
  RuleDiagnostic,
  ImpactKind as WireImpactKind,
} from "../gen/concord/predicate/v1/predicate_logic.ts";
import type { RuleId } from "../kernel/ids.ts";
import { answerBytesMax } from "../kernel/limits.ts";
import type { Turns } from "../kernel/turns.ts";
import { type ImpactKind, impactOf } from "../predicate/core/impact.ts";
import type { Candidate, Engine } from "../predicate/engine.ts";
import type { RpcContext } from "./context.ts";
import { explainedFactToWire, explainedRuleToWire } from "./convert-explanation.ts";
import { appliedRuleFromWire, diagnosticToWire, factFromWire, workflowTypeFromWire } from "./convert-rule-set.ts";
import { moveQuestionsFromWire, questionFromWire, verdictsToWire, workflowsOf } from "./convert-verdict.ts";
import { stateToWire } from "./convert-workflow.ts";
import { encoded, listAnswer } from "./encoded-answer.ts";
import { invalidField } from "./errors.ts";
import { checkWorkflows } from "./permission.ts";
import { impactError, judgeError, ruleNotFound } from "./predicate-errors.ts";
import { checkMayReadRule } from "./rule-permission.ts";

type Methods = Pick<
  PredicateLogicServiceImplementation<RpcContext>,
  "explainTransition" | "listAllowedTransitions" | "assessImpact" | "lintRuleSet"
>;

/** What verdicts beside explanations or differences may take of an answer. */
const verdictBytesMax = answerBytesMax / 2;

/** Findings in one answer, each below 2 KB: nobody reads more before mending some. */
const lintedMax = 1_000;

/** Of each kind, so many differences are told with both verdicts. People look at a few. */
const impactExamplesMax = 20;

/** The RPCs that say why rules say what they say, and what others would say. */
export function ruleAnswers({ engine, turns }: { readonly engine: Engine; readonly turns: Turns }): Methods {
  const asker = ({ peer: caller, signal }: CallContext & RpcContext) => ({ caller, signal });

  return {
    async explainTransition({ check, minRevision, ruleIds }, context) {
      const question = questionFromWire(check, "check");
      checkWorkflows(context, workflowsOf([question]));
      for (const ruleId of ruleIds) await checkMayReadRule(engine, context, ruleId);
      const explained = await engine.explain(question, {
        ...asker(context),
        minRevision: Number(minRevision),
        ruleIds: ruleIds as RuleId[],
      });
      if (!explained.ok) {
        const { error } = explained;
        throw error.type === "rule-not-found" ? ruleNotFound(error.ruleId) : judgeError(error);
      }
      const { verdict, explanation } = explained.value;
      const breathe = turns(context.signal);
      const rules: Uint8Array[] = [];
      for (const rule of explanation?.rules ?? []) {
        const pause = breathe();
        if (pause !== undefined) await pause;
        rules.push(encoded(RuleExplanation, explainedRuleToWire(rule)));
      }
      const facts = (explanation?.facts ?? []).map(explainedFactToWire);
      return listAnswer(ExplainTransitionResponse, rules, {
        verdict: verdictsToWire([verdict], verdictBytesMax)[0],
        facts,
        omitted: explanation?.omittedCount ?? 0,
      });
    },

    async listAllowedTransitions(request, context) {
      const questions = moveQuestionsFromWire(request);
      checkWorkflows(context, workflowsOf(questions));
      const options = { ...asker(context), promptOnly: false, isTrial: true, minRevision: Number(request.minRevision) };
      const judged = await engine.check(questions, options);
      if (!judged.ok) throw judgeError(judged.error);
      const verdicts = verdictsToWire(judged.value);
      return {
        moves: questions.map(({ targetState }, index) => ({
          targetState: stateToWire(targetState),
          verdict: verdicts[index],
        })),
        // Of a terminal state nothing was asked.
        ruleSetRevision: verdicts[0]?.ruleSetRevision ?? BigInt(engine.ruleSetRevision()),
      };
    },

    async lintRuleSet(_request, { signal }) {
      const { diagnostics, ruleSetRevision } = await engine.lint(signal);
      const breathe = turns(signal);
      const shown: Uint8Array[] = [];
      for (const diagnostic of diagnostics.slice(0, lintedMax)) {
        const pause = breathe();
        if (pause !== undefined) await pause;
        shown.push(encoded(RuleDiagnostic, diagnosticToWire(diagnostic)));
      }
      const rest = { omitted: diagnostics.length - shown.length, ruleSetRevision: BigInt(ruleSetRevision) };
      return listAnswer(LintRuleSetResponse, shown, rest);
    },

    async assessImpact({ candidate, checks, minRevision }, context) {
      const questions = checks.map((check, index) => questionFromWire(check, `checks[${index}]`));
      const outcome = await engine.impact(candidateFromWire(candidate), questions, {
        ...asker(context),
        minRevision: Number(minRevision),
      });
      if (!outcome.ok) throw impactError(outcome.error);
      const { before, after, ruleSetRevision } = outcome.value;
      const counts = new Map<ImpactKind, number>();
      const differences = before.flatMap((was, checkIndex) => {
        const is = after[checkIndex];
        const kind = is && impactOf(was, is);
        if (is === undefined || kind === undefined) return [];
        const count = (counts.get(kind) ?? 0) + 1;
        counts.set(kind, count);
        return [{ checkIndex, kind: impactKinds[kind], verdicts: count > impactExamplesMax ? undefined : ([was, is] as const) }];
      });
      const wire = verdictsToWire(
        differences.flatMap(({ verdicts }) => verdicts ?? []),
        verdictBytesMax,
      );
      let next = 0;
      return {
        ruleSetRevision: BigInt(ruleSetRevision),
        differences: differences.map(({ checkIndex, kind, verdicts }) => {
          if (verdicts === undefined) return { checkIndex, kind };
          next += 2;
          return { checkIndex, kind, before: wire[next - 2], after: wire[next - 1] };
        }),
      };
    },
  };
}

const impactKinds: Readonly<Record<ImpactKind, WireImpactKind>> = {
  "newly-denied": WireImpactKind.NEWLY_DENIED,
  "newly-allowed": WireImpactKind.NEWLY_ALLOWED,
  "newly-warned": WireImpactKind.NEWLY_WARNED,
  "other-rules": WireImpactKind.OTHER_RULES,
};

function candidateFromWire(candidate: AssessImpactRequest["candidate"]): Candidate {
  switch (candidate?.$case) {
    case "activate":
      return { type: "activate", id: candidate.value.ruleId as RuleId, version: candidate.value.version || undefined };
    case "deactivateRuleId":
      return { type: "deactivate", id: candidate.value as RuleId };
    case "ruleSet": {
      const { rules, facts, workflowTypes } = candidate.value;
      return {
        type: "apply",
        rules: rules.map(appliedRuleFromWire),
        facts: facts.map(factFromWire),
        workflowTypes: workflowTypes.map(workflowTypeFromWire),
      };
    }
    default:
      throw invalidField("candidate", "is required");
  }
}
