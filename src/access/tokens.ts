import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import { createProof, type Proof, type RevocableProof } from "./proof.ts";
import type { Unproved } from "./unproved.ts";

/** A token that somebody was given. It is kept as its SHA-256 alone: it has at least 128 random bits, so there is nothing to be guessed. */
export type TokenSetting = {
  readonly principal: string;
  /** In lower case. */
  readonly sha256: string;
  readonly notAfterMs: TimeMs | undefined;
};

export type Tokens = {
  /** Of the token with this SHA-256. Undefined: it is none of these. */
  readonly find: (sha256: string) => Result<Proof, Unproved> | undefined;
  /** What is not among them any more is revoked; what is as it was goes on. */
  readonly replace: (settings: readonly TokenSetting[]) => void;
};

type Entry = { readonly setting: TokenSetting; readonly proof: RevocableProof };

/**
 * They are looked up by their hash: how long that takes tells at most something of the hash of what was sent, which says nothing of a token
 * that one does not have.
 */
export function createTokens(settings: readonly TokenSetting[], nowMs: () => TimeMs): Tokens {
  let entries = new Map<string, Entry>();

  function replace(wanted: readonly TokenSetting[]): void {
    const before = entries;
    entries = new Map(wanted.map((setting) => [setting.sha256, entryOf(setting, before.get(setting.sha256))]));
    const kept = new Set([...entries.values()].map(({ proof }) => proof));
    for (const { proof } of before.values()) if (!kept.has(proof)) proof.revoke();
  }

  replace(settings);
  return {
    find: (sha256) => {
      const entry = entries.get(sha256);
      if (entry === undefined) return undefined;
      const { notAfterMs = Number.POSITIVE_INFINITY } = entry.setting;
      return nowMs() < notAfterMs ? ok(entry.proof) : err("EXPIRED");
    },
    replace,
  };
}

function entryOf(setting: TokenSetting, before: Entry | undefined): Entry {
  const { principal, notAfterMs } = setting;
  const isSame = before?.setting.principal === principal && before.setting.notAfterMs === notAfterMs;
  return isSame ? before : { setting, proof: createProof({ name: principal, by: "token", expiresAtMs: notAfterMs }) };
}
