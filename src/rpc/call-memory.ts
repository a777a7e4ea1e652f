import type { ServerInterceptingCall, ServerInterceptor } from "@grpc/grpc-js";
import { bulkhead } from "cockatiel";
import { overloaded } from "./errors.ts";
import { compressedBytesMax, decompressionsMax } from "./limits.ts";
import { callStatus } from "./status-headers.ts";

/** What a call of grpc-js has in it, and does not show. Called with each message that has come whole. */
type Inside = {
  readonly decoder: { readPartialMessage: readonly Buffer[]; readonly readMessageRemaining: number };
  decompressMessage: (message: Buffer, encoding: string) => Buffer | Promise<Buffer>;
};

const notCompressed = "identity";

/**
 * grpc-js keeps the chunks of a message until the next one begins, for a call or a watch until its end, and decompresses all that have come
 * at the same time, so that each of a thousand small ones may have grown to the largest size before the first is read. Here chunks are given
 * up when a message is whole, and few are decompressed at a time. Must be given the call itself: before other interceptors.
 */
export function callMemory(): ServerInterceptor {
  const few = bulkhead(decompressionsMax, Number.POSITIVE_INFINITY);
  let compressedBytes = 0;

  async function decompressInTurn(message: Buffer, decompress: () => Buffer | Promise<Buffer>): Promise<Buffer> {
    if (compressedBytes + message.length > compressedBytesMax)
      throw callStatus(overloaded(compressedBytesMax, "bytes of compressed requests wait"));
    compressedBytes += message.length;
    try {
      return await few.execute(decompress);
    } finally {
      compressedBytes -= message.length;
    }
  }

  return (_method, call) => {
    const inside = call as unknown as Inside;
    const { decoder } = inside;
    const decompress = inside.decompressMessage;
    inside.decompressMessage = (message, encoding) => {
      // Unless the next one has begun in the same chunk.
      if (decoder.readMessageRemaining === 0) decoder.readPartialMessage = [];
      if (encoding === notCompressed) return decompress.call(call, message, encoding);
      return decompressInTurn(message, () => decompress.call(call, message, encoding));
    };
    return call as ServerInterceptingCall;
  };
}
