import type { DurationMs } from "../kernel/time.ts";
import { issuerBytesMax, issuerTimeoutMs } from "./limits.ts";

/** Where the keys of an issuer are. `discovery`: its OpenID configuration says so. */
export type KeySource =
  | { readonly type: "discovery" }
  | { readonly type: "url"; readonly url: string }
  | { readonly type: "file"; readonly path: string };

/** What is read from elsewhere. Both reject with words for the operator. */
export type Reading = {
  readonly readText: (path: string) => Promise<string>;
  /** The body of an answer with status 200, that comes within the time and has no more bytes; redirects are not followed. */
  readonly fetchText: (url: string, bounds: { readonly timeoutMs: DurationMs; readonly bytesMax: number }) => Promise<string>;
};

export async function readKeys(issuer: string, source: KeySource, { readText, fetchText }: Reading): Promise<unknown> {
  const fetchJson = async (url: string): Promise<unknown> =>
    JSON.parse(await fetchText(url, { timeoutMs: issuerTimeoutMs, bytesMax: issuerBytesMax }));
  switch (source.type) {
    case "file":
      return JSON.parse(await readText(source.path));
    case "url":
      return fetchJson(source.url);
    case "discovery":
      return fetchJson(jwksUrl(issuer, await fetchJson(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`)));
  }
}

/** OpenID Connect Discovery 1.0, section 4.3: it must be of the issuer that was asked. */
function jwksUrl(issuer: string, configuration: unknown): string {
  const { issuer: told, jwks_uri: url } = (configuration ?? {}) as { readonly issuer?: unknown; readonly jwks_uri?: unknown };
  if (told !== issuer) throw new Error(`its OpenID configuration is of another issuer, ${JSON.stringify(told)}`);
  if (typeof url !== "string" || !isTrustworthy(url))
    throw new Error(`its OpenID configuration names no jwks_uri that could be trusted: ${JSON.stringify(url)}`);
  return url;
}

/** Whoever could change keys on their way could be anybody. Within a machine there is no way. */
export function isTrustworthy(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== "" || password !== "") return false;
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname));
}
