import { createHash } from "node:crypto";
import { Command, Option } from "commander";
import { type Rule, RuleState } from "../../gen/concord/predicate/v1/rule_set.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Clients, type Mutation } from "../client.ts";
import type { Done } from "../failure.ts";
import { dryRun } from "./dry-run.ts";
import { type SourceOf, sourceOfTexts, withRuleChange } from "./explained.ts";
import { addFieldOptions, type FieldOptions, fieldsOf, readExpression, ruleVersionArgument } from "./fields.ts";
import { addExamples, lookAtRule } from "./help.ts";
import { printRule } from "./text.ts";

type Options = ClientOptions & Mutation & FieldOptions & { readonly activate?: true; readonly dryRun?: true };

export function createCommand(): Command {
  const command = new Command("create")
    .description("store a rule; it judges nothing until it is activated")
    .argument("<id>")
    .argument("[expression]", "CEL; true allows the move; left out, --file is read");
  addWriteOptions(addFieldOptions(command));
  addExamples(command, [
    "concord rule create cold 'workflow.metadata.temperature < 3' --move ACTIVE:COMPLETED --type sample --activate",
    "concord rule create weekend --file weekend.cel --action warn --message '\"it is \" + string(now.getDayOfWeek())'",
  ]);
  return addClientOptions(addMutationOptions(command, "written by hand")).action(
    (ruleId: string, expression: string | undefined, options: Options) => {
      // Read once: what is shown of an error is what was sent.
      const typed = expression ?? readExpression(options.file);
      return withRuleChange(
        options,
        lookAtRule(ruleId),
        async ({ predicates }, { requestId, call, didBefore }) => {
          const { reason, by: requestedBy } = options;
          const fields = fieldsOf(typed, options);
          if (options.dryRun === true) return dryRun(predicates, { ruleId, ...fields }, options);
          const request = { ruleId, ...fields, reason, requestedBy, requestId };
          const { rule } = await predicates.createRule(request, call);
          printRule(options.output, await activated(predicates, rule, options, { requestId, call, didBefore }));
        },
        sourceOfFields(ruleId, typed, options),
      );
    },
  );
}

const addWriteOptions = (command: Command): Command =>
  command
    .option("--activate", "activate it at once")
    .addOption(
      new Option("--dry-run", "say what is wrong with it, what is hardly meant, and what it costs; store nothing").conflicts(
        "activate",
      ),
    );

export function updateCommand(): Command {
  const command = new Command("update")
    .description(
      "store a new version of a rule; what is not given stays as it is in the newest, which judges on until it is replaced",
    )
    .argument("<id>")
    .argument("[expression]", "CEL; left out, --file is read, if it is given");
  addFieldOptions(command).option(
    "--expected-version <n>",
    "change this version, if it is still the newest; left out, the newest",
    ruleVersionArgument,
  );
  addWriteOptions(command);
  addExamples(command, [
    "concord rule update cold 'workflow.metadata.temperature < 5' --reason 'the new reader allows it' --activate",
    "concord rule update cold --action warn --move '*:*'",
  ]);
  return addClientOptions(addMutationOptions(command, "written by hand")).action(
    (ruleId: string, expression: string | undefined, options: Options & { readonly expectedVersion?: number }) => {
      const typed = expression ?? readExpression(options.file);
      return withRuleChange(
        options,
        lookAtRule(ruleId),
        async ({ predicates }, { requestId, call, retryWith, didBefore }) => {
          const { expectedVersion = 0, reason, by: requestedBy, timeout: deadline } = options;
          const { rule: base } = await predicates.getRule({ ruleId, version: expectedVersion }, { deadline });
          if (base === undefined) throw new Error("the server answered without a rule");
          const fields = fieldsOf(typed, options, base);
          if (options.dryRun === true) return dryRun(predicates, { ruleId, ...fields }, options);
          // A version never changes: a retry that names it asks for the same.
          retryWith(`--expected-version ${base.version}`);
          const request = {
            ruleId,
            ...fields,
            expectedVersion: base.version,
            reason,
            requestedBy,
            requestId,
          };
          const { rule } = await predicates.updateRule(request, call);
          printRule(options.output, await activated(predicates, rule, options, { requestId, call, didBefore }));
        },
        sourceOfFields(ruleId, typed, options),
      );
    },
  );
}

type Asked = Pick<Parameters<Parameters<typeof withRuleChange>[2]>[1], "requestId" | "call" | "didBefore">;

/** The rule, as it is after it was activated if that is wanted. */
async function activated(
  predicates: Clients["predicates"],
  rule: Rule | undefined,
  { activate, reason, by: requestedBy }: Options,
  { requestId, call, didBefore }: Asked,
): Promise<Rule | undefined> {
  if (activate !== true || rule === undefined) return rule;
  didBefore(storedOnly(rule));
  // One id is one request: the second has one that a retry of both leads to.
  const activationId = createHash("sha256").update(requestId).digest("base64url");
  const { ruleId, version } = rule;
  return (await predicates.activateRule({ ruleId, version, reason, requestedBy, requestId: activationId }, call)).rule;
}

/** What there is of a rule whose activation is refused. */
function storedOnly({ ruleId, version, state }: Rule): Done {
  const isDraft = state === RuleState.DRAFT;
  const what = isDraft ? `a draft, version ${version}` : `version ${version}`;
  return {
    text: `rule "${ruleId}" is stored as ${what}; it was not activated:`,
    next: [
      `concord rule activate ${ruleId}: it judges as it is stored`,
      `concord rule update ${ruleId} --activate: it is mended, and judges`,
      ...(isDraft ? [`concord rule delete ${ruleId}: it is removed`] : []),
    ],
  };
}

function sourceOfFields(ruleId: string, expression: string | undefined, options: FieldOptions): SourceOf {
  const { condition, message, file } = options;
  return sourceOfTexts(ruleId, {
    ...(expression !== undefined && { expression: { text: expression, file } }),
    ...(condition !== undefined && { condition: { text: condition } }),
    ...(message !== undefined && { message: { text: message } }),
  });
}
