import { closeSync, fdatasync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { err, ok, type Result } from "../kernel/result.ts";
import { createLineWriter } from "./line-writer.ts";

/** Enough for the last two lines, and one that was cut off. */
const tailBytesMax = 256 * 1024;

/**
 * Opens a file to append lines to it; a new one is for its owner only to read. A line is in the file when `write` returns, if the file takes it;
 * else it waits, as those of `createLineWriter` do. It is on the disk soon after.
 */
export function openGrowingFile(
  path: string,
  told: { readonly onStuck: (cause: string) => void; readonly onUnstuck: (lost: number) => void },
) {
  let fd: number;
  try {
    fd = openSync(path, "a+", 0o600);
  } catch (error) {
    return err({ message: error instanceof Error ? error.message : String(error) });
  }
  const { ino, dev } = fstatSync(fd);
  const lines = createLineWriter({ fd, sync: true, onStuck: told.onStuck, onUnstuck: told.onUnstuck });
  const sync = syncing(fd);
  const file = {
    tail: tailOf(fd),
    write(text: string): boolean {
      const lostBefore = lines.lost();
      lines.write(text);
      sync.soon();
      return lines.lost() === lostBefore;
    },
    isMoved(): boolean {
      const now = statSync(path, { throwIfNoEntry: false });
      return now?.ino !== ino || now.dev !== dev;
    },
    close(): void {
      lines.close();
      sync.close();
    },
  };
  return ok(file) satisfies Result<typeof file, never>;
}

/** One at a time, and then one for all that was written meanwhile. It closes the file when it may. */
function syncing(fd: number) {
  let isUnderWay = false;
  let isWanted = false;
  let isClosed = false;
  function soon(): void {
    isWanted = true;
    if (isUnderWay) return;
    isUnderWay = true;
    isWanted = false;
    // That it cannot be written is told by what writes.
    fdatasync(fd, () => {
      isUnderWay = false;
      if (isWanted) soon();
      else if (isClosed) closeSync(fd);
    });
  }
  return {
    soon,
    close(): void {
      isClosed = true;
      if (!isUnderWay) closeSync(fd);
    },
  };
}

/** Its last two whole lines, and what stands behind them without an end. */
function tailOf(fd: number): { readonly lines: readonly Uint8Array[]; readonly rest: Uint8Array } {
  const { size } = fstatSync(fd);
  const bytes = Buffer.alloc(Math.min(size, tailBytesMax));
  const read = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
  const tail = bytes.subarray(0, read);
  const ends: number[] = [];
  for (let at = tail.lastIndexOf(lineEnd); at !== -1 && ends.length < 3; at = at === 0 ? -1 : tail.lastIndexOf(lineEnd, at - 1))
    ends.unshift(at);
  const last = ends.at(-1);
  const rest = tail.subarray(last === undefined ? 0 : last + 1);
  // The first line of the file has no end before it.
  const starts = ends.length < 3 && tail.length === size ? [-1, ...ends] : ends;
  const lines = starts.slice(0, -1).map((start, index) => tail.subarray(start + 1, starts[index + 1]));
  return { lines: lines.slice(-2), rest };
}

const lineEnd = 10;
