/** A host name, an IPv4 address, or an IPv6 address in brackets; and a port. */
const tcpPattern = /^([^\s/:[\]]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;

/** An absolute path; sockaddr_un has room for so much. */
const unixPattern = /^unix:(\/[^\0]{1,106})$/;

export const addressWords = "must be host:port, such as 127.0.0.1:50051, or unix:/path of a socket";

/** Where to listen, as Node has it. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** Undefined: it is no address. */
export function placeOf(address: string): Place | undefined {
  const [, path] = unixPattern.exec(address) ?? [];
  if (path !== undefined) return { path };
  const [, host, port] = tcpPattern.exec(address) ?? [];
  return host === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** Whether it can be dialled; with `portMin` 0, whether it can be listened on. */
export function isAddress(text: string, portMin = 1): boolean {
  const place = placeOf(text);
  if (place === undefined) return false;
  return "path" in place || (place.port >= portMin && place.port <= 65_535);
}

/** The address that was listened on, once its port is known. */
export const withPort = (address: string, port: number): string =>
  address.startsWith("unix:") ? address : `${address.slice(0, address.lastIndexOf(":"))}:${port}`;
