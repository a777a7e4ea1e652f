#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { reportFailure } from "./cli/failure.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

/** Loaded only when wanted: a client need not wait for the server's code. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./cli/serve.ts")).serveCommand(),
  participant: async () => (await import("./cli/participant.ts")).participantCommand(),
  workflow: async () => (await import("./cli/workflow.ts")).workflowCommand(),
  rule: async () => (await import("./cli/rule.ts")).ruleCommand(),
  tx: async () => (await import("./cli/tx.ts")).txCommand(),
  participants: async () => (await import("./cli/participants.ts")).participantsCommand(),
  config: async () => (await import("./cli/config.ts")).configCommand(),
  demo: async () => (await import("./cli/demo.ts")).demoCommand(),
  simulate: async () => (await import("./cli/simulate.ts")).simulateCommand(),
};

const program = new Command("concord")
  .description("Lifecycle state of long-running work, guarded by rules, committed atomically with other services.")
  .version(version)
  .showHelpAfterError("(--help shows what is possible)")
  .configureHelp({ sortSubcommands: false });

const wanted = commands[process.argv[2] ?? ""];
for (const load of wanted === undefined ? Object.values(commands) : [wanted]) program.addCommand(await load());
exitWithTwo(program);

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  // What it has opened by then must not keep it alive.
  process.exit(reportFailure(error, undefined));
}

/** Commander exits with 1 when the command line is wrong. Scripts can tell that from a failure: here it is 2. */
function exitWithTwo(command: Command): void {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  for (const subcommand of command.commands) exitWithTwo(subcommand);
}
