import { Command } from "commander";
import { CountWorkflowsResponse, type WorkflowCount } from "../gen/concord/workflow/v1/count.ts";
import { collect } from "./arguments.ts";
import { addShowOptions, type ClientOptions, withClients } from "./client.ts";
import { enumText, jsonText, print, printAside, tableLines } from "./output.ts";

export function countCommand(): Command {
  const command = new Command("count")
    .description("count workflows, also in groups")
    .option("--filter <cel>", `a condition, such as 'workflow.type == "sample"'`, "")
    .option("--by <field>", "state, type, or metadata.<key>; may be given up to three times", collect(String));
  type Options = ClientOptions & { readonly filter: string; readonly by?: readonly string[] };
  return addShowOptions(command).action((options: Options) =>
    withClients(options, async ({ workflows }) => {
      const groupBy = options.by ?? [];
      const answer = await workflows.countWorkflows({ filter: options.filter, groupBy }, { deadline: options.timeout });
      if (options.output !== "table") {
        print(jsonText("concord.workflow.v1.CountWorkflowsResponse", CountWorkflowsResponse, answer));
        return;
      }
      const total = [...groupBy.map((_, index) => (index === 0 ? "all" : "")), String(answer.total)];
      const rest = [...groupBy.map((_, index) => (index === 0 ? "not grouped" : "")), String(answer.notGrouped)];
      const rows = answer.groups.map((group) => [...groupBy.map((field) => valueText(field, group)), String(group.count)]);
      print(tableLines([...groupBy, "workflows"], [...rows, ...(answer.notGrouped > 0n ? [rest] : []), total]));
      printScan(answer.unindexed);
    }),
  );
}

function valueText(field: string, { state, type, metadata }: WorkflowCount): string {
  if (field === "state") return enumText("WORKFLOW_STATE_", state);
  if (field === "type") return type === "" ? "-" : type;
  const value: unknown = metadata?.[field.slice("metadata.".length)];
  return value === undefined ? "-" : String(value);
}

/** Beside the answer, which stays what a program expects. */
export function printScan(unindexed: Iterable<string>): void {
  const fields = [...unindexed].map((field) => (field === "*" ? "conditions that do not compare a field with literals" : field));
  if (fields.length > 0) printAside(`looked at workflows one by one: no index leads by ${fields.join(", ")}`);
}
