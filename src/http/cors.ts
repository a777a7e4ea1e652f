import type { IncomingMessage } from "node:http";

/** Which pages of the web may read what is served: none, but those from the origins that an operator has named. */
export type Cors = {
  readonly headersFor: (request: IncomingMessage) => readonly (readonly [string, string])[];
  /** What a browser asks before it sends more than a form could. */
  readonly preflight: (request: IncomingMessage, allow: string) => Readonly<Record<string, string>>;
};

const asked = "authorization, content-type, grpc-timeout, last-event-id, traceparent, tracestate, x-request-id";
const shown = "retry-after, x-request-id, concord-transaction-id";

export function createCors(allowed: readonly string[]): Cors {
  const isAllowed = (origin: string | undefined): origin is string =>
    origin !== undefined && (allowed.includes("*") || allowed.includes(origin));
  return {
    headersFor: ({ headers: { origin } }) => {
      if (allowed.length === 0) return [];
      const vary = ["vary", "origin"] as const;
      if (!isAllowed(origin)) return [vary];
      return [vary, ["access-control-allow-origin", origin], ["access-control-expose-headers", shown]];
    },
    preflight: ({ headers: { origin } }, allow) =>
      isAllowed(origin)
        ? { "access-control-allow-methods": allow, "access-control-allow-headers": asked, "access-control-max-age": "600" }
        : {},
  };
}
