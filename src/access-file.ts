import { z } from "zod";
import { type AuthenticationSettings, withoutProof } from "./access/authentication.ts";
import type { Grant } from "./access/core/policy.ts";
import { grantsOf, grantsSchema } from "./access/grants-file.ts";
import type { TokenSetting } from "./access/tokens.ts";
import { err, ok, type Result } from "./kernel/result.ts";
import { systemPrefix } from "./kernel/system-actor.ts";
import { hasMoreCharacters, printable } from "./kernel/text.ts";
import { problemAt, readYamlFile, type YamlFileError } from "./yaml-file.ts";

/** The file of `--access`. */
export type AccessSettings = { readonly authentication: AuthenticationSettings; readonly grants: readonly Grant[] };

/** A file, read often, has room for the tokens of a small set-up; a large one has an issuer. */
const tokenCountMax = 10_000;

const principalCharacterMax = 256;

export const principalWords = `must be a name of 1 to ${principalCharacterMax} visible characters that does not begin with ${systemPrefix}`;

/** What begins with `system:` is a server's own. */
export const isPrincipal = (name: string): boolean =>
  name !== "" && !hasMoreCharacters(name, principalCharacterMax) && printable(name) === name && !name.startsWith(systemPrefix);

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

const withoutWords = `must be a list of ${withoutProof.join(", ")}`;

const authentication = z.strictObject({
  tokens: z.array(token, "must be a list of tokens").max(tokenCountMax, `must have at most ${tokenCountMax} tokens`).default([]),
  // Whoever looks whether a process serves has no token, as a rule, and learns little.
  without: z.array(z.enum(withoutProof, `must be one of ${withoutProof.join(", ")}`), withoutWords).default(["health"]),
});

const schema = z
  .strictObject({ authentication: authentication.prefault({}), grants: grantsSchema.default([]) })
  .transform(({ grants, ...rest }): AccessSettings => ({ ...rest, grants: grantsOf(grants) }));

/** Reads the file of `--access`. All problems are told, not only the first. */
export function readAccessFile(path: string): Result<AccessSettings, readonly YamlFileError[]> {
  const parsed = readYamlFile("access", path, schema, "docs/security.md");
  if (!parsed.ok) return parsed;
  const { tokens } = parsed.value.authentication;
  const problems = tokens.flatMap(({ sha256 }, index) =>
    tokens.findIndex((other) => other.sha256 === sha256) < index
      ? [
          problemAt(
            "access",
            path,
            ["authentication", "tokens", index, "sha256"],
            "is there already: a token proves one principal",
          ),
        ]
      : [],
  );
  return problems.length > 0 ? err(problems) : ok(parsed.value);
}
