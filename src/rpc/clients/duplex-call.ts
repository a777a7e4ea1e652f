import { connect, type IncomingHttpHeaders } from "node:http2";
import { connect as dial } from "node:net";
import { type ConnectionOptions, connect as dialTls } from "node:tls";
import { Status } from "nice-grpc-common";
import { type Place, placeOf } from "../../kernel/address.ts";
import { assert } from "../../kernel/assert.ts";
import { messageBytesDefault } from "../../kernel/limits.ts";
import { createFrameReader, framed } from "../frames.ts";
import { type ToldStatus, toldStatus } from "../told-status.ts";
import { unconnectedCause } from "./cause.ts";
import { authorizationOf, type ClientSecurity, checkToken, tlsOptionsFor } from "./security.ts";

/** The call has ended otherwise than well. The message says why. */
export class CallEnded extends Error {
  override readonly name = "CallEnded";
  /** Undefined: nobody has told, the connection is gone or there was none. */
  readonly status: ToldStatus | undefined;

  constructor(message: string, status?: ToldStatus, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/**
 * A call whose both sides stream, over a connection of its own: sends what `outgoing` yields, one write for each array, and yields what has come
 * together. Ends when the call has succeeded, or throws a CallEnded; leaves when `signal` aborts. Not a client library, which would take a turn of the
 * event loop, and ten times the work, for each message: nothing is compressed, balanced or retried, and who is silent is found out by who
 * uses it.
 */
export async function* duplexCall(
  call: { readonly address: string; readonly path: string; readonly security?: ClientSecurity | undefined },
  outgoing: AsyncIterable<readonly Uint8Array[]>,
  signal: AbortSignal,
): AsyncGenerator<readonly Buffer[], void> {
  const place = placeOf(call.address);
  assert(place !== undefined, "an address is checked before it is dialled");
  signal.throwIfAborted();
  checkToken(call.address, call.security ?? {});
  const authorization = authorizationOf(call.security ?? {});
  const tls = tlsOptionsFor(call.address, call.security ?? {});
  const session = connect(`${tls ? "https" : "http"}://${authorityOf(place)}`, {
    createConnection: () =>
      tls ? dialTls({ ...place, ...tls } as ConnectionOptions).setNoDelay() : dial({ ...place, noDelay: true }),
    settings: { enablePush: false },
  });
  let isConnected = false;
  session.once("remoteSettings", () => {
    isConnected = true;
  });
  let broken: Error | undefined;
  session.on("error", (error: Error) => {
    broken = error;
  });
  const stream = session.request({
    ":method": "POST",
    ":path": call.path,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...(authorization !== undefined && { authorization }),
  });
  // It is thrown where its chunks are read.
  stream.on("error", () => undefined);
  let told: IncomingHttpHeaders | undefined;
  const hear = (headers: IncomingHttpHeaders): void => {
    told = { ...told, ...headers };
  };
  stream.on("response", hear);
  stream.on("trailers", hear);
  const leave = (): void => session.destroy();
  signal.addEventListener("abort", leave);

  async function say(): Promise<void> {
    for await (const burst of outgoing) {
      if (stream.writable && !stream.write(framed(burst))) await drained();
    }
    if (stream.writable) stream.end();
  }

  const drained = (): Promise<void> =>
    new Promise((resolve) => {
      const go = (): void => {
        stream.off("drain", go).off("close", go);
        resolve();
      };
      stream.on("drain", go).on("close", go);
    });

  const read = createFrameReader(messageBytesDefault);
  try {
    // What cannot be said ends the call, as any other break does.
    say().catch((error: Error) => stream.destroy(error));
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const messages = read(chunk);
      if (messages.length > 0) yield messages;
    }
  } catch (error) {
    // Who has told how it ends may close the stream before all is said.
    if (told?.["grpc-status"] === undefined) throw cutOff(broken ?? error, isConnected, tls !== undefined);
  } finally {
    signal.removeEventListener("abort", leave);
    session.destroy();
  }
  if (!isConnected && tls !== undefined) throw cutOff(closedInHandshake, false, true);
  const status = told && (toldStatus(told) ?? httpStatus(told));
  if (status === undefined) throw new CallEnded(`the stream was closed with code ${stream.rstCode}`);
  if (status.code !== Status.OK) throw new CallEnded(status.message, status);
}

const codesByHttpStatus: Readonly<Record<number, Status>> = {
  401: Status.UNAUTHENTICATED,
  403: Status.PERMISSION_DENIED,
  404: Status.UNIMPLEMENTED,
};

/** Of who answers without a word of gRPC, as gRPC has it. */
function httpStatus(headers: IncomingHttpHeaders): ToldStatus | undefined {
  const status = Number(headers[":status"]);
  if (status === 200) return undefined;
  const code = codesByHttpStatus[status] ?? Status.UNKNOWN;
  return { code, message: unconnectedCause(`HTTP status ${status}`), reason: undefined };
}

const closedInHandshake = new Error("the connection was closed during the handshake of TLS");

function cutOff(cause: unknown, wasConnected: boolean, isTls: boolean): CallEnded {
  // Of a certificate that a server refuses, it says nothing but this.
  const isClosed = isTls && (cause as NodeJS.ErrnoException).code === "ECONNRESET";
  const error = isClosed && !wasConnected ? closedInHandshake : cause;
  const words = error instanceof Error ? error.message : String(error);
  return new CallEnded(wasConnected ? `the connection is gone (${words})` : unconnectedCause(words), undefined, { cause: error });
}

const authorityOf = (place: Place): string =>
  "path" in place ? "localhost" : `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
