import { LintRuleSetResponse, type RuleDiagnostic } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { counted } from "../../kernel/text.ts";
import { type ClientOptions, withClients } from "../client.ts";
import { jsonText, print } from "../output.ts";

/** What the server says of the rules that are active there. Exit code 0: all of it is only warnings. */
export function lintServer(options: ClientOptions): Promise<void> {
  return withClients(options, async ({ predicates }) => {
    const answer = await predicates.lintRuleSet({}, { deadline: options.timeout });
    if (options.output !== "table") print(jsonText("concord.predicate.v1.LintRuleSetResponse", LintRuleSetResponse, answer));
    else print(lintLines(answer));
  });
}

export function lintLines({ diagnostics, omitted, ruleSetRevision }: LintRuleSetResponse): readonly string[] {
  const count = diagnostics.length + omitted;
  return [
    ...diagnostics.flatMap(diagnosticLines),
    ...(omitted > 0 ? [`and ${omitted} more`] : []),
    `rule set revision ${ruleSetRevision}: ${counted(count, "warning")}`,
  ];
}

function diagnosticLines({ message, snippet }: RuleDiagnostic): readonly string[] {
  return [`warning: ${message}`, ...(snippet === "" ? [] : snippet.split("\n").map((line) => `  ${line}`))];
}
