import { gunzipSync, inflateSync } from "node:zlib";
import { type ServerInterceptingCall, type ServerInterceptor, status as Status } from "@grpc/grpc-js";
import { createDecompressing } from "./decompressing.ts";
import { decompressedAtOnceBytesMax } from "./limits.ts";

/** What a call of grpc-js has in it, and does not show. Called with each message that has come whole. */
type Inside = {
  readonly decoder: { readPartialMessage: readonly Buffer[]; readonly readMessageRemaining: number };
  readonly checkCancelled: () => boolean;
  decompressMessage: (message: Buffer, encoding: string) => Buffer | Promise<Buffer>;
};

const notCompressed = "identity";
const prefixBytes = 5;
const decompressors = new Map([
  ["gzip", gunzipSync],
  ["deflate", inflateSync],
]);

/**
 * grpc-js keeps the chunks of a message until the next one begins, for a call or a watch until its end, and decompresses all that have come
 * at the same time, so that each of a thousand small ones may have grown to the largest size before the first is read. Here chunks are given
 * up when a message is whole, and few are decompressed at a time. Must be given the call itself: before other interceptors.
 */
export function callMemory(): ServerInterceptor {
  const inTurn = createDecompressing();

  return (_method, call) => {
    const inside = call as unknown as Inside;
    const { decoder } = inside;
    const decompress = inside.decompressMessage;
    inside.decompressMessage = (message, encoding) => {
      // Unless the next one has begun in the same chunk.
      if (decoder.readMessageRemaining === 0) decoder.readPartialMessage = [];
      if (encoding === notCompressed) return decompress.call(call, message, encoding);
      return (
        decompressedAtOnce(message, encoding) ??
        inTurn(call.getPeer(), message.length, () => {
          // Nobody hears of this, and nobody waits for what it would have become.
          if (inside.checkCancelled()) throw { code: Status.CANCELLED, details: "cancelled before it was read" };
          return decompress.call(call, message, encoding);
        })
      );
    };
    return call as ServerInterceptingCall;
  };
}

/** What is small need not wait for what is large. Undefined for all else, and for what cannot be read: grpc-js says what is wrong with it. */
function decompressedAtOnce(message: Buffer, encoding: string): Buffer | undefined {
  if (message.length > decompressedAtOnceBytesMax) return undefined;
  try {
    const contents = message.subarray(prefixBytes);
    return decompressors.get(encoding)?.(contents, { maxOutputLength: decompressedAtOnceBytesMax });
  } catch {
    return undefined;
  }
}
