import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { assert } from "../../kernel/assert.ts";
import { createSeldomLog } from "../../kernel/seldom.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Logger } from "../logger.ts";
import type { Tls } from "./tls.ts";

/** Of one listener: whoever does not come to an end with it counts. */
const handshakeCountMax = 10_000;

/** The first byte of each connection by TLS: a record of its handshake. */
const handshakeRecord = 0x16;

const plainAnswer = [
  "HTTP/1.1 400 Bad Request",
  "connection: close",
  "content-type: text/plain; charset=utf-8",
  "",
  "This port takes TLS only, and this was plain text. Use https, or TLS in your gRPC client.",
  "",
].join("\r\n");

type Options = {
  readonly tls: Tls;
  /** How long a handshake may take. */
  readonly handshakeMs: DurationMs;
  readonly logger: Logger;
};

/**
 * Stands before a server of TLS: ends what is not TLS, with words that its sender may understand, bounds handshakes in number and time, tells
 * the log why one has failed, and gives the server other certificates when there are. Of connections that are open none notices, but those whose
 * certificates have been revoked end.
 */
export function standBefore(server: Server, { tls, handshakeMs, logger }: Options): void {
  const seldom = createSeldomLog(logger, () => performance.now());
  const listeners = server.listeners("connection") as readonly ((socket: Socket) => void)[];
  const [handshake] = listeners;
  assert(listeners.length === 1 && handshake !== undefined, "only Node's own listener begins handshakes");
  server.removeAllListeners("connection");
  const shaking = new Set<Socket>();
  const open = new Set<TLSSocket>();

  server.on("connection", (socket: Socket) => {
    // Its end says enough, and an error that nobody hears would end the process.
    socket.on("error", () => undefined);
    if (shaking.size >= handshakeCountMax) {
      socket.destroy();
      return;
    }
    const peer = socket.remoteAddress ?? "";
    let isPlain = false;
    const late = setTimeout(() => {
      if (!isPlain) tls.handshakeFailed("late");
      socket.destroy();
    }, handshakeMs).unref();
    shaking.add(socket);
    socket.once("close", () => over(socket));
    overOf.set(socket, () => {
      clearTimeout(late);
      shaking.delete(socket);
    });
    socket.once("data", (first: Buffer) => {
      socket.pause();
      if (first[0] === handshakeRecord) {
        socket.unshift(first);
        handshake.call(server, socket);
      } else {
        isPlain = true;
        tls.handshakeFailed("plain text");
        seldom.warn(peer, { peer }, "a client speaks plain text to a port that takes TLS");
        socket.end(plainAnswer);
        // Nobody reads what else it says.
        socket.resume();
      }
    });
  });
  server.on("secureConnection", (secure: TLSSocket) => {
    over(rawOf(secure));
    // Where it may show none, a bad one is no better than where it must.
    if (secure.authorizationError && secure.getPeerX509Certificate() !== undefined) {
      refused(secure, String(secure.authorizationError));
      secure.destroy();
      return;
    }
    open.add(secure);
    secure.once("close", () => open.delete(secure));
  });
  server.on("tlsClientError", (error: NodeJS.ErrnoException, secure: TLSSocket) => {
    refused(secure, secure.authorizationError ? String(secure.authorizationError) : (error.code ?? error.message));
  });
  tls.onChange((options, revoked) => {
    server.setSecureContext(options);
    for (const secure of open) if (isRevoked(secure, revoked)) endRevoked(secure);
  });

  /** Its client cannot come back. One of another CA that has the same number can, and does. */
  function endRevoked(secure: TLSSocket): void {
    logger.warn({ peer: secure.remoteAddress ?? "" }, "a connection is ended: its client's certificate has been revoked");
    secure.destroy();
  }

  function refused(secure: TLSSocket, cause: string): void {
    tls.handshakeFailed(cause);
    const peer = secure.remoteAddress ?? rawOf(secure).remoteAddress ?? "";
    // Who only looks whether somebody listens, hangs up.
    if (cause === "ECONNRESET") logger.debug({ peer }, "a client has hung up during its handshake");
    else seldom.warn(`${peer} ${cause}`, { peer, cause }, "a handshake of TLS has failed");
  }
}

function isRevoked(secure: TLSSocket, revoked: ReadonlySet<bigint>): boolean {
  const shown = revoked.size === 0 ? undefined : secure.getPeerX509Certificate();
  return shown !== undefined && revoked.has(BigInt(`0x${shown.serialNumber}`));
}

const overOf = new WeakMap<Socket, () => void>();

const over = (socket: Socket): void => overOf.get(socket)?.();

/** Of a connection by TLS, the one that carries it. */
export function rawOf(secure: TLSSocket): Socket {
  const { _parent } = secure as unknown as { readonly _parent?: Socket };
  assert(_parent !== undefined, "a server's connection by TLS was made of one that it has accepted");
  return _parent;
}
