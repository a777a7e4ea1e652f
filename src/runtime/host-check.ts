import { isForThisMachine, isOfThisMachine } from "../kernel/address.ts";

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

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");
