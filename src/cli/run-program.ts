import type { Command } from "commander";
import { environmentName } from "../config.ts";
import { printable } from "../kernel/text.ts";
import { CommandError, type FailureFormat, jsonLine, logLine, reportFailure } from "./failure.ts";
import { logsForMachines } from "./log-format.ts";

/** Runs what the command line says. A wrong command line exits with 2, a failure with 1. */
export async function runProgram(program: Command): Promise<void> {
  // A reader that has seen enough, such as `head`, is no failure.
  const args = process.argv.slice(2);
  process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    const unwritten = new CommandError(`cannot write the output: ${code ?? message}`);
    process.exit(code === "EPIPE" ? 0 : reportFailure(unwritten, {}, formatOf(args)));
  });
  await runCommandLine(program, args, process.exit);
}

/** `exit` ends the process, or throws. */
export async function runCommandLine(program: Command, args: readonly string[], exit: (code: number) => never): Promise<void> {
  // An empty variable is how shells and containers say "not set".
  for (const name of Object.keys(process.env))
    if (name.startsWith(environmentName("")) && process.env[name] === "") delete process.env[name];
  const format = formatOf(args);
  if (format === "text") program.showHelpAfterError("(--help shows what is possible)");
  let isOver = false;
  const leave = (code: number): never => {
    isOver = true;
    return exit(code);
  };
  configure(program, leave, format);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (isOver) throw error;
    // What it has opened by then must not keep it alive. Whoever logs, has said what belongs in its log.
    exit(reportFailure(error, {}, format === "log" ? "text" : format));
  }
}

function formatOf(args: readonly string[]): FailureFormat {
  if (logsForMachines(args)) return "log";
  return forPrograms.test(args.join("\n")) ? "json" : "text";
}

/** A command line that is wrong has not come to be read: what it asks for is only looked for. */
const forPrograms = /^(?:-o|--output[\n=])\n?(?:json|yaml)$/m;

/** Commander exits with 1 when the command line is wrong. Scripts can tell that from a failure: here it is 2. */
function configure(command: Command, exit: (code: number) => never, format: FailureFormat): void {
  command.exitOverride(({ exitCode }) => exit(exitCode === 0 ? 0 : 2));
  command.configureOutput({
    outputError: (text, write) => write(complaints[format](text)),
  });
  for (const subcommand of command.commands) configure(subcommand, exit, format);
}

/** Commander's own lines are the complaint and perhaps a suggestion; any other line break is an argument's. */
function complaintLines(text: string): string {
  const [suggestion = ""] = /\n\(Did you mean [^\n]*\?\)\n?$/.exec(text) ?? [];
  const complaint = text.slice(0, text.length - suggestion.length).replace(/\n$/, "");
  return `${printable(complaint)}${suggestion.trimEnd()}\n`;
}

const complaints: Readonly<Record<FailureFormat, (text: string) => string>> = {
  text: complaintLines,
  json: (text) => `${printable(jsonLine(2, text.trim().replace(/^error: /, "")))}\n`,
  log: (text) => `${logLine(text)}\n`,
};
