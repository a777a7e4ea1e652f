import { constants, type OutgoingHttpHeaders } from "node:http2";
import type { DurationMs } from "../kernel/time.ts";
import type { OpenCall } from "./admission.ts";
import type { Connection } from "./connections.ts";
import { overloaded, requestIncomplete } from "./errors.ts";
import { end } from "./receiving.ts";
import { type Bound, boundWords, type Refused } from "./refusals.ts";
import { statusHeaders } from "./status-headers.ts";

export type OverdueBounds = {
  readonly lookMs: DurationMs;
  /** A request that is not whole after this time is refused. */
  readonly requestMs: DurationMs;
  /** Of requests that wait until they begin, as far as they have come. */
  readonly receivingBytesMax: number;
  /** Of answers, and of what watches and sessions have said. */
  readonly unreadBytesMax: number;
};

/** Looks now and then at all that is open, for what no event tells: requests that do not come, answers that nobody reads. */
export function endOverdue(open: Iterable<OpenCall>, bounds: OverdueBounds, refused: Refused): () => void {
  const waitingBound: Bound = { kind: "request-byte", service: "", of: "process", limit: bounds.receivingBytesMax };
  const unreadBound: Bound = { kind: "answer-byte", service: "", of: "process", limit: bounds.unreadBytesMax };
  /** A process that was stopped has looked less often: what came meanwhile is not late. */
  const looksMax = Math.ceil(bounds.requestMs / bounds.lookMs);
  let answer: OutgoingHttpHeaders | undefined;
  let waitingAnswer: OutgoingHttpHeaders | undefined;

  function look(): void {
    const unread = new Map<Connection, OpenCall[]>();
    let bytes = 0;
    let waitingBytes = 0;
    for (const call of open) {
      refuseIfLate(call);
      if (!call.hasBegun) waitingBytes += call.stream.readableLength;
      const unreadBytes = call.stream.writableLength;
      if (unreadBytes === 0) continue;
      bytes += unreadBytes;
      const calls = unread.get(call.caller);
      if (calls === undefined) unread.set(call.caller, [call]);
      else calls.push(call);
    }
    if (bytes > bounds.unreadBytesMax) endUnread(unread, bytes);
    if (waitingBytes > bounds.receivingBytesMax) endLargest(waitingBytes);
  }

  /** Of those that wait, until the rest is little enough: who has sent little is not refused for those who have sent much. */
  function endLargest(bytes: number): void {
    waitingAnswer ??= statusHeaders(overloaded(bounds.receivingBytesMax, boundWords(waitingBound)));
    const waiting = [...open].filter(({ hasBegun }) => !hasBegun);
    let left = bytes;
    for (const { stream } of waiting.sort((one, other) => other.stream.readableLength - one.stream.readableLength)) {
      if (left <= bounds.receivingBytesMax) return;
      left -= stream.readableLength;
      end(stream, waitingAnswer);
      refused(waitingBound);
    }
  }

  function refuseIfLate(call: OpenCall): void {
    if (call.kind === "session" || call.stream.readableEnded || call.stream.headersSent) return;
    call.looks += 1;
    if (call.looks <= looksMax) return;
    answer ??= statusHeaders(requestIncomplete(bounds.requestMs));
    end(call.stream, answer);
  }

  /** Whoever lets most of it wait loses what waits, until the rest is little enough. */
  function endUnread(unread: ReadonlyMap<Connection, readonly OpenCall[]>, bytes: number): void {
    const shares = [...unread.values()]
      .map((calls) => ({ calls, bytes: bytesOf(calls) }))
      .sort((one, other) => other.bytes - one.bytes);
    let left = bytes;
    for (const share of shares) {
      if (left <= bounds.unreadBytesMax) return;
      // Its answers have begun and cannot become refusals; gRPC knows this code as RESOURCE_EXHAUSTED.
      for (const { stream } of share.calls) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      left -= share.bytes;
      refused(unreadBound);
    }
  }

  const timer = setInterval(look, bounds.lookMs).unref();
  return () => clearInterval(timer);
}

function bytesOf(calls: readonly OpenCall[]): number {
  return calls.reduce((sum, { stream }) => sum + stream.writableLength, 0);
}
