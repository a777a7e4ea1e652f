import { Command } from "commander";
import { contextOption } from "./context/apply.ts";

/** Loaded only when wanted: a client need not wait for the server's code. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./serve.ts")).serveCommand(),
  participant: async () => (await import("./participant.ts")).participantCommand(),
  "participant-check": async () => (await import("./participant-check.ts")).participantCheckCommand(),
  workflow: async () => (await import("./workflow.ts")).workflowCommand(),
  policy: async () => (await import("./policy.ts")).policyCommand(),
  sink: async () => (await import("./sink.ts")).sinkCommand(),
  rule: async () => (await import("./rule.ts")).ruleCommand(),
  tx: async () => (await import("./tx.ts")).txCommand(),
  participants: async () => (await import("./participants.ts")).participantsCommand(),
  status: async () => (await import("./status.ts")).statusCommand(),
  backup: async () => (await import("./backup.ts")).backupCommand(),
  restore: async () => (await import("./restore.ts")).restoreCommand(),
  diagnose: async () => (await import("./diagnose.ts")).diagnoseCommand(),
  info: async () => (await import("./info.ts")).infoCommand(),
  access: async () => (await import("./access.ts")).accessCommand(),
  audit: async () => (await import("./audit.ts")).auditCommand(),
  token: async () => (await import("./token.ts")).tokenCommand(),
  context: async () => (await import("./context.ts")).contextCommand(),
  "dev-certs": async () => (await import("./dev-certs.ts")).devCertsCommand(),
  config: async () => (await import("./config.ts")).configCommand(),
  completion: async () => (await import("./completion.ts")).completionCommand(),
};

/** As far as this command line needs it. */
export async function createProgram([name = ""]: readonly string[], version: string): Promise<Command> {
  const program = new Command("concord")
    .description("Lifecycle state of long-running work, guarded by rules, committed atomically with other services.")
    .version(version)
    .addOption(contextOption())
    .configureHelp({ sortSubcommands: false })
    // What stands behind a command is its own: `concord rule get cold --version 2`.
    .enablePositionalOptions();
  if (name === "__complete") {
    const { completeCommand } = await import("./completion.ts");
    return program.addCommand(completeCommand((words) => createCompleted(words, version)));
  }
  const wanted = commands[name];
  for (const load of wanted === undefined ? Object.values(commands) : [wanted]) program.addCommand(await load());
  return program;
}

/** The program as it is completed: of what is not the command that is typed, nothing but the name. */
async function createCompleted(words: readonly string[], version: string): Promise<Command> {
  const name = words.length > 1 ? words.find((word) => Object.hasOwn(commands, word)) : undefined;
  if (name !== undefined) return createProgram([name], version);
  const program = new Command("concord").addOption(contextOption());
  for (const each of Object.keys(commands)) program.command(each);
  return program;
}
