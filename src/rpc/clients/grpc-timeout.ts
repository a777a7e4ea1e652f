import type { DeadlineOptions } from "nice-grpc-client-middleware-deadline";
import { type ClientMiddleware, Metadata } from "nice-grpc-common";
import { timerMaxMs } from "../../kernel/limits.ts";

/**
 * Tells the server how long its caller waits. nice-grpc's own deadline ends the call only here, so that a server would go on for a client
 * that has stopped, or whose host has gone. A deadline that no timer can hold is as good as none.
 */
export const grpcTimeoutMiddleware: ClientMiddleware<DeadlineOptions, DeadlineOptions> = (call, options) => {
  const { deadline, ...others } = options;
  const leftMs = deadline instanceof Date ? deadline.getTime() - Date.now() : deadline;
  if (leftMs === undefined || leftMs > timerMaxMs) return call.next(call.request, others);
  return call.next(call.request, { ...options, metadata: Metadata(options.metadata).set("grpc-timeout", timeoutText(leftMs)) });
};

/** As the gRPC protocol writes it: a positive number of up to eight digits, and a unit. */
function timeoutText(leftMs: number): string {
  const ms = Math.max(1, Math.ceil(leftMs));
  return ms < 1e8 ? `${ms}m` : `${Math.ceil(ms / 1000)}S`;
}
