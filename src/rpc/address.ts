/** Where a caller is, of its peer's name: the port is another for each of its connections. */
export const addressOf = (peer: string): string => peer.replace(/:\d+$/, "");
