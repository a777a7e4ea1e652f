import { createHash } from "node:crypto";

/**
 * Tells two requests apart that carry the same request id: SHA-256, base64url. Made from the decoded message with sorted keys, not from
 * its bytes: an honest retry may encode the entries of a map in another order. `method` keeps one id from serving two methods.
 */
export function requestDigest(method: string, request: object): string {
  return createHash("sha256").update(method).update(JSON.stringify(request, canonical)).digest("base64url");
}

function canonical(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  // JSON.stringify has made an object of numbers out of a Buffer before it asks.
  const original = this[key];
  if (original instanceof Uint8Array) return Buffer.from(original).toString("base64url");
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
