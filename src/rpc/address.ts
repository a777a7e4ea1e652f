/** Where a caller is, of its peer's name: the port is another for each of its connections. */
export const addressOf = (peer: string): string => peer.replace(/:\d+$/, "");

/** Of a caller that came through a unix socket. */
export const unixPeer = "unix";

/** As addresses are written: an IPv6 address in brackets; an IPv4 address that came over IPv6 as what it is. */
export function peerText(peer: string): string {
  const [, host, port] = /^(.+):(\d+)$/.exec(peer) ?? [];
  if (host === undefined) return peer;
  const bare = host.replace(/^::ffff:(?=[\d.]+$)/, "");
  return bare.includes(":") ? `[${bare}]:${port}` : `${bare}:${port}`;
}
