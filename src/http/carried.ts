import { type ClientHttp2Session, connect } from "node:http2";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { TLSSocket } from "node:tls";
import { unixPeer } from "../rpc/address.ts";
import type { CarriedSocket } from "../rpc/connections.ts";
import { provenBy } from "../runtime/tls/proven.ts";

/**
 * A connection of gRPC for a connection of HTTP, to this process, and as from the same caller. So what comes over HTTP has all that gRPC has, by the
 * same code: who may have how many connections and calls, deadlines, request ids, logs, and how a server stops.
 */
export type Carried = {
  readonly session: ClientHttp2Session;
  /** Requests that have come on it and are not answered. */
  open: number;
  /** They are answered in the order in which they came. */
  last: Promise<void>;
};

/** Its end is the end of the socket, and the other way round. */
export function carry(socket: Socket | TLSSocket, accept: (socket: CarriedSocket) => void): Carried {
  const { remoteAddress = unixPeer, remotePort = 0 } = socket;
  const certificate = socket instanceof TLSSocket ? provenBy(socket) : undefined;
  const [near, far] = duplexPair();
  const session = connect("http://concord", { createConnection: () => near });
  const carried: Carried = { session, open: 0, last: Promise.resolve() };
  const destroy = (): void => {
    session.destroy();
    near.destroy();
    far.destroy();
  };
  // How it ends is told by its end.
  for (const one of [session, near, far]) one.on("error", () => undefined);
  socket.once("close", destroy);
  far.once("close", () => {
    destroy();
    // What is being answered says itself that it is the last.
    if (carried.open === 0) socket.destroySoon();
  });
  session.once("close", () => far.destroy());
  accept(Object.assign(far, { remoteAddress, remotePort, certificate }));
  return carried;
}
