import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import { Socket } from "node:net";
import type { Counted } from "../access/quotas.ts";
import { assert } from "../kernel/assert.ts";
import type { Certificate } from "../kernel/certificate.ts";
import { timerMaxMs } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import { unixPeer } from "./address.ts";
import type { Admission } from "./admission.ts";
import type { CarriedSocket, Connection, Connections } from "./connections.ts";
import type { Entrants } from "./entrants.ts";
import { invalidField, twoProofs } from "./errors.ts";
import type { Entrance, Gate } from "./gate.ts";
import { type HeaderSize, hasTwoProofs, sizeOfHeaders } from "./headers.ts";
import {
  headerBytesMax,
  resetBurstMax,
  resetsPerSecondMax,
  streamCountPerConnectionMax,
  waitingRefusalCountMax,
} from "./limits.ts";
import type { Receiving } from "./receiving.ts";
import { createLine, type Line, type Starting } from "./starting.ts";
import { statusHeaders } from "./status-headers.ts";
import { shortenTimeout, takeTimeout } from "./timeout-header.ts";
import { createTlsDoor, type TlsDoor } from "./tls-door.ts";

/** What grpc-js would give to Node, and what it would not. */
const sessionOptions: ServerOptions = {
  // As grpc-js has them: beyond either, Node drops streams without a word. What they bound is bounded otherwise.
  maxSessionMemory: Number.MAX_SAFE_INTEGER,
  maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
  settings: { maxConcurrentStreams: streamCountPerConnectionMax, maxHeaderListSize: headerBytesMax },
  streamResetBurst: resetBurstMax,
  streamResetRate: resetsPerSecondMax,
};

/** The same whether anybody has to prove anything here: what is in the way may ask for it. */
const ambiguous: Entrance = { answer: statusHeaders(invalidField("", twoProofs)) };

type Front = {
  readonly connections: Connections;
  readonly gate: Gate;
  readonly entrants: Entrants;
  readonly admission: Admission;
  readonly receiving: Receiving;
  readonly starting: Starting;
  /** Of what comes by a port. Undefined: that is plain text. */
  readonly tlsDoor: TlsDoor | undefined;
};

const aboutToListen = "tracing:net.server.listen:asyncStart";
const listening = new AsyncLocalStorage<Front>();

/**
 * Runs `listen`, and stands before each HTTP/2 server that it opens: a connection is accepted here, and each call admitted, before the
 * server hears of it. For grpc-js makes its servers itself, shows them to nobody, and hands on none of the options above but one.
 */
export async function listenBehind<Port>(front: Front, listen: () => Promise<Port>): Promise<Listening<Port>> {
  const accepting: Accept[] = [];
  const onServer = (message: unknown): void => {
    if (listening.getStore() !== front) return;
    accepting.push(standBefore((message as { readonly server: Http2Server }).server, front));
  };
  subscribe(aboutToListen, onServer);
  try {
    const port = await listening.run(front, listen);
    const [accept] = accepting;
    assert(accept !== undefined, "a server listens");
    return { port, accept };
  } finally {
    unsubscribe(aboutToListen, onServer);
  }
}

/** Serves a connection, unless there are too many: then it is destroyed. */
export type Accept = (socket: Socket | CarriedSocket, isOwn?: boolean) => void;

/** A call whose headers have come. */
type Incoming = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly flags: number;
  readonly path: string;
  readonly size: HeaderSize;
  readonly timeoutMs: DurationMs | undefined;
  readonly connection: Connection;
  readonly line: Line;
};

type Listening<Port> = { readonly port: Port; readonly accept: Accept };

