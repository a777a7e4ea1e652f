import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { startsPerTurnMax, waitingStartsMax } from "./limits.ts";

/** The calls of one connection that have come and have not begun. */
export type Line = {
  readonly starts: (() => void)[];
  readonly socket: Socket | Duplex;
  reads: boolean;
};

export const createLine = (socket: Socket | Duplex): Line => ({ starts: [], socket, reads: true });

/**
 * Begins calls in turns, as many in one turn of the event loop as do not hold it for long, and of each connection one after the other. For
 * libuv reads up to 2 MiB from one socket before it looks at the next, ten thousand calls, and all of them would begin at once.
 */
export function createStarting(): (line: Line, start: () => void) => void {
  const lines = new Set<Line>();
  let startedInTurn = 0;

  function hasRoom(): boolean {
    if (startedInTurn === 0) setImmediate(nextTurn);
    startedInTurn += 1;
    return startedInTurn <= startsPerTurnMax;
  }

  function nextTurn(): void {
    startedInTurn = 0;
    for (const line of lines) {
      if (!hasRoom()) return;
      lines.delete(line);
      line.starts.shift()?.();
      // The others are first.
      if (line.starts.length > 0) lines.add(line);
      else read(line, true);
    }
  }

  return (line, start) => {
    if (line.starts.length === 0 && hasRoom()) return start();
    line.starts.push(start);
    lines.add(line);
    if (line.starts.length >= waitingStartsMax) read(line, false);
  };
}

/** Node has no other way to leave what a client sends in the kernel's buffer: HTTP/2 has no flow control for calls. */
type Handle = { readStart(): void; readStop(): void };

function read(line: Line, reads: boolean): void {
  if (line.reads === reads) return;
  line.reads = reads;
  const handle = (line.socket as unknown as { readonly _handle?: Handle | null })._handle;
  if (reads) handle?.readStart();
  else handle?.readStop();
}
