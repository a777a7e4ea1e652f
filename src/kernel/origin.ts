/**
 * Whose call has led to this. It is carried along to whatever that causes, in other processes too, for logs and traces: nothing is decided by
 * it, and nothing of it is stored.
 */
export type Origin = {
  /** Names the call on the log lines of every process that it reaches. */
  readonly requestId: string;
  /** The place in a trace, as W3C Trace Context writes it. Undefined: there is no trace. */
  readonly traceparent?: string | undefined;
  /** What those who trace tell each other besides. Only with a `traceparent`. */
  readonly tracestate?: string | undefined;
};

/** It is on many lines, and goes on in headers: what fits there, and stays as it is on the way. */
const callIdPattern = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** W3C Trace Context: version, trace, span, flags. Neither id may be all zeros, nor the version ff; a later version may add to it. */
const traceparentPattern = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?=-|$)/;

/** As many characters as the recommendation asks to be passed on at least. */
const tracestatePattern = /^[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?$/;

const traceparentLength = 55;
const ownVersion = "00";

/** The id of a call as its caller gave it. Undefined, if it cannot be used: its callee makes one. */
export const usableCallId = (id: string | undefined): string | undefined =>
  id !== undefined && callIdPattern.test(id) ? id : undefined;

/** A `traceparent` as its caller gave it, in the version that is spoken here. Undefined, if it is none: what it was to be a part of begins anew. */
export function usableTraceparent(text: string | undefined): string | undefined {
  if (text === undefined || !traceparentPattern.test(text)) return undefined;
  if (text.length === traceparentLength) return text.startsWith(ownVersion) ? text : inOwnVersion(text);
  return text.startsWith(ownVersion) ? undefined : inOwnVersion(text);
}

const inOwnVersion = (text: string): string => ownVersion + text.slice(ownVersion.length, traceparentLength);

/** Undefined, if it cannot be passed on. */
export const usableTracestate = (text: string | undefined): string | undefined =>
  text !== undefined && tracestatePattern.test(text) ? text : undefined;

/** The trace of a `traceparent`. */
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);

/** The same, by itself: to be kept for longer than the call whose headers it was read from. */
export const keptOrigin = ({ requestId, traceparent, tracestate }: Origin): Origin => ({ requestId, traceparent, tracestate });

/** What a log line says of it. */
export const originFields = (origin: Origin | undefined): { readonly request?: string; readonly trace?: string } => {
  if (origin === undefined) return {};
  const { requestId: request, traceparent } = origin;
  return traceparent === undefined ? { request } : { request, trace: traceIdOf(traceparent) };
};
