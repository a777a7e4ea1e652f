import { CheckRuleResponse, DiagnosticSeverity, type RuleDiagnostic } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { counted } from "../../kernel/text.ts";
import type { ClientOptions, Clients } from "../client.ts";
import { jsonText, print } from "../output.ts";
import { type FileProblem, problemLines } from "../rule-files/problem.ts";
import { type SourceOf, sourceOfTexts } from "./explained.ts";
import type { FieldOptions, RuleFields } from "./fields.ts";

/** Says what is to be said of a rule, and stores nothing. Exit code 1: it could not be stored. */
export async function dryRun(
  predicates: Clients["predicates"],
  rule: { readonly ruleId: string } & RuleFields,
  { output, timeout: deadline, file }: ClientOptions & FieldOptions,
): Promise<void> {
  const answer = await predicates.checkRule({ rule }, { deadline });
  if (answer.diagnostics.some(isError)) process.exitCode = 1;
  if (output !== "table") print(jsonText("concord.predicate.v1.CheckRuleResponse", CheckRuleResponse, answer));
  else print(checkedLines(rule.ruleId, answer, sourceOfTexts(rule.ruleId, textsOf(rule, file))));
}

const textsOf = ({ expression, condition, message }: RuleFields, file: string | undefined) => ({
  expression: { text: expression, file },
  condition: { text: condition },
  message: { text: message },
});

const isError = ({ severity }: RuleDiagnostic): boolean => severity === DiagnosticSeverity.ERROR;

export function checkedLines(
  ruleId: string,
  { diagnostics, costMin, costMax }: CheckRuleResponse,
  sourceOf: SourceOf,
): readonly string[] {
  const errors = diagnostics.filter(isError).length;
  const most = costMax === 0n ? "as much as the data makes it cost" : counted(Number(costMax), "unit");
  return [
    ...diagnostics.flatMap((each) => problemLines(problemOf(ruleId, each, sourceOf))),
    `${counted(errors, "error")}, ${counted(diagnostics.length - errors, "warning")}`,
    ...(errors === 0 ? [`an evaluation costs at least ${counted(Number(costMin), "unit")}, at most ${most}`] : []),
  ];
}

function problemOf(ruleId: string, diagnostic: RuleDiagnostic, sourceOf: SourceOf): FileProblem {
  const { field, line, column, message, relatedRuleIds } = diagnostic;
  const place = sourceOf({ kind: "rule", name: ruleId, field }, line === 0 ? undefined : { line, column });
  const about = relatedRuleIds.filter((id) => id !== ruleId && !message.includes(id));
  return {
    severity: isError(diagnostic) ? "error" : "warning",
    place: place ?? { file: field || ruleId },
    message: [message, ...(about.length === 0 ? [] : [`see ${about.join(", ")}`])].join("; "),
  };
}
