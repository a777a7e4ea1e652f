import type { Config } from "../config.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type ClientSecurity, checkToken } from "../rpc/clients/security.ts";
import { securityFrom } from "../rpc/clients/security-options.ts";
import type { StartFailure } from "./part.ts";

/** How the workflow manager makes sure who other processes are, and proves to them who it is. */
export function readPeerSecurity(config: Config): Result<ClientSecurity, StartFailure> {
  const { peerTls, peerTlsCa: ca, peerTlsCert: cert, peerTlsKey: key, peerTlsServerName: serverName } = config;
  const tls = peerTls === "on" ? { ca, cert, key, serverName } : undefined;
  try {
    const security = securityFrom({ tokenFile: config.peerTokenFile, tls });
    for (const address of [config.predicateAddress, config.commitAddress])
      if (address !== undefined) checkToken(address, security);
    return ok(security);
  } catch (error) {
    return err({ message: `peer-token-file, peer-tls: ${error instanceof Error ? error.message : String(error)}` });
  }
}
