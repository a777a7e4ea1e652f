import { gunzipSync, inflateSync } from "node:zlib";
import { type ServerInterceptingCall, type ServerInterceptor, status as Status } from "@grpc/grpc-js";
import { createDecompressing } from "./decompressing.ts";
import { decompressedAtOnceBytesMax } from "./limits.ts";

/** What a call of grpc-js has in it, and does not show. Called with each message that has come whole. */
type Inside = {
  readonly decoder: { readPartialMessage: readonly Buffer[]; readonly readMessageRemaining: number };
  readonly checkCancelled: () => boolean;
  readonly getPeer: () => string;
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
 *
 * One function for all calls: V8 keeps a call to which a function of its own is added, and all that hangs on it, until the next collection of all
 * garbage.
 */
export function callMemory(): ServerInterceptor {
  const inTurn = createDecompressing();

  function decompressMessage(this: Inside, message: Buffer, encoding: string): Buffer | Promise<Buffer> {
    const { decompressMessage: decompress } = Object.getPrototypeOf(this) as Inside;
    // Unless the next one has begun in the same chunk.
    if (this.decoder.readMessageRemaining === 0) this.decoder.readPartialMessage = [];
    if (encoding === notCompressed) return decompress.call(this, message, encoding);
    return (
      decompressedAtOnce(message, encoding) ??
      inTurn(this.getPeer(), message.length, () => {
        // Nobody hears of this, and nobody waits for what it would have become.
        if (this.checkCancelled()) throw { code: Status.CANCELLED, details: "cancelled before it was read" };
        return decompress.call(this, message, encoding);
      })
    );
  }

  return (_method, call) => {
    (call as unknown as Inside).decompressMessage = decompressMessage;
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
