import type { Server } from "node:net";

/** Of a server that listens; 0 of one that does so at a unix socket. */
export function portOf(server: Pick<Server, "address">): number {
  const address = server.address();
  return address === null || typeof address === "string" ? 0 : address.port;
}
