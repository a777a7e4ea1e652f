/** A host name, an IPv4 address, or an IPv6 address in brackets; and a port. */
const pattern = /^(?:[^\s/:[\]]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;

export const addressWords = "must be host:port, such as 127.0.0.1:50051";

/** Whether it can be dialled; with `portMin` 0, whether it can be listened on. */
export function isAddress(text: string, portMin = 1): boolean {
  const port = Number(pattern.exec(text)?.[1] ?? -1);
  return port >= portMin && port <= 65_535;
}
