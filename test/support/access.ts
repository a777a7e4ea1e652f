import { hash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Clients, connect } from "../../src/cli/client.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";

export const sha256Of = (token: string): string => hash("sha256", token, "hex");

/** An access file in which some have tokens: each their own name with `-token` behind it. */
export type AccessFile = {
  readonly path: string;
  readonly write: (content: object | string) => void;
};

export function accessFile(folder: string, content: object | string): AccessFile {
  const path = join(folder, "access.yaml");
  const write = (changed: object | string): void =>
    writeFileSync(path, typeof changed === "string" ? changed : stringify(changed));
  write(content);
  return { path, write };
}

export const tokenOf = (name: string): string => `${name}-token`;

/** They may do everything, unless `grants` are put over it. */
export const withTokens = (...names: readonly string[]) => ({
  authentication: { tokens: names.map((principal) => ({ principal, sha256: sha256Of(tokenOf(principal)) })) },
  grants: [{ principals: ["*"], roles: ["admin"] }],
});

/** Clients that send this token. */
export function clientsWith(
  address: string,
  token: string | undefined,
): { readonly clients: Clients; readonly close: () => void } {
  const channel = openChannel(address, { token: () => token });
  return { clients: connect(channel), close: () => channel.close() };
}
