import { join } from "node:path";
import { Command } from "commander";
import { collect, idArgument, integerArgument } from "./arguments.ts";
import { openCertificateFolder } from "./dev-certs/folder.ts";
import { print } from "./output.ts";
import { shellWord } from "./shell-word.ts";

type Options = {
  readonly client?: readonly string[];
  readonly host?: readonly string[];
  readonly trustDomain: string;
  readonly days: number;
  readonly revoke?: readonly string[];
};

/** What a server on this machine is called. */
const ownHosts = ["localhost", "127.0.0.1", "::1"];

export function devCertsCommand(): Command {
  return new Command("dev-certs")
    .description("make a CA and certificates for trying TLS out; never for production: the CA's key lies beside them")
    .argument("<folder>", "where they are kept; a CA that is there is used again, and the certificates are new")
    .option("--client <name>", "a client to make a certificate for; may be given more than once", collect(idArgument))
    .option("--host <name>", "a host besides localhost that the server is called; may be given more than once", collect(String))
    .option("--trust-domain <name>", "of the SPIFFE ids, spiffe://NAME/CLIENT", "concord.example")
    .option("--days <n>", "how long they are good", integerArgument(1, 3_650), 30)
    .option(
      "--revoke <name>",
      "put this client's certificate on the revocation list; may be given more than once",
      collect(idArgument),
    )
    .action(run);
}

function run(path: string, { client = [], host = [], trustDomain, days, revoke = [] }: Options): void {
  const folder = openCertificateFolder(path);
  for (const name of revoke) folder.revoke(name);
  if (revoke.length > 0) print(`${folder.crl} names what is revoked; serve --tls-crl reads it`);
  if (revoke.length > 0 && client.length === 0) return;
  const spiffe = (name: string): string => `spiffe://${trustDomain}/${name}`;
  // A manager shows it as a client, too.
  const server = folder.write(
    "server",
    { hosts: [...ownHosts, ...host], uris: [spiffe("server")], uses: ["server", "client"] },
    days,
  );
  const named = client.length === 0 ? ["client"] : client;
  for (const name of named) folder.write(name, { hosts: [], uris: [spiffe(name)], uses: ["client"] }, days);
  const first = shellWord(join(path, named[0] ?? ""));
  print([
    `The server is ${[...ownHosts, ...host].join(", ")}; clients are ${named.map(spiffe).join(", ")}. Try:`,
    `  concord serve --tls-cert ${shellWord(server.cert)} --tls-key ${shellWord(server.key)} --tls-client-ca ${shellWord(folder.ca)}`,
    `  concord status --tls-ca ${shellWord(folder.ca)} --tls-cert ${first}.pem --tls-key ${first}-key.pem`,
  ]);
}
