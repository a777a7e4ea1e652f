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
  return Buffer.from(`${seal(scope, after)}${after}`).toString("base64url");
}

/** Of lists in the order of sequences. */
export const sequencePlace = /^\d{1,15}$/;

/**
 * Where the page begins: after this. Nothing for the first page. A token that was cut or changed on its way is refused. Its seal is no
 * secret, so anybody can make one: `place` is what such a place looks like.
 */
export function decodePageToken(scope: string, token: string, place = /^/): string | undefined {
  if (token === "") return undefined;
  const after = Buffer.from(token, "base64url").toString().slice(sealLength);
  // Written anew, because the decoder passes over what it does not know.
  if (encodePageToken(scope, after) !== token || !place.test(after)) {
    throw invalidField(
      "page_token",
      "is no token of this list with this filter; use it with the request it came from, or leave it empty",
    );
  }
  return after;
}

const sealLength = 8;

function seal(scope: string, after: string): string {
  const hash = createHash("sha256").update(`${scope.length}:${scope}`).update(after);
  return hash.digest("base64url").slice(0, sealLength);
}
