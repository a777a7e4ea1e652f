import { write as writeBeside, writeSync } from "node:fs";
import type { DurationMs } from "../kernel/time.ts";

export type LineWriter = {
  /** Takes a line, with its end. Never throws, and never waits for a file that takes nothing. */
  write(line: string): void;
  /** Writes what waits, as far as the file takes it. */
  flushSync(): void;
  /** How many lines were lost. */
  lost(): number;
  close(): void;
};

/** In characters. Lines wait while the file takes nothing, a few thousand of them. Beyond it they are lost. */
export const waitingLengthMax = 2 ** 20;

/** A disk has no space again, or its reader has gone: tried again after this. */
const retryMs: DurationMs = 500;

/** A pipe is full: its reader is slow. */
const busyMs: DurationMs = 20;

/** Lines that come within this after others are written together: each write beside costs as much as a dozen lines do. */
const gatherMs: DurationMs = 5;

/** A slow reader has this long at the end of the process. */
const lastMs: DurationMs = 1_000;

/**
 * Writes lines to a file that may be full, or to a pipe that nobody reads: they wait then, and are lost when there are too many, so that
 * whoever writes goes on. A line is written whole or not at all: of one that was cut off, the rest is the first that follows.
 */
export function createLineWriter(options: {
  readonly fd: number;
  /** A line is in the file when `write` returns, if the file takes it. Else it is written beside the work of this process. */
  readonly sync: boolean;
  /** The file takes nothing any more. */
  readonly onStuck?: (cause: string) => void;
  /** The file takes lines again; so many were lost meanwhile. */
  readonly onUnstuck: (lost: number, cause: string) => void;
}): LineWriter {
  const { fd, sync, onStuck, onUnstuck } = options;
  let waiting: string[] = [];
  let waitingLength = 0;
  /** Taken from those that wait. Some of it may be in the file. */
  let chunk = Buffer.alloc(0);
  let isUnderWay = false;
  let timer: NodeJS.Timeout | undefined;
  let isAwaitedAtExit = false;
  let cause: string | undefined;
  let lost = 0;
  let told = 0;

  function take(): boolean {
    if (chunk.length === 0 && waiting.length > 0) {
      chunk = Buffer.from(waiting.join(""));
      waiting = [];
      waitingLength = 0;
    }
    return chunk.length > 0;
  }

  function wrote(byteCount: number): void {
    chunk = chunk.subarray(byteCount);
    if (chunk.length > 0 || waiting.length > 0) return;
    awaitAtExit(false);
    if (cause === undefined && lost === told) return;
    const [was, lostNow] = [cause ?? "its reader is slow", lost - told];
    cause = undefined;
    told = lost;
    onUnstuck(lostNow, was);
  }

  function failed(error: NodeJS.ErrnoException): void {
    awaitAtExit(true);
    timer ??= setTimeout(again, error.code === "EAGAIN" ? busyMs : retryMs).unref();
    if (error.code === "EAGAIN" || cause !== undefined) return;
    cause = error.message;
    onStuck?.(cause);
  }

  function again(): void {
    timer = undefined;
    if (sync) flushSync();
    else writeOn();
  }

  function writeOn(): void {
    if (isUnderWay || timer !== undefined || !take()) return;
    isUnderWay = true;
    writeBeside(fd, chunk, (error, byteCount) => {
      isUnderWay = false;
      if (error) failed(error);
      else wrote(byteCount);
      // Of a chunk that was not taken whole, the rest goes at once.
      if (chunk.length > 0) writeOn();
      else timer ??= setTimeout(again, gatherMs).unref();
    });
  }

  function flushSync(): void {
    // What is under way comes to its end by itself.
    if (isUnderWay) return;
    try {
      while (take()) wrote(writeSync(fd, chunk));
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
    }
  }

  function awaitAtExit(isAwaited: boolean): void {
    if (isAwaited === isAwaitedAtExit) return;
    isAwaitedAtExit = isAwaited;
    if (isAwaited) process.on("exit", flushAtExit);
    else process.off("exit", flushAtExit);
  }

  function flushAtExit(): void {
    if (isUnderWay) chunk = Buffer.alloc(0);
    isUnderWay = false;
    const endMs = performance.now() + lastMs;
    while (performance.now() < endMs) {
      flushSync();
      if (cause !== undefined || (chunk.length === 0 && waiting.length === 0)) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyMs);
    }
  }

  return {
    write(line) {
      if (waitingLength + line.length > waitingLengthMax) {
        lost += 1;
        return;
      }
      waiting.push(line);
      waitingLength += line.length;
      awaitAtExit(true);
      if (sync) flushSync();
      else writeOn();
    },
    flushSync,
    lost: () => lost,
    close() {
      flushSync();
      clearTimeout(timer);
      awaitAtExit(false);
    },
  };
}
