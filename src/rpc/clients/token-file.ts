import { readFileSync, statSync } from "node:fs";
import type { DurationMs } from "../../kernel/time.ts";
import { readSmallFile } from "../../runtime/small-file.ts";
import { fingerprintOf } from "../../runtime/watched-files.ts";

/** Below the first pause of whoever was refused with the token that was there before: what comes next has the new one. */
const lookMs: DurationMs = 20;

/** As RFC 6750 has it: nothing else can stand in the header. */
const tokenPattern = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * The token that a file holds, as it is now: whoever renews it, as Kubernetes does, writes the file anew. Throws if there is none at first; later the
 * one that was there last goes on, until the server has something against it.
 */
export function tokenFile(path: string): () => string {
  // A pipe of a shell has an end: it is read once, and no more.
  let token = read(path, readFileSync);
  let seen = fingerprintOf(statSync(path));
  let lookedMs = performance.now();
  return () => {
    if (performance.now() - lookedMs < lookMs) return token;
    lookedMs = performance.now();
    try {
      const now = fingerprintOf(statSync(path));
      if (now !== seen) token = read(path, readSmallFile);
      seen = now;
    } catch {
      // It is being written, or will be.
    }
    return token;
  };
}

/** A token that somebody was given, or a failure that does not repeat it. */
export function checkedToken(token: string, whence: string): string {
  if (!tokenPattern.test(token)) throw new TypeError(`${whence} holds no token: letters, digits and -._~+/, without blanks`);
  return token;
}

function read(path: string, readText: (path: string, encoding: "utf8") => string): string {
  let text: string;
  try {
    text = readText(path, "utf8");
  } catch (error) {
    throw new TypeError(`the token cannot be read from ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkedToken(text.trim(), path);
}
