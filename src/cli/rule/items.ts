import { Command } from "commander";
import { DeleteRuleSetItemResponse, type SetRuleSetItemRequest } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { type Fact, type RuleSetItem, RuleSetItemKind, type WorkflowType } from "../../gen/concord/predicate/v1/rule_set.ts";
import type { JsonObject } from "../../kernel/json.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Mutation, withClients } from "../client.ts";
import { CommandError } from "../failure.ts";
import { fieldLines, jsonText, type OutputFormat, print, tableLines, timeText } from "../output.ts";
import { type SourceOf, sourceOfTexts, withRuleChange } from "./explained.ts";
import { readExpression, readText, revisionArgument } from "./fields.ts";
import { addExamples, lookAtHistory } from "./help.ts";
import { itemJson, ruleSetItems } from "./rule-set.ts";
import { cellText, writerText } from "./text.ts";

/** What a rule set has besides rules, and is changed part by part. */

export function factCommand(): Command {
  const command = new Command("fact").description("named expressions that rules share as facts.<name>");
  command.addCommand(setFactCommand());
  command.addCommand(deleteCommand("fact", RuleSetItemKind.FACT));
  command.addCommand(
    listCommand("fact", ["fact", "version", "written", "by", "expression", "description"], ({ item }) => {
      if (item?.$case !== "fact") return undefined;
      const { name, expression, description } = item.value;
      return [name, ...authorship(item.value), cellText(expression), cellText(description)];
    }),
  );
  return command;
}

export function typeCommand(): Command {
  const command = new Command("type").description("workflow types, and what the metadata of their workflows must be");
  command.addCommand(setTypeCommand());
  command.addCommand(deleteCommand("type", RuleSetItemKind.WORKFLOW_TYPE));
  command.addCommand(
    listCommand("type", ["type", "version", "written", "by", "schema", "description"], ({ item }) => {
      if (item?.$case !== "workflowType") return undefined;
      const { name, metadataSchema, description } = item.value;
      return [name, ...authorship(item.value), metadataSchema === undefined ? "-" : "yes", cellText(description)];
    }),
  );
  return command;
}

const authorship = (part: Fact | WorkflowType): readonly string[] => [
  String(part.version),
  timeText(part.createdAt),
  writerText(part),
];

function setFactCommand(): Command {
  const command = new Command("set")
    .description("write a fact, or a new version of it; rules read that from now on")
    .argument("<name>")
    .argument("[expression]", "CEL, of any type; left out, --file is read")
    .option("--file <path>", "read the expression from a file")
    .option("--description <text>", "what it is for", "");
  addExamples(command, ["concord rule fact set is_weekend 'now.getDayOfWeek() in [0, 6]'"]);
  type Options = ClientOptions & Mutation & { readonly file?: string; readonly description: string };
  return addClientOptions(addMutationOptions(command, "written by hand")).action(
    (name: string, typed: string | undefined, options: Options) => {
      const expression = typed ?? readExpression(options.file);
      if (expression === undefined) throw new CommandError("give the expression as an argument, or a file with --file");
      const fact = { name, expression, description: options.description };
      return setItem(
        options,
        { item: { $case: "fact", value: fact } },
        sourceOfTexts(name, { expression: { text: expression, file: options.file } }),
      );
    },
  );
}

function setTypeCommand(): Command {
  const command = new Command("set")
    .description("write a workflow type, or a new version of it")
    .argument("<name>")
    .option("--schema <path>", "a JSON Schema that the metadata must meet; left out, anything goes")
    .option("--description <text>", "what it is for", "");
  addExamples(command, ["concord rule type set sample --schema sample.schema.json"]);
  type Options = ClientOptions & Mutation & { readonly schema?: string; readonly description: string };
  return addClientOptions(addMutationOptions(command, "written by hand")).action((name: string, options: Options) => {
    const { schema, description } = options;
    const metadataSchema = schema === undefined ? undefined : readSchema(schema);
    const type = { name, metadataSchema, description };
    return setItem(options, { item: { $case: "workflowType", value: type } }, ({ name: wrong, field }) =>
      schema !== undefined && wrong === name && field === "metadata_schema" ? { file: schema } : undefined,
    );
  });
}

function readSchema(file: string): JsonObject {
  const text = readText(file);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    throw new CommandError(`${file}: ${(error as Error).message}`);
  }
  throw new CommandError(`${file}: must be a JSON object`);
}

type ItemFields = { readonly item: Parameters<typeof SetRuleSetItemRequest.fromPartial>[0]["item"] };

const setItem = (options: ClientOptions & Mutation, { item }: ItemFields, sourceOf: SourceOf): Promise<void> =>
  withRuleChange(
    options,
    lookAtHistory,
    async ({ predicates }, { requestId, call }) => {
      const { reason, by: requestedBy } = options;
      const answer = await predicates.setRuleSetItem({ item, reason, requestedBy, requestId }, call);
      printItem(options.output, answer.item, answer.ruleSetRevision);
    },
    sourceOf,
  );

function printItem(format: OutputFormat, item: RuleSetItem | undefined, ruleSetRevision: bigint): void {
  const part = item?.item;
  if (item === undefined || part === undefined || part.$case === "rule") throw new Error("the server answered without the part");
  if (format !== "table") {
    print(itemJson(item));
    return;
  }
  const { name, version, createdAt } = part.value;
  print(
    fieldLines([
      [part.$case === "workflowType" ? "type" : part.$case, name],
      ["version", String(version)],
      ["written", `${timeText(createdAt)} by ${writerText(part.value)}`],
      ["revision", String(ruleSetRevision)],
    ]),
  );
}

function deleteCommand(word: string, kind: RuleSetItemKind): Command {
  const command = new Command("delete").description(`take a ${word} out of the rule set`).argument("<name>");
  addExamples(command, [`concord rule ${word} delete ${word === "fact" ? "is_weekend" : "sample"}`]);
  return addClientOptions(addMutationOptions(command, "deleted by hand")).action(
    (name: string, options: ClientOptions & Mutation) =>
      withRuleChange(options, lookAtHistory, async ({ predicates }, { requestId, call }) => {
        const { reason, by: requestedBy, output } = options;
        const answer = await predicates.deleteRuleSetItem({ kind, name, reason, requestedBy, requestId }, call);
        const json = () => jsonText("concord.predicate.v1.DeleteRuleSetItemResponse", DeleteRuleSetItemResponse, answer);
        print(output !== "table" ? json() : `deleted: ${name} (rule set revision ${answer.ruleSetRevision})`);
      }),
  );
}

function listCommand(
  word: string,
  head: readonly string[],
  rowOf: (item: RuleSetItem) => readonly string[] | undefined,
): Command {
  const command = new Command("list")
    .description(`list the ${word}s of the rule set`)
    .option("--revision <n>", "as it was at this revision", revisionArgument);
  addExamples(command, [`concord rule ${word} list`]);
  return addClientOptions(command).action((options: ClientOptions & { readonly revision?: number }) =>
    withClients(options, async ({ predicates }) => {
      const found = (await ruleSetItems(predicates, options)).flatMap((item) => {
        const row = rowOf(item);
        return row === undefined ? [] : [{ item, row }];
      });
      if (options.output !== "table") print(found.map(({ item }) => itemJson(item)));
      else
        print(
          tableLines(
            head,
            found.map(({ row }) => row),
          ),
        );
    }),
  );
}
