import { Command } from "commander";
import type { Rule } from "../../gen/concord/predicate/v1/rule_set.ts";
import { addShowOptions, type ClientOptions, readPages, withClients } from "../client.ts";
import { print, tableLines, timeText } from "../output.ts";
import { ruleVersionArgument } from "./fields.ts";
import { addExamples } from "./help.ts";
import {
  actionText,
  cellText,
  movesText,
  printRule,
  ruleJson,
  standingVersionsText,
  stateText,
  typesText,
  writerText,
} from "./text.ts";

export function getCommand(): Command {
  const command = new Command("get")
    .description("show a rule")
    .argument("<id>")
    .option("--version <n>", "in this version; left out, the newest", ruleVersionArgument, 0)
    .option("--versions", "list all versions of it that are kept");
  addExamples(command, ["concord rule get cold --version 1", "concord rule get cold --versions"]);
  type Options = ClientOptions & { readonly version: number; readonly versions?: true };
  return addShowOptions(command).action((ruleId: string, options: Options) =>
    withClients(options, async ({ predicates }) => {
      const { output, version, versions, timeout: deadline } = options;
      if (versions !== true) {
        printRule(output, (await predicates.getRule({ ruleId, version }, { deadline })).rule);
        return;
      }
      const { items: found } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await predicates.listRuleVersions({ ...page, ruleId }, { deadline });
        return [answer.rules, answer.nextPageToken];
      });
      print(output !== "table" ? found.map(ruleJson) : tableLines(versionHead, found.map(versionRow)));
    }),
  );
}

const versionHead = ["version", "is", "written", "by", "action", "moves", "types", "expression"];

const versionRow = (rule: Rule): readonly string[] => [
  String(rule.version),
  rule.version === rule.activeVersion ? "active" : rule.version === rule.shadowVersion ? "in shadow" : "-",
  timeText(rule.createdAt),
  writerText(rule),
  actionText(rule),
  movesText(rule),
  typesText(rule),
  cellText(rule.expression),
];

export function listCommand(): Command {
  const command = new Command("list")
    .description("list rules, each in its newest version")
    .option("--filter <cel>", `a condition, such as 'rule.state == "ACTIVE"'`, "");
  addExamples(command, [
    `concord rule list --filter '"sample" in rule.workflow_types && rule.action == "WARN"'`,
    "concord rule list --filter 'rule.shadow_version > 0'",
  ]);
  return addShowOptions(command).action((options: ClientOptions & { readonly filter: string }) =>
    withClients(options, async ({ predicates }) => {
      let revision = 0n;
      const { items: found } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await predicates.listRules({ ...page, filter: options.filter }, { deadline: options.timeout });
        revision = answer.ruleSetRevision;
        return [answer.rules, answer.nextPageToken];
      });
      if (options.output !== "table") {
        print(found.map(ruleJson));
        return;
      }
      print(tableLines(listHead, found.map(listRow)));
      print(`rule set revision ${revision}`);
    }),
  );
}

const listHead = ["rule", "state", "version", "action", "moves", "types", "priority", "expression"];

const listRow = (rule: Rule): readonly string[] => [
  rule.ruleId,
  stateText(rule),
  standingVersionsText(rule),
  actionText(rule),
  movesText(rule),
  typesText(rule),
  String(rule.priority),
  cellText(rule.expression),
];
