import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { overloaded } from "./errors.ts";
import { chunkOverheadBytes } from "./limits.ts";
import { type Bound, boundWords, type Refused } from "./refusals.ts";
import { statusHeaders } from "./status-headers.ts";

/** A request of which something has come, and not all. */
type Half = { readonly stream: ServerHttp2Stream; bytes: number; lastBuffer: ArrayBufferLike | undefined };

/** What is kept of requests that are not whole yet. No handler knows of them, and their senders may take their time. */
export type Receiving = {
  /** After grpc-js has begun to listen to the stream: it pauses it when a message is whole. */
  readonly watch: (stream: ServerHttp2Stream) => void;
  readonly bytes: () => number;
};

/** Beyond `bytesMax` of all callers together the largest is refused: who sends little is never refused for those who send much. */
export function createReceiving(bytesMax: number, refused: Refused): Receiving {
  const bound: Bound = { kind: "request-byte", service: "", of: "process", limit: bytesMax };
  const halves = new Set<Half>();
  let answer: OutgoingHttpHeaders | undefined;
  let bytes = 0;

  function forget(half: Half): void {
    halves.delete(half);
    bytes -= half.bytes;
    half.bytes = 0;
    half.lastBuffer = undefined;
  }

  function add(half: Half, chunk: Buffer): void {
    // A chunk keeps all that was read from the connection with it.
    const added = chunkOverheadBytes + (chunk.buffer === half.lastBuffer ? 0 : chunk.buffer.byteLength);
    halves.add(half);
    half.lastBuffer = chunk.buffer;
    half.bytes += added;
    bytes += added;
  }

  function refuseLargest(): void {
    const largest = [...halves].reduce((most, half) => (half.bytes > most.bytes ? half : most));
    forget(largest);
    answer ??= statusHeaders(overloaded(bytesMax, boundWords(bound)));
    end(largest.stream, answer);
    refused(bound);
  }

  return {
    watch(stream) {
      // Answered already, it is not read.
      if (stream.headersSent) return;
      let half: Half | undefined;
      stream.on("data", (chunk: Buffer) => {
        // Paused: the message is whole. Ended: there is an answer, and nothing is kept of what still comes.
        if (stream.isPaused() || stream.writableEnded) {
          if (half !== undefined) forget(half);
          return;
        }
        half ??= begin(stream);
        add(half, chunk);
        if (bytes > bytesMax) refuseLargest();
      });
    },
    bytes: () => bytes,
  };

  function begin(stream: ServerHttp2Stream): Half {
    const half = { stream, bytes: 0, lastBuffer: undefined };
    stream.once("close", () => forget(half));
    return half;
  }
}

/** Answers a call that grpc-js has not heard of in whole. */
export function end(stream: ServerHttp2Stream, answer: OutgoingHttpHeaders): void {
  if (stream.closed) return;
  if (stream.headersSent) {
    // An answer that has begun cannot become a refusal; gRPC knows this code as RESOURCE_EXHAUSTED.
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  // Whatever is read already does not become a call any more.
  stream.removeAllListeners("data").removeAllListeners("end").resume();
  stream.respond(answer, { endStream: true });
  // The rest is not wanted. Later: what Node has not yet sent of a stream is lost when it is closed.
  setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
}
