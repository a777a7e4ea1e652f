import { Command, Option } from "commander";
import { DeleteRuleResponse } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import type { Rule } from "../../gen/concord/predicate/v1/rule_set.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Clients, type Mutation } from "../client.ts";
import { jsonText, print } from "../output.ts";
import { withRuleChange } from "./explained.ts";
import { ruleVersionArgument } from "./fields.ts";
import { addExamples, lookAtRule } from "./help.ts";
import { printRule } from "./text.ts";

type Asked = { readonly ruleId: string; readonly version: number } & ReturnType<typeof mutationOf>;
type Call = Parameters<Clients["predicates"]["activateRule"]>[1];
type Options = ClientOptions & Mutation & { readonly version?: number };

const mutationOf = ({ reason, by: requestedBy }: Mutation, requestId: string) => ({ reason, requestedBy, requestId });

type Verb = {
  readonly description: string;
  readonly reason: string;
  readonly examples: readonly string[];
  /** What it says of the version that it takes; nothing: it takes none. */
  readonly version?: string;
  readonly change: (
    predicates: Clients["predicates"],
    request: Asked,
    call: Call,
  ) => Promise<{ readonly rule?: Rule | undefined }>;
};

/** What makes a rule stand otherwise, and nothing else. */
const verbs = {
  activate: {
    description: "make a version of a rule judge from now on, instead of the one that did",
    reason: "activated by hand",
    examples: ["concord rule activate cold", "concord rule activate cold --version 2 --reason 'version 3 was too strict'"],
    version: "left out, the newest",
    change: (predicates, ...asked) => predicates.activateRule(...asked),
  },
  deactivate: {
    description: "make a rule judge no more",
    reason: "deactivated by hand",
    examples: ["concord rule deactivate cold --reason 'the sensor is broken'"],
    change: (predicates, ...asked) => predicates.deactivateRule(...asked),
  },
  deprecate: {
    description: "give up a rule that is inactive; its versions and history stay",
    reason: "deprecated by hand",
    examples: ["concord rule deprecate cold --reason 'warm-chain has taken its place'"],
    change: (predicates, ...asked) => predicates.deprecateRule(...asked),
  },
} satisfies Record<string, Verb>;

export function standingCommand(name: keyof typeof verbs): Command {
  const { description, reason, examples, version, change }: Verb = verbs[name];
  const command = new Command(name).description(description).argument("<id>");
  if (version !== undefined) command.option("--version <n>", `this version; ${version}`, ruleVersionArgument);
  addExamples(command, examples);
  return addClientOptions(addMutationOptions(command, reason)).action((ruleId: string, options: Options) =>
    withRuleChange(options, lookAtRule(ruleId), async ({ predicates }, { requestId, call }) => {
      const request = { ruleId, version: options.version ?? 0, ...mutationOf(options, requestId) };
      printRule(options.output, (await change(predicates, request, call)).rule);
    }),
  );
}

export function shadowCommand(): Command {
  const command = new Command("shadow")
    .description("judge a version of a rule beside the active rules: it decides nothing, and what it would have said is recorded")
    .argument("<id>")
    .option("--version <n>", "this version; left out, the newest", ruleVersionArgument)
    .addOption(new Option("--end", "judge it no more").conflicts("version"));
  addExamples(command, ["concord rule shadow cold --version 3", "concord rule shadow cold --end"]);
  return addClientOptions(addMutationOptions(command, "by hand")).action(
    (ruleId: string, options: Options & { readonly end?: true }) =>
      withRuleChange(options, lookAtRule(ruleId), async ({ predicates }, { requestId, call, retryWith }) => {
        let version = options.end === true ? 0 : options.version;
        if (version === undefined) {
          const { rule } = await predicates.getRule({ ruleId, version: 0 }, { deadline: options.timeout });
          version = rule?.latestVersion ?? 0;
          // Another may be the newest then.
          retryWith(`--version ${version}`);
        }
        const { rule } = await predicates.shadowRule({ ruleId, version, ...mutationOf(options, requestId) }, call);
        printRule(options.output, rule);
      }),
  );
}

export function deleteCommand(): Command {
  const command = new Command("delete").description("remove a rule that was never active or in shadow").argument("<id>");
  addExamples(command, ["concord rule delete cold"]);
  return addClientOptions(addMutationOptions(command, "deleted by hand")).action(
    (ruleId: string, options: ClientOptions & Mutation) =>
      withRuleChange(options, lookAtRule(ruleId), async ({ predicates }, { requestId, call }) => {
        const answer = await predicates.deleteRule({ ruleId, ...mutationOf(options, requestId) }, call);
        const json = () => jsonText("concord.predicate.v1.DeleteRuleResponse", DeleteRuleResponse, answer);
        print(options.output !== "table" ? json() : `deleted: ${ruleId}`);
      }),
  );
}
