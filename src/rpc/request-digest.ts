import { createHash } from "node:crypto";

/**
 * Tells two requests apart that carry the same request id: SHA-256, base64url. Made from the decoded message with sorted keys, not from
 * its bytes: an honest retry may encode the entries of a map in another order. `method` keeps one id from serving two methods.
 */
export function requestDigest(method: string, request: object): string {
  return createHash("sha256").update(method).update(JSON.stringify(request, canonical)).digest("base64url");
}

function canonical(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64url");
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
