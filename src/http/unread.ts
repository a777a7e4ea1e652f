import type { Socket } from "node:net";
import { lookMs } from "../rpc/limits.ts";
import type { Bound, Refused } from "../rpc/refusals.ts";

/**
 * Looks now and then at what is made and not sent, since those who asked for it do not read: no event tells. Beyond `bytesMax` the connections
 * with most of it are ended.
 */
export function endUnread(sockets: ReadonlySet<Socket>, bytesMax: number, refused: Refused, everyMs = lookMs): () => void {
  const bound: Bound = { kind: "answer-byte", service: "", of: "process", limit: bytesMax };

  function look(): void {
    let bytes = 0;
    for (const socket of sockets) bytes += socket.writableLength;
    if (bytes <= bytesMax) return;
    for (const socket of [...sockets].toSorted((one, other) => other.writableLength - one.writableLength)) {
      if (bytes <= bytesMax) return;
      bytes -= socket.writableLength;
      socket.destroy();
      refused(bound);
    }
  }

  const timer = setInterval(look, everyMs).unref();
  return () => clearInterval(timer);
}
