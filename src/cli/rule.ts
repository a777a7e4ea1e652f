import { Command } from "commander";
import { checkCommand } from "./rule/check.ts";
import { historyCommand } from "./rule/history.ts";
import { factCommand, typeCommand } from "./rule/items.ts";
import { getCommand, listCommand } from "./rule/read.ts";
import { applyCommand, diffCommand, exportCommand, rollbackCommand } from "./rule/rule-set.ts";
import { deleteCommand, shadowCommand, standingCommand } from "./rule/standing.ts";
import { watchCommand } from "./rule/watch.ts";
import { createCommand, updateCommand } from "./rule/write.ts";
import { lintCommand } from "./rule-lint.ts";
import { testCommand } from "./rule-test.ts";

export function ruleCommand(): Command {
  const command = new Command("rule").description("write, try, activate and follow rules");
  command.addCommand(createCommand());
  command.addCommand(updateCommand());
  command.addCommand(getCommand());
  command.addCommand(listCommand());
  command.addCommand(standingCommand("activate"));
  command.addCommand(standingCommand("deactivate"));
  command.addCommand(shadowCommand());
  command.addCommand(standingCommand("deprecate"));
  command.addCommand(deleteCommand());
  command.addCommand(applyCommand());
  command.addCommand(diffCommand());
  command.addCommand(exportCommand());
  command.addCommand(rollbackCommand());
  command.addCommand(historyCommand());
  command.addCommand(watchCommand());
  command.addCommand(checkCommand());
  command.addCommand(testCommand());
  command.addCommand(lintCommand());
  command.addCommand(factCommand());
  command.addCommand(typeCommand());
  return command;
}
