import { overloaded } from "./errors.ts";
import {
  compressedBytesMax,
  compressedBytesPerConnectionMax,
  decompressionsMax,
  decompressionsPerConnectionMax,
  waitingDecompressionsMax,
} from "./limits.ts";
import { callStatus } from "./status-headers.ts";

/** What has come of one connection, and is being decompressed or waits for it. */
type Line = { readonly waiting: (() => void)[]; running: number; bytes: number };

type Decompress<Message> = () => Message | Promise<Message>;

/**
 * Decompresses few messages at a time, and of each connection one after the other: who has sent a thousand that grow to the largest size
 * does not have others wait for them, only for one. Beyond the bounds it rejects, with the status for the caller.
 */
export function createDecompressing() {
  const lines = new Map<string, Line>();
  let running = 0;
  let bytes = 0;

  function beginNext(): void {
    for (const [connection, line] of lines) {
      if (running === decompressionsMax) return;
      if (line.running === decompressionsPerConnectionMax) continue;
      const begin = line.waiting.shift();
      if (begin === undefined) continue;
      // The others are first.
      lines.delete(connection);
      lines.set(connection, line);
      running += 1;
      line.running += 1;
      begin();
    }
  }

  function refuseBeyond(line: Line, size: number): void {
    if (line.waiting.length >= waitingDecompressionsMax)
      throw callStatus(overloaded(waitingDecompressionsMax, "compressed requests of one connection wait"));
    if (line.bytes + size > compressedBytesPerConnectionMax)
      throw callStatus(overloaded(compressedBytesPerConnectionMax, "bytes of compressed requests of one connection wait"));
    if (bytes + size > compressedBytesMax) throw callStatus(overloaded(compressedBytesMax, "bytes of compressed requests wait"));
  }

  function count(line: Line, size: number): void {
    line.bytes += size;
    bytes += size;
  }

  return async <Message>(connection: string, size: number, decompress: Decompress<Message>): Promise<Message> => {
    const line = lines.get(connection) ?? { waiting: [], running: 0, bytes: 0 };
    refuseBeyond(line, size);
    lines.set(connection, line);
    count(line, size);
    await new Promise<void>((begin) => {
      line.waiting.push(begin);
      beginNext();
    });
    try {
      return await decompress();
    } finally {
      running -= 1;
      line.running -= 1;
      count(line, -size);
      if (line.running + line.waiting.length === 0) lines.delete(connection);
      beginNext();
    }
  };
}
