import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import {
  RuleSetItem as ItemMessage,
  type RuleSetChange,
  type RuleSetDifference,
  type RuleSetItem,
  RuleSetItemKind,
} from "../../gen/concord/predicate/v1/rule_set.ts";
import { counted } from "../../kernel/text.ts";
import { integerArgument } from "../arguments.ts";
import {
  addClientOptions,
  addMutationOptions,
  type ClientOptions,
  type Clients,
  type Mutation,
  readPages,
  withClients,
} from "../client.ts";
import { CommandError } from "../failure.ts";
import { jsonText, print } from "../output.ts";
import { problemLines } from "../rule-files/problem.ts";
import { ruleSetYaml } from "../rule-files/to-yaml.ts";
import { type RuleFiles, readRuleFiles } from "../rule-files.ts";
import { printChange } from "./changes.ts";
import { explained, type SourceOf, withRuleChange } from "./explained.ts";
import { revisionArgument } from "./fields.ts";
import { addExamples, lookAtHistory } from "./help.ts";

type DiffOptions = { readonly diff?: true };

export function applyCommand(attendant = atTheTerminal): Command {
  const command = new Command("apply")
    .description("make the rule set what files say, whole, in one revision; what they do not name judges no more")
    .argument("[path...]", "files, and folders of .yaml files", ["rules"])
    .option("--dry-run", "say what would be different, run the tests, and change nothing")
    .option("--diff", "show before and after of each part")
    .option("--expected-revision <n>", "only if the rule set is at this revision", revisionArgument)
    .option("--yes", "do not ask, also on a terminal")
    .option("--empty", "do it also if the files have no rule, so that no rule judges any more");
  addExamples(command, ["concord rule apply rules/ --dry-run --diff", "concord rule apply rules/ --reason 'release 17' --yes"]);
  type Options = ClientOptions &
    Mutation &
    DiffOptions & { readonly dryRun?: true; readonly yes?: true; readonly empty?: true; readonly expectedRevision?: number };
  return addClientOptions(addMutationOptions(command, "applied by hand")).action((paths: readonly string[], options: Options) => {
    const files = readFiles(paths);
    // A folder that is not filled yet, or the wrong one, must not end what judges.
    const isRefused = files.rules.length === 0 && options.empty !== true && options.dryRun !== true;
    return withRuleChange(
      options,
      lookAtHistory,
      async ({ predicates }, { requestId, call, retryWith }) => {
        const ask = (revision: bigint | undefined, dryRun: boolean) =>
          applied(predicates, files, { ...options, dryRun, revision, requestId: dryRun ? "" : requestId }, call);
        const expected = options.expectedRevision === undefined ? undefined : BigInt(options.expectedRevision);
        if (isRefused && (isNothing(files) || (await ask(expected, true)).differences.some(isOfRule)))
          throw new CommandError(`${paths.join(" ")}: ${emptyText}`);
        // Who reads JSON is a program.
        const isAsked = options.output === "table" && options.yes !== true && attendant.isThere();
        if (options.dryRun === true || !isAsked) {
          printChange(options.output, await ask(expected, options.dryRun === true), options);
          return;
        }
        const revision = expected ?? (await revisionOf(predicates, options.timeout));
        const planned = await ask(revision, true);
        printChange("table", planned, { ...options, dryRun: true });
        if (planned.differences.length === 0) return;
        if (!(await attendant.agrees())) throw new CommandError("nothing was changed");
        // What was shown is what is done.
        retryWith(`--expected-revision ${revision} --yes`);
        const { ruleSetRevision } = await ask(revision, false);
        print(`done: rule set revision ${ruleSetRevision}`);
      },
      sourceOfFiles(files),
    );
  });
}

export function diffCommand(): Command {
  const command = new Command("diff")
    .description("say what would be different if files were applied, and whether their tests pass; change nothing")
    .argument("[path...]", "files, and folders of .yaml files", ["rules"])
    .option("--exit-code", "exit with 1 if something is different");
  addExamples(command, ["concord rule diff rules/", "concord rule diff rules/ --exit-code -o json"]);
  return addClientOptions(command).action((paths: readonly string[], options: ClientOptions & { readonly exitCode?: true }) => {
    const files = readFiles(paths);
    return withClients(options, async ({ predicates }) => {
      const asked = { reason: "compared", by: "concord rule diff", requestId: "", dryRun: true, revision: undefined };
      const call = { deadline: options.timeout };
      const change = await explained(applied(predicates, files, asked, call), sourceOfFiles(files));
      printChange(options.output, change, { diff: true, dryRun: true });
      if (options.exitCode === true && change.differences.length > 0) process.exitCode = 1;
    });
  });
}

export function readFiles(paths: readonly string[]): RuleFiles {
  const files = readRuleFiles(paths);
  if (files.ok) return files.value;
  throw new CommandError([counted(files.error.length, "problem"), ...files.error.flatMap(problemLines)].join("\n"));
}

type Applied = Mutation & { readonly dryRun: boolean; readonly revision: bigint | undefined };

