import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { Status } from "nice-grpc-common";
import { shuttingDown } from "../rpc/errors.ts";
import { createFrameReader, framed } from "../rpc/frames.ts";
import { type CallFailure, failureOf, failureWith } from "./call-failure.ts";

export type GrpcCall = {
  /** The messages of the answer, one after the other, as fast as they are taken. Ends when all have come; throws nothing. */
  readonly messages: AsyncGenerator<Uint8Array, void>;
  /** Once the messages have ended. Undefined: it succeeded. */
  readonly failure: () => Promise<CallFailure | undefined>;
  /** Of the answer, as far as they have come. */
  readonly headers: () => IncomingHttpHeaders;
  /** Leaves, as a caller does who waits no longer. */
  readonly leave: () => void;
};

/**
 * A call with one request, over a session that exists. Not a client library: what is sent here is bytes and comes back as bytes, the deadline is
 * the caller's text, and nothing is retried. So there is no second opinion on what a call is.
 */
export function callGrpc(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>>,
  message: Uint8Array,
): GrpcCall {
  let stream: ClientHttp2Stream;
  try {
    stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...headers,
    });
  } catch {
    // It is being closed, or is closed.
    return { messages: nothing(), failure: async () => failureWith(shuttingDown()), headers: () => ({}), leave: () => undefined };
  }
  let answered: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders | undefined;
  stream.on("response", (received) => {
    answered = received;
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  // How it ended says its code, and an error that nobody hears would end the process.
  stream.on("error", () => undefined);
  const closed = Promise.withResolvers<void>();
  stream.once("close", closed.resolve);
  stream.end(framed([message]));
  return {
    messages: messagesOf(stream),
    failure: async () => {
      await closed.promise;
      const told = trailers ?? answered;
      // Without trailers, its status is in its headers.
      return told["grpc-status"] === undefined ? cutOff(stream) : failureOf(told);
    },
    headers: () => answered,
    leave: () => stream.close(constants.NGHTTP2_CANCEL),
  };
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}

const gone: CallFailure = {
  code: Status.UNAVAILABLE,
  reason: undefined,
  message:
    "the server has closed the connection; a retry of a change with the same request id in its body settles what has become of it",
  metadata: {},
  fields: [],
  preconditions: [],
  retryAfterMs: 1_000,
};

/** gRPC knows these codes of HTTP/2 as statuses. */
function cutOff({ rstCode }: ClientHttp2Stream): CallFailure {
  return rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM ? unsent : gone;
}

/** It has no reason, as over gRPC: that it was not sent does not say that nothing was done. */
export const unsent: CallFailure = {
  ...gone,
  code: Status.RESOURCE_EXHAUSTED,
  reason: undefined,
  message:
    "the answer was not sent, too much waits; a retry of a change with the same request id in its body settles what has become of it",
};

/** Of a stream that pauses while nobody takes them. */
async function* messagesOf(stream: ClientHttp2Stream): AsyncGenerator<Uint8Array, void> {
  const read = createFrameReader(Number.POSITIVE_INFINITY);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield* read(chunk);
  } catch {
    // It was cut off: its code says how.
  }
}
