import { Command } from "commander";
import {
  Judgement,
  type RuleViolation,
  type ShadowDifference,
  TransitionVerdict,
} from "../../gen/concord/predicate/v1/verdict.ts";
import type { WorkflowState as StateName } from "../../kernel/lifecycle.ts";
import { withClients } from "../client.ts";
import { enumText, jsonText, type OutputFormat, print } from "../output.ts";
import { addExamples } from "./help.ts";
import { addQuestionOptions, type QuestionOptions, questionOf } from "./question.ts";

export function checkCommand(): Command {
  const command = new Command("check").description(
    "ask whether a workflow may make a move, or have its metadata changed so, without doing it; exits with 1 if not",
  );
  addExamples(command, [
    "concord rule check wf-17 COMPLETED",
    `concord rule check wf-17 COMPLETED --by ada --context '{"site":"B"}'`,
    `concord rule check wf-17 --update '{"approved":true}' --by ada`,
  ]);
  return addQuestionOptions(command).action((workflowId: string, state: StateName | undefined, options: QuestionOptions) =>
    withClients(options, async (clients) => {
      const request = {
        check: await questionOf(clients, workflowId, state, options),
        minRevision: BigInt(options.minRevision),
      };
      const { verdict } = await clients.predicates.validateTransition(request, { deadline: options.timeout });
      printVerdict(options.output, verdict);
    }),
  );
}

/** Exit code 0: allowed. 1: not. */
function printVerdict(format: OutputFormat, verdict: TransitionVerdict | undefined): void {
  if (verdict === undefined) throw new Error("the server answered without a verdict");
  if (verdict.judgement !== Judgement.ALLOWED) process.exitCode = 1;
  if (format !== "table") print(jsonText("concord.predicate.v1.TransitionVerdict", TransitionVerdict, verdict));
  else print(verdictLines(verdict));
}

export function verdictLines(verdict: TransitionVerdict): readonly string[] {
  const {
    judgement,
    ruleSetRevision,
    cost,
    violations,
    violationsOmitted,
    warnings,
    audits,
    shadows,
    shadowsNotJudged,
    allowedStates,
    metadataViolations,
  } = verdict;
  const told = [
    `${enumText("JUDGEMENT_", judgement)} (rule set revision ${ruleSetRevision}, cost ${cost})`,
    ...metadataViolations.map(({ path, message }) => `  ${path}: ${message}`),
    ...violations.map((each) => violationLine("denied by", each)),
    ...(violationsOmitted > 0 ? [`  and denied by ${violationsOmitted} more`] : []),
    ...warnings.map((each) => violationLine("warned by", each)),
    ...audits.map((each) => violationLine("audited by", each)),
    ...shadows.map(shadowLine),
    ...(shadowsNotJudged > 0
      ? [`  in shadow, too dear to be judged: ${shadowsNotJudged}; "concord rule impact" tries dear rules`]
      : []),
  ];
  if (judgement !== Judgement.INVALID_TRANSITION) return told;
  const states = allowedStates.map((state) => enumText("WORKFLOW_STATE_", state));
  return [...told, `  it can go to: ${states.join(", ") || "nowhere, it is in a terminal state"}`];
}

const violationLine = (verb: string, { ruleId, ruleVersion, message }: RuleViolation): string =>
  `  ${verb} ${ruleId} (version ${ruleVersion}): ${message}`;

function shadowLine({ ruleId, shadowVersion, activeVersion, holds, message }: ShadowDifference): string {
  const beside = activeVersion === 0 ? "" : `, beside version ${activeVersion}`;
  return `  in shadow ${ruleId} (version ${shadowVersion}${beside}): ${holds ? "holds" : message}`;
}
