import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";

/** A gRPC call made by hand: for headers, and for manners, that no proper client has. */
export type RawCall = {
  readonly stream: ClientHttp2Stream;
  readonly send: (message: Uint8Array) => void;
  /** `grpc-status`, once the call has ended and all that it has sent was read. */
  readonly status: Promise<unknown>;
};

/** One connection, from an address of one's choice: on Linux, the loopback has all of 127.0.0.0/8. */
export type RawConnection = {
  readonly session: ClientHttp2Session;
  readonly call: (path: string, headers?: OutgoingHttpHeaders) => RawCall;
  readonly close: () => void;
};

export function openRawConnection(address: string, localAddress = "127.0.0.1"): RawConnection {
  const { hostname, port } = new URL(`http://${address}`);
  const createConnection = () => connectTcp({ host: hostname, port: Number(port), localAddress });
  // Of a header that may come once, it sends two if it is given two: of clients, Node's types do not have that yet.
  const options = { createConnection, strictSingleValueFields: false };
  const session = connect(`http://${address}`, options);
  session.on("error", () => undefined);
  return { session, call: (path, headers = {}) => openCall(session, path, headers), close: () => session.destroy() };
}

export function openRawCall(
  address: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
): RawCall & Pick<RawConnection, "close"> {
  const { call, close } = openRawConnection(address);
  return { ...call(path, headers), close };
}

/** A message as gRPC has it on the wire: not compressed, its length, its bytes. */
export function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function openCall(session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders): RawCall {
  const standing = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ...standing, ...headers });
  const status = Promise.withResolvers<unknown>();
  stream.on("error", () => undefined);
  // An answer without a message has its trailers in the first headers.
  stream.on("response", (received) => "grpc-status" in received && status.resolve(received["grpc-status"]));
  stream.on("trailers", (trailers) => status.resolve(trailers["grpc-status"]));
  return { stream, send: (message) => void stream.write(framed(message)), status: status.promise };
}
