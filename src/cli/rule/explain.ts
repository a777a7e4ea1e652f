import { Command } from "commander";
import type {
  ExplainedOutcome,
  ExpressionExplanation,
  RuleExplanation,
  ExplainedPart as WireExplainedPart,
} from "../../gen/concord/predicate/v1/explanation.ts";
import { ExplainTransitionResponse } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { Judgement } from "../../gen/concord/predicate/v1/verdict.ts";
import type { WorkflowState as StateName } from "../../kernel/lifecycle.ts";
import type { ExplainedPart, Explanation, ShownOutcome } from "../../predicate/core/explain.ts";
import { collect, idArgument } from "../arguments.ts";
import { withClients } from "../client.ts";
import { explanationLines } from "../explain-text.ts";
import { jsonText, print } from "../output.ts";
import { verdictLines } from "./check.ts";
import { addExamples } from "./help.ts";
import { addQuestionOptions, type QuestionOptions, questionOf } from "./question.ts";

/** Exit code 0: allowed. 1: not. */
export function explainCommand(): Command {
  const command = new Command("explain")
    .description("tell why a workflow may make a move or not: what each part of the rules has come to; exits with 1 if not")
    .option("--rule <id>", "this rule only; may be repeated", collect(idArgument));
  addExamples(command, ["concord rule explain wf-17 COMPLETED", "concord rule explain wf-17 COMPLETED --rule cold --by ada"]);
  return addQuestionOptions(command).action(
    (workflowId: string, state: StateName | undefined, options: QuestionOptions & { readonly rule?: readonly string[] }) =>
      withClients(options, async (clients) => {
        const check = await questionOf(clients, workflowId, state, options);
        const request = { check, ruleIds: options.rule ?? [], minRevision: BigInt(options.minRevision) };
        const answer = await clients.predicates.explainTransition(request, { deadline: options.timeout });
        if (answer.verdict?.judgement !== Judgement.ALLOWED) process.exitCode = 1;
        if (options.output !== "table") {
          print(jsonText("concord.predicate.v1.ExplainTransitionResponse", ExplainTransitionResponse, answer));
        } else print(answerLines(answer));
      }),
  );
}

export function answerLines({ verdict, rules, facts, omitted }: ExplainTransitionResponse): readonly string[] {
  return [
    ...(verdict === undefined ? [] : verdictLines(verdict)),
    ...rules.flatMap(ruleLines),
    ...facts.flatMap(({ name, factVersion, expression }) => [
      "",
      `fact ${name} (version ${factVersion})`,
      ...expressionLines("", expression),
    ]),
    ...(omitted > 0 ? ["", `${omitted} more rules and facts found no room: ask for them with --rule`] : []),
  ];
}

function ruleLines({ ruleId, ruleVersion, condition, expression, message, inShadow }: RuleExplanation): readonly string[] {
  return [
    "",
    `rule ${ruleId} (version ${ruleVersion}${inShadow ? ", in shadow" : ""})`,
    ...expressionLines("its condition:", condition),
    ...expressionLines(condition === undefined ? "" : "its expression:", expression),
    ...expressionLines("its message:", message),
  ];
}

function expressionLines(title: string, expression: ExpressionExplanation | undefined): readonly string[] {
  if (expression === undefined) return [];
  const lines = explanationLines(expression.source, explanationFromWire(expression));
  return [...(title === "" ? [] : [`  ${title}`]), ...lines.map((line) => (line === "" ? "" : `    ${line}`))];
}

function explanationFromWire({ outcome, parts, inputs, omitted, cost }: ExpressionExplanation): Explanation {
  return {
    outcome: outcomeFromWire(outcome),
    parts: parts.map(partFromWire),
    // Of what is only known to be there nothing was sent.
    inputs: inputs.map(({ path, value, absent }) => ({ path, value: value === "" ? undefined : value, isAbsent: absent })),
    omittedCount: omitted,
    cost: Number(cost),
  };
}

function partFromWire({ line, column, outcome, rounds, ...part }: WireExplainedPart): ExplainedPart {
  return {
    ...part,
    position: { line, column },
    outcome: outcomeFromWire(outcome),
    rounds: rounds.map((round) => ({ ...round, parts: round.parts.map(partFromWire) })),
  };
}

function outcomeFromWire(outcome: ExplainedOutcome | undefined): ShownOutcome {
  switch (outcome?.outcome?.$case) {
    case "value": {
      const { type, text } = outcome.outcome.value;
      return { type: "value", valueType: type, value: text };
    }
    case "error":
      return { type: "error", message: outcome.outcome.value };
    default:
      return { type: "not-evaluated" };
  }
}
