import { decodeJwt, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { Clock } from "../kernel/clock.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { isPrincipal } from "./core/principal-name.ts";
import { type KeySource, type Reading, readKeys } from "./issuer-keys.ts";
import { createKeySet, KeysUnavailable } from "./key-set.ts";
import { verifiedCountMax, verifiedMs, verifyingCountMax } from "./limits.ts";
import { createRevoking, type Proof } from "./proof.ts";
import type { Unproved } from "./unproved.ts";

/**
 * By which tokens may be signed: with a private key that only their issuer has. Never `none`; and never with a shared secret (HS*), for then whoever
 * knows the public key could sign with it, if the two were confused.
 */
export const jwtAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** Whose tokens count, and for whom they stand. */
export type JwtSetting = {
  readonly issuer: string;
  /** One of them must be among those that the token is for. */
  readonly audience: readonly string[];
  readonly keys: KeySource;
  readonly algorithms: readonly (typeof jwtAlgorithms)[number][];
  /** The claim that names the principal. */
  readonly principal: string;
  /** Before the name, so that those of one issuer are never those of another. */
  readonly prefix: string;
  readonly clockSkewMs: DurationMs;
};

export type Jwts = {
  /** Undefined: it is no JWT. At once, if it was verified lately. */
  readonly find: (token: string, sha256: string) => Answer | Promise<Answer> | undefined;
  /** Those of an issuer that is gone, or is another than before, are revoked. */
  readonly replace: (settings: readonly JwtSetting[]) => void;
};

type Answer = Result<Proof, Unproved>;

export type JwtSurroundings = {
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly reading: Reading;
  /** Of an operator's business: the keys of an issuer cannot be had. */
  readonly onKeysUnavailable: (issuer: string, why: string) => void;
};

type Issuer = {
  readonly setting: JwtSetting;
  readonly keys: ReturnType<typeof createKeySet>;
  readonly revoking: AbortController;
};

type Verified = { readonly proof: Proof; readonly untilMs: TimeMs };

/** Three parts, of which the first is an object in JSON. */
const jwtPattern = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

export function createJwts(first: readonly JwtSetting[], surroundings: JwtSurroundings): Jwts {
  const { clock, reading, onKeysUnavailable } = surroundings;
  let issuers = new Map<string, Issuer>();
  /** By SHA-256; what came last is the last. */
  const verified = new Map<string, Verified>();
  const verifying = new Map<string, Promise<Answer>>();

  function replace(settings: readonly JwtSetting[]): void {
    const before = issuers;
    issuers = new Map(settings.map((setting) => [setting.issuer, issuerOf(setting, before.get(setting.issuer))]));
    for (const issuer of before.values()) {
      if (issuers.get(issuer.setting.issuer) !== issuer) issuer.revoking.abort();
    }
  }

  function issuerOf(setting: JwtSetting, before: Issuer | undefined): Issuer {
    if (before !== undefined && JSON.stringify(before.setting) === JSON.stringify(setting)) return before;
    const keys = createKeySet(() => readKeys(setting.issuer, setting.keys, reading), clock);
    return { setting, keys, revoking: createRevoking() };
  }

  async function verify(token: string, sha256: string): Promise<Answer> {
    const claimed = claimedIssuer(token);
    if (!claimed.ok) return claimed;
    const issuer = issuers.get(claimed.value ?? "");
    if (issuer === undefined) return err("WRONG_ISSUER");
    try {
      const payload = await verifiedPayload(token, issuer, clock.nowMs());
      const name = nameIn(payload, issuer.setting);
      if (name === undefined) return err("NO_NAME");
      const expiresAtMs = (payload.exp ?? 0) * 1_000 + issuer.setting.clockSkewMs;
      const proof = { principal: { name, by: "jwt", expiresAtMs }, revoked: issuer.revoking.signal } as const;
      keep(sha256, { proof, untilMs: Math.min(expiresAtMs, clock.nowMs() + verifiedMs) });
      return ok(proof);
    } catch (error) {
      if (error instanceof KeysUnavailable) onKeysUnavailable(issuer.setting.issuer, error.message);
      return err(whyNot(error));
    }
  }

  function keep(sha256: string, known: Verified): void {
    const [oldest] = verified.size >= verifiedCountMax ? verified.keys() : [];
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(sha256, known);
  }

  /** Undefined: it has to be verified. */
  function knownProof(sha256: string): Proof | undefined {
    const known = verified.get(sha256);
    if (known === undefined) return undefined;
    if (clock.nowMs() < known.untilMs && !known.proof.revoked.aborted) return known.proof;
    verified.delete(sha256);
    return undefined;
  }

  replace(first);
  return {
    find: (token, sha256) => {
      if (issuers.size === 0 || !jwtPattern.test(token)) return undefined;
      const known = knownProof(sha256);
      if (known !== undefined) return ok(known);
      const underWay = verifying.get(sha256);
      if (underWay !== undefined) return underWay;
      if (verifying.size >= verifyingCountMax) return err("TOO_MANY");
      const answer = verify(token, sha256).finally(() => verifying.delete(sha256));
      verifying.set(sha256, answer);
      return answer;
    },
    replace,
  };
}

/** What it says of itself, which is worth nothing yet. */
function claimedIssuer(token: string): Result<string | undefined, Unproved> {
  try {
    return ok(decodeJwt(token).iss);
  } catch {
    return err("UNVERIFIABLE");
  }
}

async function verifiedPayload(token: string, { setting, keys }: Issuer, nowMs: TimeMs): Promise<JWTPayload> {
  const options: JWTVerifyOptions = {
    issuer: setting.issuer,
    audience: [...setting.audience],
    algorithms: [...setting.algorithms],
    clockTolerance: setting.clockSkewMs / 1_000,
    currentDate: new Date(nowMs),
    requiredClaims: ["exp"],
  };
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    // It names no key, and its issuer has several.
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (other) {
        if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

function nameIn(payload: JWTPayload, { principal, prefix }: JwtSetting): string | undefined {
  const claim = Object.hasOwn(payload, principal) ? payload[principal] : undefined;
  const name = `${prefix}${claim}`;
  return typeof claim === "string" && claim !== "" && isPrincipal(name) ? name : undefined;
}

/** By the claim that is wrong. */
const whyByClaim: Readonly<Record<string, Unproved>> = {
  iss: "WRONG_ISSUER",
  aud: "WRONG_AUDIENCE",
  nbf: "NOT_YET_VALID",
  exp: "NO_END",
};

function whyNot(error: unknown): Unproved {
  if (error instanceof KeysUnavailable) return "KEYS_UNAVAILABLE";
  if (error instanceof errors.JWTExpired) return "EXPIRED";
  if (error instanceof errors.JWTClaimValidationFailed) return whyByClaim[error.claim] ?? "UNVERIFIABLE";
  if (error instanceof errors.JOSEAlgNotAllowed) return "WRONG_ALGORITHM";
  if (error instanceof errors.JWKSNoMatchingKey) return "UNKNOWN_KEY";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "WRONG_SIGNATURE";
  return "UNVERIFIABLE";
}
