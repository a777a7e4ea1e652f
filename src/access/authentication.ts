import type { Certificate } from "../kernel/certificate.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { createCertificates } from "./certificates.ts";
import type { CertificateRule } from "./core/certificates.ts";
import { createJwts, type JwtSetting, type JwtSurroundings } from "./jwt.ts";
import { createProof, type Proof } from "./proof.ts";
import { sha256Of } from "./sha256.ts";
import { createTokens, type TokenSetting } from "./tokens.ts";
import type { Unproved } from "./unproved.ts";

/** How callers prove who they are: the section `authentication` of the access file. */
export type AuthenticationSettings = {
  readonly certificates: readonly CertificateRule[];
  readonly jwt: readonly JwtSetting[];
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
  /** What the client has proved by TLS. A token counts before it. */
  readonly certificate: Certificate | undefined;
  /** It has come by the listener that a process has for itself alone. */
  readonly isOwn: boolean;
};

type Answer = Result<Proof, Unproved>;

export type Authentication = {
  /** At once, if the proof is known already. */
  readonly authenticate: (shown: Shown) => Answer | Promise<Answer>;
  readonly isOpen: (what: WithoutProof) => boolean;
  readonly replace: (settings: AuthenticationSettings) => void;
};

/** By which this process knows its own calls: nobody else has the token, and it is kept nowhere. */
export type Own = { readonly token: string; readonly name: string };

export function createAuthentication(first: AuthenticationSettings, own: Own, surroundings: JwtSurroundings): Authentication {
  const ownSha256 = sha256Of(own.token);
  const ownProof = createProof({ name: own.name, by: "process" });
  let open = new Set(first.without);
  const tokens = createTokens(first.tokens, surroundings.clock.nowMs);
  const jwts = createJwts(first.jwt, surroundings);
  const certificates = createCertificates(first.certificates);

  const inTime = (proof: Proof): Answer =>
    surroundings.clock.nowMs() < (proof.principal.expiresAtMs ?? Number.POSITIVE_INFINITY) ? ok(proof) : err("EXPIRED");

  return {
    authenticate: ({ authorization, certificate, isOwn }) => {
      if (authorization === undefined) {
        const proof = certificate && certificates.proofOf(certificate);
        return proof === undefined ? err("NO_PROOF") : inTime(proof);
      }
      const token = bearerToken(authorization);
      if (token === undefined) return err("UNREADABLE");
      const sha256 = sha256Of(token);
      if (isOwn) return sha256 === ownSha256 ? ok(ownProof) : err("UNKNOWN_TOKEN");
      return tokens.find(sha256) ?? jwts.find(token, sha256) ?? err("UNKNOWN_TOKEN");
    },
    isOpen: (what) => open.has(what),
    replace: (settings) => {
      open = new Set(settings.without);
      tokens.replace(settings.tokens);
      jwts.replace(settings.jwt);
      certificates.replace(settings.certificates);
    },
  };
}

/** RFC 6750: the scheme in any case, and a token of these characters. */
const bearerPattern = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

const bearerToken = (authorization: string): string | undefined => bearerPattern.exec(authorization)?.[1];
