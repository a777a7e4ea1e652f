#!/usr/bin/env node
import { Command } from "commander";
import { runProgram } from "./cli/run-program.ts";
import { version } from "./version.ts";

/** Loaded only when wanted: a client need not wait for the server's code. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./cli/serve.ts")).serveCommand(),
  participant: async () => (await import("./cli/participant.ts")).participantCommand(),
  workflow: async () => (await import("./cli/workflow.ts")).workflowCommand(),
  policy: async () => (await import("./cli/policy.ts")).policyCommand(),
  sink: async () => (await import("./cli/sink.ts")).sinkCommand(),
  rule: async () => (await import("./cli/rule.ts")).ruleCommand(),
  tx: async () => (await import("./cli/tx.ts")).txCommand(),
  participants: async () => (await import("./cli/participants.ts")).participantsCommand(),
  info: async () => (await import("./cli/info.ts")).infoCommand(),
  config: async () => (await import("./cli/config.ts")).configCommand(),
};

const program = new Command("concord")
  .description("Lifecycle state of long-running work, guarded by rules, committed atomically with other services.")
  .version(version)
  .configureHelp({ sortSubcommands: false })
  // What stands behind a command is its own: `concord rule get cold --version 2`.
  .enablePositionalOptions();

const wanted = commands[process.argv[2] ?? ""];
for (const load of wanted === undefined ? Object.values(commands) : [wanted]) program.addCommand(await load());
await runProgram(program);
