import { createHash } from "node:crypto";
import { invalidField } from "./errors.ts";

const pageSizeDefault = 100;

/** More would not make a client faster. */
export const pageSizeMax = 1000;

/** 0 means the default; more than the maximum is taken as the maximum. */
export function pageSize(requested: number): number {
  return requested === 0 ? pageSizeDefault : Math.min(requested, pageSizeMax);
}

/** `scope` names the list and its filter, so that a token cannot continue another list. */
export function encodePageToken(scope: string, after: string): string {
  return Buffer.from(`${scopeHash(scope)}${after}`).toString("base64url");
}

/** Of lists in the order of sequences. */
export const sequencePlace = /^\d{1,15}$/;

/** Where the page begins: after this. Nothing for the first page. Anybody can make a token: `place` is what such a place looks like. */
export function decodePageToken(scope: string, token: string, place = /^/): string | undefined {
  if (token === "") return undefined;
  const text = Buffer.from(token, "base64url").toString();
  const hash = scopeHash(scope);
  if (!text.startsWith(hash) || !place.test(text.slice(hash.length))) {
    throw invalidField(
      "page_token",
      "is no token of this list with this filter; use it with the request it came from, or leave it empty",
    );
  }
  return text.slice(hash.length);
}

function scopeHash(scope: string): string {
  return createHash("sha256").update(scope).digest("base64url").slice(0, 8);
}
