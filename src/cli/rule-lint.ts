import { Command } from "commander";
import { counted } from "../kernel/text.ts";
import { addClientOptions, type ClientOptions } from "./client.ts";
import { print, printAs } from "./output.ts";
import { lintServer } from "./rule/lint-server.ts";
import { compileFiles } from "./rule-files/compile.ts";
import { costLines } from "./rule-files/costs.ts";
import { lintWarnings } from "./rule-files/lint.ts";
import { type FileProblem, inOrder, type Place } from "./rule-files/problem.ts";
import { readRuleFiles } from "./rule-files.ts";
import { printProblems } from "./rule-test.ts";

/** Exit code 0: nothing is wrong, or only warned of. 1: a server would refuse it. No server is asked. */
export function lintCommand(): Command {
  const command = new Command("lint")
    .description("say what is wrong with rule files, and what is hardly meant; no server is asked, unless it is told to")
    .argument("[paths...]", "files, and folders of .yaml files; together they are one rule set", ["rules"])
    .option("--costs", "show what each rule costs, at least and at most; not with -o json")
    .option("--server", "look at the rules that are active on the server, instead of files");
  type Options = ClientOptions & { readonly costs?: true; readonly server?: true };
  return addClientOptions(command).action(async (paths: readonly string[], options: Options) => {
    const { costs } = options;
    if (options.server) {
      await lintServer(options);
      return;
    }
    printAs(options.output);
    const printed = options.output === "table" ? printProblems : printProblemsJson;
    const files = readRuleFiles(paths);
    if (!files.ok) {
      printed(files.error);
      return;
    }
    const { ruleSet, problems } = compileFiles(files.value);
    const warnings = lintWarnings(files.value, ruleSet);
    printed(inOrder([...problems, ...warnings]));
    if (options.output !== "table") return;
    if (costs) print([...costLines(ruleSet), ""]);
    const { rules, facts, workflowTypes, tests } = files.value;
    const parts = [
      counted(rules.length, "rule"),
      counted(facts.length, "fact"),
      counted(workflowTypes.length, "type"),
      counted(tests.length, "test"),
    ];
    print(`${parts.join(", ")}: ${counted(problems.length, "error")}, ${counted(warnings.length, "warning")}`);
  });
}

/** One a line: `severity`, `file`, `line` and `column` if it has a place there, `message`. */
function printProblemsJson(problems: readonly FileProblem[]): void {
  print(
    problems.map(({ severity, place, message }) => {
      const { lineText: _, ...at }: Partial<Place> = place;
      return JSON.stringify({ severity, ...at, message });
    }),
  );
  if (problems.some(({ severity }) => severity === "error")) process.exitCode = 1;
}
