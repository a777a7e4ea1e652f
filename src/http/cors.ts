import type { IncomingMessage } from "node:http";

/** Which pages of the web may read what is served, and change something: none, but those from the origins that an operator has named. */
export type Cors = {
  /** A page can send a POST without a body, with whatever certificate its reader has, and ask nobody before. Browsers say where it is from. */
  readonly maySend: (request: IncomingMessage) => boolean;
  readonly headersFor: (request: IncomingMessage) => readonly (readonly [string, string])[];
  /** What a browser asks before it sends more than a form could. */
  readonly preflight: (request: IncomingMessage, allow: string) => Readonly<Record<string, string>>;
};

const asked = "authorization, content-type, grpc-timeout, last-event-id, traceparent, tracestate, x-request-id";
const shown = "retry-after, x-request-id, concord-transaction-id";

const readingMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Of a page that this server has sent itself, as through a proxy. Undefined: of one that is from nowhere (`null`), as in a sandbox. */
const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined);

export function createCors(allowed: readonly string[]): Cors {
  const isAllowed = (origin: string | undefined): origin is string =>
    origin !== undefined && (allowed.includes("*") || allowed.includes(origin));
  return {
    maySend: ({ method = "", headers: { origin, host } }) =>
      readingMethods.has(method) || origin === undefined || isAllowed(origin) || hostOf(origin) === host?.toLowerCase(),
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
