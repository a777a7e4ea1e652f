import { createServer } from "node:net";
import { portOf } from "../runtime/port-of.ts";
import type { Accept } from "./front.ts";

export type OwnListener = {
  readonly port: number;
  /** Takes no more connections. */
  readonly close: () => void;
};

/** By which a process calls its own services where the way of all others needs proofs that it has not: certificates, tokens. Rejects if it cannot listen. */
export async function openOwnListener(accept: Accept): Promise<OwnListener> {
  const server = createServer((socket) => accept(socket, true));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  await promise;
  return { port: portOf(server), close: () => void server.close() };
}