function standBefore(
  server: Http2Server,
  { connections, gate, entrants, admission, receiving, starting, tlsDoor }: Front,
): Accept {
  assert(server.listenerCount("connection") === 1, "only Node's own listener makes sessions");
  server.removeAllListeners("connection");
  let waitingRefusalCount = 0;

  /** Who waits for a refusal asks for nothing else meanwhile: one that comes again at once, and again, would cost the others more than its calls. */
  function refuse(stream: ServerHttp2Stream, { answer, afterMs }: Extract<Entrance, { readonly answer: unknown }>): void {
    // Nobody reads the request: Node closes the stream once this is sent.
    const respond = (): void => stream.respond(answer, { endStream: true });
    if (afterMs === undefined || waitingRefusalCount >= waitingRefusalCountMax) {
      respond();
      return;
    }
    waitingRefusalCount += 1;
    const timer = setTimeout(respond, afterMs).unref();
    stream.once("close", () => {
      waitingRefusalCount -= 1;
      clearTimeout(timer);
    });
  }

  function enter(incoming: Incoming, entrance: Entrance): void {
    const { stream, headers } = incoming;
    // Its caller may have left while what it has shown was looked at.
    if (stream.destroyed) {
      if ("proof" in entrance) entrance.counted?.leave();
      return;
    }
    if ("answer" in entrance) {
      refuse(stream, entrance);
      return;
    }
    // It has served its purpose, and is to be read, logged or handed on by nobody else.
    delete headers.authorization;
    const leave = entrants.enter(headers, entrance.proof);
    if (leave !== undefined) stream.once("close", leave);
    if (entrance.counted !== undefined) stream.once("close", entrance.counted.leave);
    admit(incoming, entrance.counted?.received);
  }

  function admit(
    { stream, headers, flags, path, size, timeoutMs, connection, line }: Incoming,
    received: Counted["received"],
  ): void {
    const call = admission.admit(stream, path, size, connection);
    if (call === undefined) return;
    const begin = (waitedMs: DurationMs): void => {
      call.hasBegun = true;
      if (stream.destroyed) return;
      if (timeoutMs !== undefined && waitedMs > 0) shortenTimeout(headers, timeoutMs, waitedMs);
      server.emit("stream", stream, headers, flags);
      receiving.watch(stream);
      if (received !== undefined) stream.on("data", (chunk: Buffer) => received(chunk.length));
    };
    const refuse = (waitMs: DurationMs): void => admission.refuseTurn(call, waitMs);
    const over = starting.enter(call.queue, { line, timeoutMs, begin, refuse, isWhole: () => stream.readableEnded });
    stream.once("close", () => {
      over(stream.rstCode === constants.NGHTTP2_NO_ERROR);
      letGo(stream);
    });
  }

  function serve(connection: Connection, socket: Socket | CarriedSocket): void {
    const line = createLine(socket);
    const session = performServerHandshake(socket as Socket, sessionOptions);
    if (!(socket instanceof Socket)) namePeer(session, socket);
    connection.speaks(session);
    endWithCertificate(session, connection.certificate);
    // Their end says enough, and an error that nobody hears would end the process.
    session.on("error", () => undefined);
    session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: string[]) => {
      // Also of one that is refused.
      stream.on("error", ignored);
      const size = sizeOfHeaders(rawHeaders);
      if (size.bytes > headerBytesMax) {
        // As Node does itself, but only once the client has acknowledged the settings.
        stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
        return;
      }
      const timeoutMs = takeTimeout(headers);
      const incoming = { stream, headers, flags, path: String(headers[":path"]), size, timeoutMs, connection, line };
      const { certificate, isOwn, peer } = connection;
      const entrance = hasTwoProofs(headers, rawHeaders)
        ? ambiguous
        : gate.enter({ path: incoming.path, peer, authorization: headers.authorization, certificate, isOwn });
      if (!(entrance instanceof Promise)) enter(incoming, entrance);
      // A defect ends the call, and nothing else.
      else entrance.then((known) => enter(incoming, known)).catch(() => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    });
    server.emit("session", session);
  }

  const accept: Accept = (socket, isOwn = false) => {
    // Of a unix socket there is nothing to be found out.
    if (socket.remoteAddress === undefined && !socket.destroyed) Object.assign(socket, { _peername: { address: unixPeer } });
    const connection = connections.open(socket, isOwn);
    if (connection === undefined) return;
    if (!(socket instanceof Socket)) connection.certificate = socket.certificate;
    serve(connection, socket);
  };
  const byPort = tlsDoor === undefined ? (socket: Socket) => accept(socket) : createTlsDoor(tlsDoor, connections, serve);
  server.on("connection", byPort);
  return accept;
}

/**
 * A client comes again with the certificate that it has by then: calls go on until they are over, and streams have an end of their own. Without it, a
 * client that keeps its connection would be refused on it for ever.
 */
function endWithCertificate(session: ServerHttp2Session, certificate: Certificate | undefined): void {
  if (certificate === undefined) return;
  const wait = (): NodeJS.Timeout =>
    setTimeout(look, Math.min(timerMaxMs, Math.max(0, certificate.notAfterMs - Date.now()))).unref();
  const look = (): void => {
    if (Date.now() < certificate.notAfterMs) timer = wait();
    else session.close();
  };
  let timer = wait();
  session.once("close", () => clearTimeout(timer));
}

/**
 * A session of Node's keeps streams that have closed in a Map, as long as it may (see kernel/roster), and by their listeners all that hangs on their
 * calls. "close" is the last that any of them hears.
 */
function letGo(stream: ServerHttp2Stream): void {
  stream.removeAllListeners().on("error", ignored);
}

const ignored = (): void => undefined;

/** Node wraps what is no socket of its own, and the wrapping has no peer. This is where a socket keeps the one that it has found out. */
function namePeer({ socket }: ServerHttp2Session, { remoteAddress, remotePort }: CarriedSocket): void {
  Object.assign(socket, { _peername: { address: remoteAddress, port: remotePort } });
  assert(socket.remoteAddress === remoteAddress, "logs and bounds are by the address of the caller");
}
