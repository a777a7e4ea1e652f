import type { ServerResponse } from "node:http";
import { eventsType } from "./accept.ts";
import type { CallFailure } from "./call-failure.ts";
import type { Refusal } from "./call-request.ts";
import { type GrpcCall, unsent } from "./grpc-call.ts";
import { heartbeatMs } from "./limits.ts";
import { problemOf } from "./problem.ts";
import { answerHeaders, problemText } from "./send.ts";

/**
 * Sends a stream as server-sent events, at the pace of who reads it. What ends it before it has begun is an answer like any other; what ends it
 * later is an event `error` with the problem, and the end.
 */
export async function sendEvents(
  call: GrpcCall,
  response: ServerResponse,
  text: (bytes: Uint8Array) => string | undefined | Promise<string>,
): Promise<Refusal | undefined> {
  let hasBegun = false;
  const begin = (): void => {
    hasBegun = true;
    response.writeHead(200, { ...answerHeaders, "content-type": eventsType });
  };
  const heartbeat = setInterval(() => {
    if (hasBegun && response.writableLength === 0) response.write(":\n\n");
  }, heartbeatMs).unref();
  try {
    for await (const message of call.messages) {
      const event = await text(message);
      if (response.destroyed) return undefined;
      if (event === undefined) {
        call.leave();
        return hasBegun ? end(response, unsent) : { problem: problemOf(unsent) };
      }
      if (!hasBegun) begin();
      if (!response.write(event)) await drained(response);
      heartbeat.refresh();
    }
    const failure = await call.failure();
    if (response.destroyed) return undefined;
    if (failure !== undefined && !hasBegun) return { problem: problemOf(failure) };
    if (!hasBegun) begin();
    return end(response, failure);
  } finally {
    clearInterval(heartbeat);
  }
}

function end(response: ServerResponse, failure: CallFailure | undefined): undefined {
  const retry = failure?.retryAfterMs === undefined ? "" : `retry: ${Math.ceil(failure.retryAfterMs)}\n`;
  response.end(failure === undefined ? "" : `${retry}event: error\ndata: ${problemText(response, problemOf(failure))}\n\n`);
}

/** Until what was written has gone, or nobody reads it any more. */
async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve).once("close", resolve);
  await promise;
  response.off("drain", resolve).off("close", resolve);
}
