import { hash } from "node:crypto";
import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import { createProof, type Proof } from "./proof.ts";
import { createTokens, type TokenSetting } from "./tokens.ts";
import type { Unproved } from "./unproved.ts";

/** How callers prove who they are: the section `authentication` of the access file. */
export type AuthenticationSettings = {
  readonly tokens: readonly TokenSetting[];
  /** What is open to those who prove nothing. */
  readonly without: readonly WithoutProof[];
};

export const withoutProof = ["health", "reflection", "metrics"] as const;

export type WithoutProof = (typeof withoutProof)[number];

/** What a caller shows of itself. */
export type Shown = {
  /** The header of this name. */
  readonly authorization: string | undefined;
  /** It has come by the listener that a process has for itself alone. */
  readonly isOwn: boolean;
};

export type Authentication = {
  /** At once, if the proof is known already. */
  readonly authenticate: (shown: Shown) => Result<Proof, Unproved>;
  readonly isOpen: (what: WithoutProof) => boolean;
  readonly replace: (settings: AuthenticationSettings) => void;
};

/** By which this process knows its own calls: nobody else has the token, and it is kept nowhere. */
export type Own = { readonly token: string; readonly name: string };

export function createAuthentication(first: AuthenticationSettings, own: Own, nowMs: () => TimeMs): Authentication {
  const ownSha256 = sha256Of(own.token);
  const ownProof = createProof({ name: own.name, by: "process" });
  let open = new Set(first.without);
  const tokens = createTokens(first.tokens, nowMs);

  return {
    authenticate: ({ authorization, isOwn }) => {
      if (authorization === undefined) return err("NO_PROOF");
      const token = bearerToken(authorization);
      if (token === undefined) return err("UNREADABLE");
      const sha256 = sha256Of(token);
      if (isOwn) return sha256 === ownSha256 ? ok(ownProof) : err("UNKNOWN_TOKEN");
      return tokens.find(sha256) ?? err("UNKNOWN_TOKEN");
    },
    isOpen: (what) => open.has(what),
    replace: (settings) => {
      open = new Set(settings.without);
      tokens.replace(settings.tokens);
    },
  };
}

const sha256Of = (token: string): string => hash("sha256", token, "hex");

/** RFC 6750: the scheme in any case, and a token of these characters. */
const bearerPattern = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

const bearerToken = (authorization: string): string | undefined => bearerPattern.exec(authorization)?.[1];
