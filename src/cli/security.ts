import { type Command, Option } from "commander";
import { environmentName } from "../config.ts";
import type { ClientSecurity } from "../rpc/clients/security.ts";
import { securityFrom } from "../rpc/clients/security-options.ts";
import { UsageError } from "./failure.ts";

/** How a command makes sure to whom it speaks, and proves who calls. A token itself is no flag: `ps` shows those to everybody. */
export type SecurityOptions = TlsOptions & { readonly tokenFile?: string | undefined };

type TlsOptions = {
  readonly tls?: boolean | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsServerName?: string | undefined;
};

const tokenVariable = environmentName("token");

export function addSecurityOptions(command: Command): Command {
  for (const [flags, description] of tlsFlags) command.addOption(ofClients(flags, description));
  return command.addOption(
    new Option(
      "--token-file <file>",
      `what proves who calls is in this file; the token itself may stand in ${tokenVariable}`,
    ).env(environmentName("token-file")),
  );
}

/** What `serve` reads of the environment is called otherwise: a command beside it shows no certificate of the server. */
function ofClients(flags: string, description: string): Option {
  const option = new Option(flags, description);
  const variable = environmentName(`client-${option.name()}`);
  // Of a flag, commander takes each value for a yes.
  return /^(?:off|false|no|0)$/.test(process.env[variable] ?? "") ? option : option.env(variable);
}

/** As they are written on a command line and in a context. */
export const tlsFlags = [
  ["--tls", "speak TLS; also if one of the others is given"],
  [
    "--tls-ca <file>",
    "PEM file of the CAs that may have signed the server's certificate; left out, those that this machine trusts",
  ],
  ["--tls-cert <file>", "PEM file of the certificate that is shown to a server which asks for one"],
  ["--tls-key <file>", "PEM file of its private key"],
  ["--tls-server-name <name>", "the name that the server's certificate must have; left out, the host of the address"],
] as const;

export const speaksTls = ({ tls, tlsCa, tlsCert, tlsKey, tlsServerName }: TlsOptions): boolean =>
  tls === true || [tlsCa, tlsCert, tlsKey, tlsServerName].some((each) => each !== undefined);

/** Throws a `UsageError` if what is there can be no token, or no certificate. */
export function securityOf(options: SecurityOptions): ClientSecurity {
  const { tokenFile, tlsCa: ca, tlsCert: cert, tlsKey: key, tlsServerName: serverName } = options;
  const tls = speaksTls(options) ? { ca, cert, key, serverName } : undefined;
  const token = tokenFile === undefined ? process.env[tokenVariable] || undefined : undefined;
  try {
    return securityFrom({ token, tokenFile, tls });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.replace(/^token /, `${tokenVariable} `) : String(error));
  }
}
