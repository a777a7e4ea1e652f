/** Where a caller is, of its peer's name: the port is another for each of its connections. */
export const addressOf = (peer: string): string => peer.replace(/:\d+$/, "");

/** Of a caller that came through a unix socket. */
export const unixPeer = "unix";

/** An IPv4 address that came over IPv6, as one does where both are listened on, is the same caller as what it is. */
export const unmapped = (host: string): string => host.replace(/^::ffff:(?=[\d.]+$)/, "");

/** Who is at the other end of a connection. */
export const socketPeer = ({
  remoteAddress,
  remotePort,
}: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string => (remoteAddress === undefined || remotePort === undefined ? unixPeer : peerText(`${remoteAddress}:${remotePort}`));

/** As addresses are written: an IPv6 address in brackets. */
export function peerText(peer: string): string {
  const [, host, port] = /^(.+):(\d+)$/.exec(peer) ?? [];
  if (host === undefined) return peer;
  const bare = unmapped(host);
  return bare.includes(":") ? `[${bare}]:${port}` : `${bare}:${port}`;
}
