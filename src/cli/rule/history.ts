import { Command } from "commander";
import { limitArgument } from "../arguments.ts";
import { addClientOptions, type ClientOptions, printMore, readPages, withClients } from "../client.ts";
import { print, tableLines } from "../output.ts";
import { changeHead, changeJson, changeRow, patchLines } from "./changes.ts";
import { addExamples } from "./help.ts";

export function historyCommand(): Command {
  const command = new Command("history")
    .description("list what was done to the rules, newest first: when, what, by whom, why")
    .argument("[name]", "only to this rule, fact, type or test", "")
    .option("--diff", "show before and after of each")
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  addExamples(command, ["concord rule history cold --diff", "concord rule history --limit 10"]);
  type Options = ClientOptions & { readonly diff?: true; readonly limit: number };
  return addClientOptions(command).action((name: string, options: Options) =>
    withClients(options, async ({ predicates }) => {
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const answer = await predicates.listRuleSetChanges({ ...page, name }, { deadline: options.timeout });
        return [answer.changes, answer.nextPageToken];
      });
      if (options.output !== "table") {
        print(found.map(changeJson));
        return;
      }
      if (options.diff === true) {
        for (const [at, change] of found.entries())
          print([...(at > 0 ? [""] : []), changeRow(change).join("  "), ...patchLines(change)]);
      } else print(tableLines(changeHead, found.map(changeRow)));
      printMore(more, options.limit);
    }),
  );
}
