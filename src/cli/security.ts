import { type Command, Option } from "commander";
import { environmentName } from "../config.ts";
import type { ClientSecurity } from "../rpc/clients/security.ts";
import { tokenOf } from "../rpc/clients/token-options.ts";
import { UsageError } from "./failure.ts";

/** How a command proves who calls. A token itself is no flag: `ps` shows those to everybody. */
export type SecurityOptions = { readonly tokenFile?: string | undefined };

const tokenVariable = environmentName("token");

export function addSecurityOptions(command: Command): Command {
  return command.addOption(
    new Option(
      "--token-file <file>",
      `what proves who calls is in this file; the token itself may stand in ${tokenVariable}`,
    ).env(environmentName("token-file")),
  );
}

/** Throws a `UsageError` if what is there cannot be a token. */
export function securityOf({ tokenFile }: SecurityOptions): ClientSecurity {
  const token = tokenFile === undefined ? process.env[tokenVariable] || undefined : undefined;
  try {
    return { token: tokenOf({ token, tokenFile }) };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.replace(/^token /, `${tokenVariable} `) : String(error));
  }
}
