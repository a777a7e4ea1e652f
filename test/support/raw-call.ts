import { type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";

/** A gRPC call made by hand: for headers, and for manners, that no proper client has. */
export type RawCall = {
  readonly stream: ClientHttp2Stream;
  readonly send: (message: Uint8Array) => void;
  /** `grpc-status`, once the call has ended and all that it has sent was read. */
  readonly status: Promise<unknown>;
  readonly close: () => void;
};

export function openRawCall(address: string, path: string, headers: OutgoingHttpHeaders = {}): RawCall {
  const session = connect(`http://${address}`);
  session.on("error", () => undefined);
  const standing = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ...standing, ...headers });
  const status = Promise.withResolvers<unknown>();
  stream.on("error", () => undefined);
  // An answer without a message has its trailers in the first headers.
  stream.on("response", (received) => "grpc-status" in received && status.resolve(received["grpc-status"]));
  stream.on("trailers", (trailers) => status.resolve(trailers["grpc-status"]));
  return {
    stream,
    send(message) {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      stream.write(Buffer.concat([prefix, message]));
    },
    status: status.promise,
    close: () => session.destroy(),
  };
}
