import { z } from "zod";
import { type AuthenticationSettings, withoutProof } from "./access/authentication.ts";
import type { CertificateRule } from "./access/core/certificates.ts";
import type { Grant } from "./access/core/policy.ts";
import { isPrincipal, principalWords } from "./access/core/principal-name.ts";
import type { QuotaSetting } from "./access/core/quota.ts";
import { grantsOf, grantsSchema } from "./access/grants-file.ts";
import { isTrustworthy, type KeySource } from "./access/issuer-keys.ts";
import { type JwtSetting, jwtAlgorithms } from "./access/jwt.ts";
import { certificateRuleCountMax, issuerCountMax, tokenCountMax } from "./access/limits.ts";
import { quotasSchema } from "./access/quotas-file.ts";
import type { TokenSetting } from "./access/tokens.ts";
import { duration, size } from "./config.ts";
import { err, ok, type Result } from "./kernel/result.ts";
import { problemAt, readYamlFile, type YamlFileError } from "./yaml-file.ts";

/** The file of `--access`. */
export type AccessSettings = {
  readonly authentication: AuthenticationSettings;
  readonly grants: readonly Grant[];
  readonly quotas: readonly QuotaSetting[];
};

const principal = z.string(principalWords).refine(isPrincipal, principalWords);

export const timeWords = "must be a time such as 2027-01-01T00:00:00Z";
export const timeSchema = z.iso.datetime({ offset: true, error: timeWords }).transform((text) => Date.parse(text));

// What stands there instead is not repeated: it may be the token itself.
const sha256Words = "must be the SHA-256 of a token, 64 hexadecimal digits: concord token new makes both";

const token = z
  .strictObject({
    principal,
    sha256: z.string(sha256Words).regex(/^[0-9a-fA-F]{64}$/, sha256Words),
    not_after: timeSchema.optional(),
  })
  .transform(
    ({ principal: name, sha256, not_after }): TokenSetting => ({
      principal: name,
      sha256: sha256.toLowerCase(),
      notAfterMs: not_after,
    }),
  );

/** Which of a certificate's names, as the placeholder of a principal has it too. */
const kinds = ["uri", "dns", "cn"] as const;

const matchWords = `must have one of ${kinds.join(", ")}, with a name or a pattern such as spiffe://example.org/lab/* or *.example.org`;

/** `*` stands at the end; of a DNS name, for its first label. */
const patternOf = { uri: /^[^*]+\*?$/, dns: /^(\*\.)?[^*]+$/, cn: /^[^*]+\*?$/ } as const;

const certificate = z
  .strictObject({
    match: z.partialRecord(z.enum(kinds), z.string(matchWords), matchWords).transform((match, context) => {
      const [[kind, pattern] = ["uri", ""] as const, ...others] = Object.entries(match) as [(typeof kinds)[number], string][];
      if (others.length === 0 && patternOf[kind].test(pattern)) return { kind, pattern };
      context.addIssue(matchWords);
      return z.NEVER;
    }),
    principal: z.string(principalWords),
  })
  .superRefine(({ match, principal: name }, context) => {
    const stranger = /\{(\w*)\}/g.exec(name.replaceAll(`{${match.kind}}`, ""));
    const words = stranger ? `has {${stranger[1]}}, which is not what is matched: {${match.kind}}` : principalWords;
    if (stranger || !isPrincipal(name.replaceAll(`{${match.kind}}`, "x")))
      context.addIssue({ code: "custom", path: ["principal"], message: words });
  })
  .transform(({ match, principal: name }): CertificateRule => ({ ...match, principal: name }));

const issuerWords = "must be the URL of the issuer as its tokens have it (iss), with https, or http to this machine";
const urlWords = "must be a URL with https, or with http to this machine; or the path of a file";
const audienceWords = "must be the audience that tokens for this server have (aud), or a list of such";
const audience = z.string(audienceWords).min(1, audienceWords);
const claimWords = "must be the name of a claim, such as sub";

const jwt = z
  .strictObject({
    issuer: z.string(issuerWords).min(1, issuerWords),
    audience: z.union([audience.transform((one) => [one]), z.array(audience).min(1, audienceWords)], audienceWords),
    jwks: z.string(urlWords).min(1, urlWords).optional(),
    algorithms: z
      .array(z.enum(jwtAlgorithms, `must be one of ${jwtAlgorithms.join(", ")}`), "must be a list of algorithms")
      .min(1, "must name an algorithm")
      .default([...jwtAlgorithms]),
    principal: z.string(claimWords).min(1, claimWords).default("sub"),
    prefix: z.string("must be a text").default(""),
    clock_skew: duration(0, 300_000).default(30_000),
  })
  .superRefine(({ issuer, jwks }, context) => {
    if (jwks === undefined && !isTrustworthy(issuer))
      context.addIssue({ code: "custom", path: ["issuer"], message: issuerWords });
    if (jwks?.includes("://") && !isTrustworthy(jwks)) context.addIssue({ code: "custom", path: ["jwks"], message: urlWords });
  })
  .transform(({ jwks, clock_skew: clockSkewMs, ...setting }): JwtSetting => ({ ...setting, clockSkewMs, keys: sourceOf(jwks) }));

function sourceOf(jwks: string | undefined): KeySource {
  if (jwks === undefined) return { type: "discovery" };
  return jwks.includes("://") ? { type: "url", url: jwks } : { type: "file", path: jwks };
}

const withoutWords = `must be a list of ${withoutProof.join(", ")}`;

const authentication = z.strictObject({
  certificates: z
    .array(certificate, "must be a list of rules")
    .max(certificateRuleCountMax, `must have at most ${certificateRuleCountMax} rules`)
    .default([]),
  jwt: z.array(jwt, "must be a list of issuers").max(issuerCountMax, `must have at most ${issuerCountMax} issuers`).default([]),
  tokens: z.array(token, "must be a list of tokens").max(tokenCountMax, `must have at most ${tokenCountMax} tokens`).default([]),
  // Whoever looks whether a process serves has no token, as a rule, and learns little.
  without: z.array(z.enum(withoutProof, `must be one of ${withoutProof.join(", ")}`), withoutWords).default(["health"]),
});

const schema = z
  .strictObject({
    authentication: authentication.prefault({}),
    grants: grantsSchema.default([]),
    quotas: quotasSchema(size("1KiB", "1024GiB")).default([]),
  })
  .transform(({ grants, ...rest }): AccessSettings => ({ ...rest, grants: grantsOf(grants) }));

/** Reads the file of `--access`. All problems are told, not only the first. */
export function readAccessFile(path: string): Result<AccessSettings, readonly YamlFileError[]> {
  const parsed = readYamlFile("access", path, schema, "docs/security.md");
  if (!parsed.ok) return parsed;
  const { tokens, jwt: issuers } = parsed.value.authentication;
  const problems = [
    ...doubled(tokens.map(({ sha256 }) => sha256)).map((index) =>
      problemAt("access", path, ["authentication", "tokens", index, "sha256"], "is there already: a token proves one principal"),
    ),
    ...doubled(issuers.map(({ issuer }) => issuer)).map((index) =>
      problemAt("access", path, ["authentication", "jwt", index, "issuer"], "is there already: give it a list of audiences"),
    ),
  ];
  return problems.length > 0 ? err(problems) : ok(parsed.value);
}

/** The places of those that were there before. */
function doubled(texts: readonly string[]): readonly number[] {
  const seen = new Set<string>();
  return texts.flatMap((text, index) => {
    if (seen.has(text)) return [index];
    seen.add(text);
    return [];
  });
}
