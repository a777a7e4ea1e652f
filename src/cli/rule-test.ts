import { Command, Option } from "commander";
import { print } from "./output.ts";
import { activeIndex, compileFiles } from "./rule-files/compile.ts";
import { coverageLines } from "./rule-files/coverage-report.ts";
import { type FileProblem, problemLines } from "./rule-files/problem.ts";
import { junitLines, prettyLines, tapLines } from "./rule-files/report.ts";
import { runTests } from "./rule-files/run.ts";
import { readRuleFiles } from "./rule-files.ts";

type Options = { readonly format: "pretty" | "junit" | "tap"; readonly coverage?: true; readonly explain?: true };

/** Exit code 0: all tests pass. 1: not, or the files are wrong. No server is asked. */
export function testCommand(): Command {
  return new Command("test")
    .description("run the tests of rule files, as the server does before it changes its rules; no server is asked")
    .argument("[paths...]", "files, and folders of .yaml files; together they are one rule set", ["rules"])
    .addOption(
      new Option("--format <format>", "for people, or for what shows the tests of a build")
        .choices(["pretty", "junit", "tap"])
        .default("pretty"),
    )
    .option("--coverage", "show what the tests have seen of each rule and its branches, and what they have not")
    .option("--explain", "show what the parts of rules came to that do not hold, in tests that fail")
    .action((paths: readonly string[], { format, coverage, explain }: Options) => {
      const files = readRuleFiles(paths);
      if (!files.ok) {
        printProblems(files.error);
        return;
      }
      const { ruleSet, problems } = compileFiles(files.value);
      if (problems.length > 0) {
        printProblems(problems);
        return;
      }
      const { placeOf } = files.value;
      const report = runTests(ruleSet, (index) => placeOf(`tests[${index}].name`), {
        branches: coverage === true,
        explained: explain === true,
      });
      if (report.results.some(({ why }) => why !== undefined)) process.exitCode = 1;
      if (format === "junit") print(junitLines(report));
      else if (format === "tap") print(tapLines(report));
      else {
        const seen = (): readonly string[] =>
          coverageLines(report.coverage, (rule, field, within) =>
            placeOf(`rules[${activeIndex(files.value, rule.id)}].${field}`, within),
          );
        print(prettyLines(report, coverage ? seen() : []));
      }
    });
}

/** To standard error, as compilers do. */
export function printProblems(problems: readonly FileProblem[]): void {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  process.stderr.write(
    problems
      .flatMap(problemLines)
      .map((line) => `${line}\n`)
      .join(""),
  );
  if (errors > 0) process.exitCode = 1;
}
