import type { IncomingMessage } from "node:http";
import type { RichServerError } from "nice-grpc-error-details";
import { messageTooLarge, overloaded } from "../rpc/errors.ts";
import { type Bound, boundWords, type Refused } from "../rpc/refusals.ts";

/** The bodies that are being received. */
export type Bodies = {
  /** The whole body; or why it is not taken, while it may still come. Undefined: its sender has left. */
  readonly read: (request: IncomingMessage) => Promise<Buffer | RichServerError | undefined>;
  readonly bytes: () => number;
};

type Half = { bytes: number; readonly refuse: (failure: RichServerError) => void };

/** As for gRPC: each has a bound, and all together; beyond that the largest is refused, and who sends little never for those who send much. */
export function createBodies(
  { bodyBytesMax, receivingBytesMax }: { readonly bodyBytesMax: number; readonly receivingBytesMax: number },
  refused: Refused,
): Bodies {
  const bound: Bound = { kind: "request-byte", service: "", of: "process", limit: receivingBytesMax };
  const halves = new Set<Half>();
  let bytes = 0;

  function refuseLargest(): void {
    const largest = [...halves].reduce((most, half) => (half.bytes > most.bytes ? half : most));
    largest.refuse(overloaded(receivingBytesMax, boundWords(bound)));
    refused(bound);
  }

  return {
    bytes: () => bytes,
    read: (request) =>
      new Promise((resolve) => {
        const chunks: Buffer[] = [];
        const end = (result: Buffer | RichServerError | undefined): void => {
          halves.delete(half);
          bytes -= half.bytes;
          half.bytes = 0;
          request.off("data", onData);
          resolve(result);
        };
        const half: Half = { bytes: 0, refuse: end };
        const onData = (chunk: Buffer): void => {
          chunks.push(chunk);
          half.bytes += chunk.length;
          bytes += chunk.length;
          if (half.bytes > bodyBytesMax) end(messageTooLarge(bodyBytesMax));
          else if (bytes > receivingBytesMax) refuseLargest();
        };
        halves.add(half);
        if (Number(request.headers["content-length"] ?? 0) > bodyBytesMax) return end(messageTooLarge(bodyBytesMax));
        request.on("data", onData);
        request.once("end", () => end(Buffer.concat(chunks, half.bytes)));
        request.once("close", () => end(undefined));
      }),
  };
}
