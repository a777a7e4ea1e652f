import type { Metadata } from "nice-grpc-common";
import type { Origin } from "../kernel/origin.ts";

export const requestIdKey = "x-request-id";
export const traceparentKey = "traceparent";
export const tracestateKey = "tracestate";

/** Says in the headers of a call on whose behalf it is made. */
export function setOrigin(headers: Metadata, { requestId, traceparent, tracestate }: Origin): void {
  headers.set(requestIdKey, requestId);
  if (traceparent === undefined) return;
  headers.set(traceparentKey, traceparent);
  if (tracestate !== undefined) headers.set(tracestateKey, tracestate);
}
