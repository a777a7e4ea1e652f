import type { DeadlineOptions } from "nice-grpc-client-middleware-deadline";
import { type ClientMiddleware, Metadata } from "nice-grpc-common";
import { timerMaxMs } from "../../kernel/limits.ts";
import type { Origin } from "../../kernel/origin.ts";
import { setOrigin } from "../origin-headers.ts";

export type OriginOptions = {
  /** On whose behalf the call is made. */
  readonly origin?: Origin | undefined;
};

/**
 * Tells the server how long its caller waits, and on whose behalf it calls. nice-grpc's own deadline ends the call only here, so that a server
 * would go on for a client that has stopped, or whose host has gone. A deadline that no timer can hold is as good as none.
 */
export const callHeadersMiddleware: ClientMiddleware<DeadlineOptions & OriginOptions, DeadlineOptions> = (call, options) => {
  const { deadline, origin, ...others } = options;
  const leftMs = deadline instanceof Date ? deadline.getTime() - Date.now() : deadline;
  const isBounded = leftMs !== undefined && leftMs <= timerMaxMs;
  if (!isBounded && origin === undefined) return call.next(call.request, others);
  const metadata = Metadata(options.metadata);
  if (isBounded) metadata.set("grpc-timeout", timeoutText(leftMs));
  if (origin !== undefined) setOrigin(metadata, origin);
  return call.next(call.request, isBounded ? { ...others, deadline: leftMs, metadata } : { ...others, metadata });
};

/** As the gRPC protocol writes it: a positive number of up to eight digits, and a unit. */
function timeoutText(leftMs: number): string {
  const ms = Math.max(1, Math.ceil(leftMs));
  return ms < 1e8 ? `${ms}m` : `${Math.ceil(ms / 1000)}S`;
}
