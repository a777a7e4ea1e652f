import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** One who makes tokens, with a key of its own. */
export type TestIssuer = {
  readonly kid: string;
  /** Claims of a good token are put in, unless they are there; those that are undefined are left out. */
  readonly sign: (claims?: JWTPayload, header?: { readonly kid?: string | undefined }) => Promise<string>;
  readonly publicJwk: () => Promise<object>;
  /** As an attacker has it, who takes it for a shared secret. */
  readonly publicPem: () => Promise<string>;
};

export async function createIssuer(issuer: string, kid: string, alg = "ES256"): Promise<TestIssuer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return {
    kid,
    sign: async (claims = {}, header = {}) => {
      const seconds = Math.floor(Date.now() / 1_000);
      const good = { iss: issuer, aud: "concord", sub: "ada", iat: seconds, exp: seconds + 600 };
      return new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg, ...("kid" in header ? header.kid !== undefined && { kid: header.kid } : { kid }) })
        .sign(privateKey);
    },
    publicJwk: async () => ({ ...(await exportJWK(publicKey)), kid, alg, use: "sig" }),
    publicPem: () => exportSPKI(publicKey),
  };
}

/** Signed with a shared secret, as no issuer here does. */
export const signedWithSecret = (secret: string, claims: JWTPayload, kid: string): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid }).sign(Buffer.from(secret));

/** Of which nobody vouches. */
export function unsigned(claims: JWTPayload): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part(claims)}.`;
}

/**
 * OpenID discovery, and the keys, on loopback. `keys` may change. Programs that it knows by a secret get tokens, signed with the first key
 * (RFC 6749, section 4.4, with the audience in `audience`, as many issuers have it).
 */
export async function serveIssuer(secrets: Readonly<Record<string, string>> = {}) {
  let keys: readonly TestIssuer[] = [];
  let asked = 0;
  const server = createServer(async (request, response) => {
    const { port } = server.address() as AddressInfo;
    const issuer = `http://127.0.0.1:${port}`;
    const answer = (body: object): unknown => response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    switch (request.url) {
      case "/.well-known/openid-configuration":
        answer({ issuer, jwks_uri: `${issuer}/keys`, token_endpoint: `${issuer}/token` });
        break;
      case "/token":
        answer(await tokenFor(new URLSearchParams(await text(request)), secrets, keys));
        break;
      default:
        asked += 1;
        answer({ keys: await Promise.all(keys.map(({ publicJwk }) => publicJwk())) });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    rotate: (...changed: readonly TestIssuer[]) => {
      keys = changed;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function tokenFor(
  form: URLSearchParams,
  secrets: Readonly<Record<string, string>>,
  [key]: readonly TestIssuer[],
): Promise<object> {
  const { grant_type: grant, client_id: sub = "", client_secret: secret, audience: aud = "" } = Object.fromEntries(form);
  if (grant !== "client_credentials") return { error: "unsupported_grant_type" };
  if (secret === undefined || secret !== secrets[sub] || key === undefined) return { error: "invalid_client" };
  return { access_token: await key.sign({ sub, aud }), token_type: "Bearer", expires_in: 600 };
}
