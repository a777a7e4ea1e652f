import { byteCount } from "./text.ts";

/** A host name, an IPv4 address, or an IPv6 address in brackets; and a port. */
const tcpPattern = /^([^\s/:[\]]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;

const unixPattern = /^unix:([^\0]+)$/;

/** sockaddr_un has room for so much, in UTF-8. */
const unixPathBytesMax = 107;

export const addressWords = "must be host:port, such as 127.0.0.1:50051, or unix:/path of a socket";

/** Where to listen, as Node has it. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** Undefined: it is no address. */
export function placeOf(address: string): Place | undefined {
  const [, path] = unixPattern.exec(address) ?? [];
  if (path !== undefined) return pathProblem(path) === undefined ? { path } : undefined;
  const [, host, port] = tcpPattern.exec(address) ?? [];
  return host === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** Whether it can be dialled; with `portMin` 0, whether it can be listened on. */
export function isAddress(text: string, portMin = 1): boolean {
  const place = placeOf(text);
  if (place === undefined) return false;
  return "path" in place || (place.port >= portMin && place.port <= 65_535);
}

/** What an address that is none must be. Undefined: it is one. */
export function addressProblem(text: string, portMin = 1): string | undefined {
  if (isAddress(text, portMin)) return undefined;
  const [, path] = unixPattern.exec(text) ?? [];
  return (path === undefined ? undefined : pathProblem(path)) ?? addressWords;
}

function pathProblem(path: string): string | undefined {
  if (!path.startsWith("/") || path === "/") return "must have an absolute path of a socket, such as unix:/run/concord.sock";
  const bytes = byteCount(path);
  return bytes <= unixPathBytesMax ? undefined : `must have a shorter path: it has ${bytes} of ${unixPathBytesMax} bytes`;
}

/** Whether only this machine reaches what listens there. */
export function isForThisMachine(address: string): boolean {
  const place = placeOf(address);
  return place !== undefined && ("path" in place || isOfThisMachine(place.host));
}

/** Of a host's name or address, without brackets. */
export const isOfThisMachine = (host: string): boolean =>
  /^127(?:\.\d{1,3}){3}$/.test(host) || host === "::1" || host === "localhost" || host.endsWith(".localhost");

/** A socket of this machine is guarded by its file. */
export const takesTls = (address: string): boolean => !address.startsWith("unix:");

/** The address that was listened on, once its port is known. */
export const withPort = (address: string, port: number): string =>
  address.startsWith("unix:") ? address : `${address.slice(0, address.lastIndexOf(":"))}:${port}`;
