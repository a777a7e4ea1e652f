import { isIP } from "node:net";
import { placeOf } from "../kernel/address.ts";

/**
 * Whether a request is meant for this server. A page of the web can have a name of its own point here, and would then be of one origin with
 * what is served: so who listens for this machine only takes no names but this machine's, and those that an operator has named.
 */
export function createHostCheck(listenAddress: string, allowed: readonly string[]): (header: string | undefined) => boolean {
  if (!isForThisMachine(listenAddress) || allowed.includes("*")) return () => true;
  const names = new Set(allowed.map((name) => name.toLowerCase()));
  return (header = "") => {
    const host = bare(header.toLowerCase().replace(/:\d*$/, ""));
    return isOfThisMachine(host) || names.has(host);
  };
}

function isForThisMachine(address: string): boolean {
  const place = placeOf(address);
  return place !== undefined && ("path" in place || isOfThisMachine(place.host));
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

function isOfThisMachine(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  if (isIP(host) === 6) return host === "::1";
  return host === "localhost" || host.endsWith(".localhost");
}
