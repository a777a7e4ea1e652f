import { Argument, Command } from "commander";
import { printable } from "../kernel/text.ts";
import { candidatesFor } from "./completion/candidates.ts";
import { completionMsMax, createNames } from "./completion/names.ts";
import { type Shell, scripts, shells } from "./completion/scripts.ts";
import { print } from "./output.ts";

export function completionCommand(): Command {
  return new Command("completion")
    .description("print a script that completes commands, options and the names that a server knows")
    .addArgument(new Argument("<shell>").choices(shells))
    .addHelpText(
      "after",
      `\nTo have it in every shell:\n${shells.map((shell) => `  ${shell}: ${scripts[shell].install}`).join("\n")}`,
    )
    .action((shell: Shell) => print(scripts[shell].text.trim().split("\n")));
}

/** What the scripts call, with the words after `concord`: prints a line for each candidate, a tab before its description. */
export function completeCommand(createProgram: (words: readonly string[]) => Promise<Command>): Command {
  return new Command("__complete")
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (words: readonly string[]) => {
      // Who waits at a prompt is told nothing rather than late, or of an error.
      const late = setTimeout(() => process.exit(0), completionMsMax);
      try {
        const found = await candidatesFor(await createProgram(words), words, createNames(words));
        const lines = (found ?? []).map(
          ({ value, description }) => printable(value) + (description && `\t${printable(description)}`),
        );
        process.stdout.write(lines.map((line) => `${line}\n`).join(""));
      } catch {
        // There is nothing to propose.
      } finally {
        clearTimeout(late);
      }
    });
}
