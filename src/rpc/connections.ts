import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Certificate } from "../kernel/certificate.ts";
import type { DurationMs } from "../kernel/time.ts";
import { socketPeer, unmapped } from "./address.ts";
import type { Bound, Refused } from "./refusals.ts";

/** A connection that was made elsewhere and is carried over here, for whoever is at its other end. */
export type CarriedSocket = Duplex & {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate: Certificate | undefined;
};

/** Where callers come from: a machine, or all that are behind one proxy. */
export type Address = {
  connectionCount: number;
  /** Of each lane (see admission), by its index: what is under way for this address. */
  readonly underWay: number[];
  /** Of the calls that are under way for it. */
  keptHeaderBytes: number;
};

export type Connection = {
  readonly address: Address;
  /** Who is at its other end, for logs. */
  readonly peer: string;
  /** It came by the listener for this process alone. */
  readonly isOwn: boolean;
  /** What its client has proved by TLS, once its handshake is over. */
  certificate: Certificate | undefined;
  /** Watches and sessions on it. */
  lastingCount: number;
  /** Must be told of the session that speaks on it. */
  readonly speaks: (session: ServerHttp2Session) => void;
};

/** The connections to this server, bounded in number and in how long they may say nothing. */
export type Connections = {
  /** Undefined if there are too many; the socket is destroyed then, since nobody knows yet whether it speaks anything. */
  readonly open: (socket: Socket | CarriedSocket, isOwn?: boolean) => Connection | undefined;
  readonly count: () => number;
  /** Ends them, whatever they speak. */
  readonly destroy: () => void;
};

export type ConnectionBounds = {
  readonly connectionsMax: number;
  /** How much of that one address may have. */
  readonly addressShare: number;
  readonly handshakeMs: DurationMs;
};

export function createConnections(bounds: ConnectionBounds, refused: Refused): Connections {
  const { connectionsMax, addressShare, handshakeMs } = bounds;
  const ofProcess: Bound = { kind: "connection", service: "", of: "process", limit: connectionsMax };
  const ofAddress: Bound = { ...ofProcess, of: "address", limit: Math.ceil(connectionsMax * addressShare) };
  const sockets = new Set<Socket | CarriedSocket>();
  const addresses = new Map<string, Address>();

  function excess(address: Address): Bound | undefined {
    if (sockets.size >= ofProcess.limit) return ofProcess;
    return address.connectionCount >= ofAddress.limit ? ofAddress : undefined;
  }

  function open(socket: Socket | CarriedSocket, isOwn = false): Connection | undefined {
    const name = unmapped(socket.remoteAddress ?? "");
    const address = addresses.get(name) ?? { connectionCount: 0, underWay: [], keptHeaderBytes: 0 };
    const bound = excess(address);
    if (bound !== undefined) {
      socket.destroy();
      refused(bound);
      return undefined;
    }
    addresses.set(name, address);
    address.connectionCount += 1;
    sockets.add(socket);
    const silence = setTimeout(() => socket.destroy(), handshakeMs).unref();
    socket.once("close", () => {
      clearTimeout(silence);
      sockets.delete(socket);
      address.connectionCount -= 1;
      if (address.connectionCount === 0) addresses.delete(name);
    });
    // SETTINGS are the first that a client has to say.
    return {
      address,
      peer: socketPeer(socket),
      isOwn,
      certificate: undefined,
      lastingCount: 0,
      speaks: (session) => void session.once("remoteSettings", () => clearTimeout(silence)),
    };
  }

  return {
    open,
    count: () => sockets.size,
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
