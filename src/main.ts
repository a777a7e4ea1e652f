import { readFileSync } from "node:fs";
import { Command } from "commander";
import { configCommand } from "./cli/config.ts";
import { reportFailure } from "./cli/failure.ts";
import { participantCommand } from "./cli/participant.ts";
import { participantsCommand } from "./cli/participants.ts";
import { ruleCommand } from "./cli/rule.ts";
import { serveCommand } from "./cli/serve.ts";
import { txCommand } from "./cli/tx.ts";
import { workflowCommand } from "./cli/workflow.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

const program = new Command("concord")
  .description("Lifecycle state of long-running work, guarded by rules, committed atomically with other services.")
  .version(version)
  .showHelpAfterError("(--help shows what is possible)")
  .configureHelp({ sortSubcommands: false });
program.addCommand(serveCommand());
program.addCommand(workflowCommand());
program.addCommand(ruleCommand());
program.addCommand(txCommand());
program.addCommand(participantCommand());
program.addCommand(participantsCommand());
program.addCommand(configCommand());

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error, undefined);
}