async function applied(
  predicates: Clients["predicates"],
  { placeOf: _, ...parts }: RuleFiles,
  { dryRun, revision: expectedRevision, reason, by: requestedBy, requestId }: Applied,
  call: Parameters<Clients["predicates"]["applyRuleSet"]>[1],
): Promise<RuleSetChange> {
  const request = { ...parts, dryRun, expectedRevision, reason, requestedBy, requestId };
  return changeOf(await predicates.applyRuleSet(request, call));
}

function changeOf({ change }: { readonly change?: RuleSetChange | undefined }): RuleSetChange {
  if (change === undefined) throw new Error("the server answered without a change");
  return change;
}

/** The server names a part and its field, or the place of it in the request. */
export function sourceOfFiles({ placeOf, ...parts }: RuleFiles): SourceOf {
  const lists = [
    ["rule", "rules", parts.rules.map(({ ruleId }) => ruleId)],
    ["fact", "facts", parts.facts.map(({ name }) => name)],
    ["workflow type", "workflow_types", parts.workflowTypes.map(({ name }) => name)],
    ["test", "tests", parts.tests.map(({ name }) => name)],
  ] as const;
  return ({ kind, name, field }, within) => {
    if (/^\w+\[\d+\]/.test(field)) return placeOf(field, within);
    for (const [each, list, names] of lists) {
      const isMeant = kind === undefined || kind === each;
      const index = isMeant && name !== undefined ? names.indexOf(name) : -1;
      if (index >= 0) return placeOf(`${list}[${index}].${field}`, within);
    }
    return undefined;
  };
}

const revisionOf = async (predicates: Clients["predicates"], deadline: number): Promise<bigint> =>
  (await predicates.getRuleSet({ pageSize: 1 }, { deadline })).ruleSetRevision;

const emptyText = "there is no rule in it, so all rules would judge no more; --empty says that it is meant";

const isNothing = ({ facts, workflowTypes, tests }: RuleFiles): boolean =>
  facts.length + workflowTypes.length + tests.length === 0;

const isOfRule = ({ kind }: RuleSetDifference): boolean => kind === RuleSetItemKind.RULE;

/** Who is asked before a rule set is applied. */
type Attendant = { readonly isThere: () => boolean; readonly agrees: () => Promise<boolean> };

const atTheTerminal: Attendant = {
  isThere: () => process.stdin.isTTY === true && process.stdout.isTTY === true,
  async agrees() {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    try {
      return /^y(es)?$/i.test((await terminal.question("do it? [y/N] ")).trim());
    } finally {
      terminal.close();
    }
  },
};

export function rollbackCommand(): Command {
  const command = new Command("rollback")
    .description("make the rule set what it was at an earlier revision, in a new one; its tests are not asked")
    .requiredOption("--to <revision>", "that revision", integerArgument(0, Number.MAX_SAFE_INTEGER))
    .option("--dry-run", "say what would be different, and change nothing")
    .option("--diff", "show before and after of each part");
  addExamples(command, [
    "concord rule rollback --to 41 --dry-run --diff",
    "concord rule rollback --to 41 --reason 'release 17 denied too much'",
  ]);
  type Options = ClientOptions & Mutation & DiffOptions & { readonly to: number; readonly dryRun?: true };
  return addClientOptions(addMutationOptions(command, "rolled back by hand")).action((options: Options) =>
    withRuleChange(options, lookAtHistory, async ({ predicates }, { requestId, call }) => {
      const { to, reason, by: requestedBy, dryRun = false } = options;
      const request = { revision: BigInt(to), dryRun, reason, requestedBy, requestId: dryRun ? "" : requestId };
      printChange(options.output, changeOf(await predicates.rollbackRuleSet(request, call)), options);
    }),
  );
}

export function exportCommand(): Command {
  const command = new Command("export")
    .description("print the rule set as a rule file; with -o json, its parts, one a line")
    .option("--revision <n>", "as it was at this revision", revisionArgument);
  addExamples(command, ["concord rule export > rules/all.yaml", "concord rule export --revision 41"]);
  return addClientOptions(command).action((options: ClientOptions & { readonly revision?: number }) =>
    withClients(options, async ({ predicates }) => {
      const items = await ruleSetItems(predicates, options);
      const yaml = ruleSetYaml(items);
      if (options.output !== "table") print(items.map(itemJson));
      // What is kept in a file must be what was written; what a person sees, as everywhere.
      else if (process.stdout.isTTY === true) print(yaml.trimEnd().split("\n"));
      else process.stdout.write(yaml);
    }),
  );
}

export async function ruleSetItems(
  predicates: Clients["predicates"],
  { revision, timeout: deadline }: ClientOptions & { readonly revision?: number },
): Promise<readonly RuleSetItem[]> {
  const { items } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
    const request = { ...page, revision: revision === undefined ? undefined : BigInt(revision) };
    const answer = await predicates.getRuleSet(request, { deadline });
    return [answer.items, answer.nextPageToken];
  });
  return items;
}

export const itemJson = (item: RuleSetItem): string => jsonText("concord.predicate.v1.RuleSetItem", ItemMessage, item);
