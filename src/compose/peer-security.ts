import type { Config } from "../config.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { ClientSecurity } from "../rpc/clients/security.ts";
import { tokenFile } from "../rpc/clients/token-file.ts";
import type { StartFailure } from "./part.ts";

/** How the workflow manager proves to other processes who it is. */
export function readPeerSecurity({ peerTokenFile }: Config): Result<ClientSecurity, StartFailure> {
  if (peerTokenFile === undefined) return ok({});
  try {
    return ok({ token: tokenFile(peerTokenFile) });
  } catch (error) {
    return err({ message: `peer-token-file: ${error instanceof Error ? error.message : String(error)}` });
  }
}
