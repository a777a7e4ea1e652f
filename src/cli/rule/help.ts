import type { Command } from "commander";

/** Lines to paste, below the options. */
export const addExamples = (command: Command, lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`);

/** The commands that tell what has become of a change. */
export const lookAtRule = (ruleId: string): string => `concord rule get ${ruleId}`;
export const lookAtHistory = "concord rule history";
