import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { DurationMs } from "../kernel/time.ts";
import type { Logger } from "../runtime/logger.ts";
import { provenBy } from "../runtime/tls/proven.ts";
import { rawOf, standBefore } from "../runtime/tls/stand-before.ts";
import type { Tls } from "../runtime/tls/tls.ts";
import type { Connection, Connections } from "./connections.ts";

export type TlsDoor = {
  readonly tls: Tls;
  readonly handshakeMs: DurationMs;
  readonly logger: Logger;
};

/** Takes what has come by a port: a connection counts from its first byte, and is served once its handshake is over. */
export function createTlsDoor(
  { tls, handshakeMs, logger }: TlsDoor,
  connections: Connections,
  serve: (connection: Connection, socket: Socket) => void,
): (socket: Socket) => void {
  const shaking = new WeakMap<Socket, Connection>();
  // It listens nowhere: what comes is handed to it.
  const server = createServer({ ...tls.options(), ALPNProtocols: ["h2"] });
  standBefore(server, { tls, handshakeMs, logger });
  server.on("secureConnection", (secure) => {
    const connection = shaking.get(rawOf(secure));
    if (connection === undefined || secure.destroyed) return;
    connection.certificate = provenBy(secure);
    serve(connection, secure);
  });
  return (socket) => {
    const connection = connections.open(socket);
    if (connection === undefined) return;
    shaking.set(socket, connection);
    server.emit("connection", socket);
  };
}
