import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { isPrincipal, principalWords } from "../access/core/principal-name.ts";
import { sha256Of } from "../access/sha256.ts";
import { timeSchema, timeWords } from "../access-file.ts";
import { outputOption } from "./client.ts";
import { CommandError } from "./failure.ts";
import { fieldLines, type OutputFormat, print, printAs } from "./output.ts";

/** As many random bits as a key: nobody guesses it, and its hash need not be slow. */
const tokenBytes = 32;

/** By which those who look for lost secrets recognize one. */
const tokenPrefix = "concord_";

export function tokenCommand(): Command {
  return new Command("token").description("make tokens, by which callers prove who they are").addCommand(newCommand());
}

function principalArgument(text: string): string {
  if (!isPrincipal(text)) throw new InvalidArgumentError(`It ${principalWords}.`);
  return text;
}

function timeArgument(text: string): Date {
  const parsed = timeSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError(`It ${timeWords}.`);
  return new Date(parsed.data);
}

type Options = {
  readonly principal: string;
  readonly notAfter?: Date;
  readonly to?: string;
  readonly output: OutputFormat;
};

function newCommand(): Command {
  return new Command("new")
    .description("make a token, and the lines by which a server knows it: they hold its hash, and nothing keeps the token itself")
    .requiredOption("--principal <name>", "who has it; as grants and logs name that one", principalArgument)
    .option(
      "--not-after <time>",
      "when it ends, such as 2027-01-01T00:00:00Z; unless given, when it is taken out of the file",
      timeArgument,
    )
    .option("--to <file>", "write the token to this new file, for its owner only to read, and do not show it")
    .addOption(outputOption())
    .action(({ principal, notAfter, to, output }: Options) => {
      printAs(output);
      const token = `${tokenPrefix}${randomBytes(tokenBytes).toString("base64url")}`;
      if (to !== undefined) writeNew(to, token);
      const sha256 = sha256Of(token);
      const shown = to === undefined ? { token } : { token_file: to };
      const entry = { principal, sha256, ...(notAfter && { not_after: notAfter.toISOString() }) };
      if (output !== "table") print(JSON.stringify({ ...shown, entry }));
      else
        print([
          ...fieldLines(Object.entries(shown)),
          "",
          "in the access file:",
          "authentication:",
          "  tokens:",
          `    - ${JSON.stringify(entry)}`,
        ]);
    });
}

function writeNew(path: string, token: string): void {
  try {
    writeFileSync(path, `${token}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new CommandError(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
