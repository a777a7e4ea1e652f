import { Command } from "commander";
import { print } from "./output.ts";
import { compileFiles } from "./rule-files/compile.ts";
import { costLines } from "./rule-files/costs.ts";
import { lintWarnings } from "./rule-files/lint.ts";
import { inOrder } from "./rule-files/problem.ts";
import { readRuleFiles } from "./rule-files.ts";
import { printProblems } from "./rule-test.ts";

/** Exit code 0: nothing is wrong, or only warned of. 1: a server would refuse it. No server is asked. */
export function lintCommand(): Command {
  return new Command("lint")
    .description("say what is wrong with rule files, and what is hardly meant; no server is asked")
    .argument("[paths...]", "files, and folders of .yaml files; together they are one rule set", ["rules"])
    .option("--costs", "show what each rule costs, at least and at most")
    .action((paths: readonly string[], { costs }: { readonly costs?: true }) => {
      const files = readRuleFiles(paths);
      if (!files.ok) {
        printProblems(files.error);
        return;
      }
      const { ruleSet, problems } = compileFiles(files.value);
      const warnings = lintWarnings(files.value, ruleSet);
      printProblems(inOrder([...problems, ...warnings]));
      if (costs) print([...costLines(ruleSet), ""]);
      const { rules, facts, workflowTypes, tests } = files.value;
      const parts = `${rules.length} rules, ${facts.length} facts, ${workflowTypes.length} types, ${tests.length} tests`;
      print(`${parts}: ${problems.length} errors, ${warnings.length} warnings`);
    });
}
