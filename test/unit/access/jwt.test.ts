import { generateKeyPairSync, sign } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { type AuthenticationSettings, createAuthentication } from "../../../src/access/authentication.ts";
import { type JwtSetting, jwtAlgorithms } from "../../../src/access/jwt.ts";
import { createIssuer, signedWithSecret, type TestIssuer, unsigned } from "../../support/issuer.ts";

const url = "https://issuer.example";
const own = { token: "own-secret", name: "system:concord.workflow" };

const setting: JwtSetting = {
  issuer: url,
  audience: ["concord"],
  keys: { type: "url", url: `${url}/keys` },
  algorithms: [...jwtAlgorithms],
  principal: "sub",
  prefix: "",
  clockSkewMs: 30_000,
};

let issuer: TestIssuer;
let other: TestIssuer;
beforeAll(async () => {
  issuer = await createIssuer(url, "one");
  other = await createIssuer(url, "two");
});

/** A server that believes this issuer, whose keys are read from here. */
async function believing(changes: Partial<JwtSetting> = {}, keys: readonly TestIssuer[] = [issuer]) {
  const state = { keys, away: false, reads: 0, nowMs: Date.now(), monotonicMs: 0, complaints: [] as string[] };
  const settingsOf = (jwt: readonly JwtSetting[]): AuthenticationSettings => ({ tokens: [], certificates: [], without: [], jwt });
  const authentication = createAuthentication(settingsOf([{ ...setting, ...changes }]), own, {
    clock: { nowMs: () => state.nowMs, monotonicMs: () => state.monotonicMs },
    reading: {
      readText: async () => {
        throw new Error("no file");
      },
      fetchText: async () => {
        state.reads += 1;
        if (state.away) throw new Error("nobody answers");
        return JSON.stringify({ keys: await Promise.all(state.keys.map(({ publicJwk }) => publicJwk())) });
      },
    },
    onKeysUnavailable: (_issuer, why) => void state.complaints.push(why),
  });
  const proofOf = (token: string) =>
    authentication.authenticate({ authorization: `Bearer ${token}`, certificate: undefined, isOwn: false });
  const shown = async (token: string) => {
    const proof = await proofOf(token);
    return proof.ok ? proof.value.principal.name : proof.error;
  };
  return { state, shown, proofOf, replace: (...jwt: readonly JwtSetting[]) => authentication.replace(settingsOf(jwt)) };
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const seconds = (fromNow: number): number => Math.floor(Date.now() / 1_000) + fromNow;

describe("a JWT", () => {
  test("that its issuer has signed proves whom it names, until it expires", async () => {
    const { proofOf, shown, state } = await believing();
    const exp = seconds(100);
    const token = await issuer.sign({ exp });
    expect(await proofOf(token)).toMatchObject({
      ok: true,
      value: { principal: { name: "ada", by: "jwt", expiresAtMs: (exp + 30) * 1_000 } },
    });
    state.nowMs += 131_000;
    expect(await shown(token)).toBe("EXPIRED");
  });

  test.each<[string, string, () => Promise<string> | string]>([
    [
      "with no signature (alg none)",
      "WRONG_ALGORITHM",
      () => unsigned({ iss: url, aud: "concord", sub: "ada", exp: seconds(60) }),
    ],
    [
      "signed with the public key as if that were a secret (key confusion)",
      "WRONG_ALGORITHM",
      async () => signedWithSecret(await issuer.publicPem(), { iss: url, aud: "concord", sub: "ada", exp: seconds(60) }, "one"),
    ],
    ["signed by somebody else with the name of the issuer's key", "WRONG_SIGNATURE", () => other.sign({}, { kid: "one" })],
    ["signed with a key that the issuer has not", "UNKNOWN_KEY", () => other.sign()],
    ["for another audience", "WRONG_AUDIENCE", () => issuer.sign({ aud: "elsewhere" })],
    ["for no audience", "WRONG_AUDIENCE", () => issuer.sign({ aud: undefined as never })],
    ["of an issuer that is not trusted", "WRONG_ISSUER", () => issuer.sign({ iss: "https://evil.example" })],
    ["of no issuer", "WRONG_ISSUER", () => issuer.sign({ iss: undefined as never })],
    ["that has expired", "EXPIRED", () => issuer.sign({ exp: seconds(-60) })],
    ["that is not valid yet", "NOT_YET_VALID", () => issuer.sign({ nbf: seconds(60) })],
    ["without an end", "NO_END", () => issuer.sign({ exp: undefined as never })],
    ["that names nobody", "NO_NAME", () => issuer.sign({ sub: undefined as never })],
    ["that names one of the server's own", "NO_NAME", () => issuer.sign({ sub: "system:concord.workflow" })],
    ["whose signature was cut off", "WRONG_SIGNATURE", async () => (await issuer.sign()).replace(/[^.]+$/, "AAAA")],
    [
      "whose claims were changed",
      "WRONG_SIGNATURE",
      async () => {
        const [head, , signature] = (await issuer.sign()).split(".");
        const claims = { iss: url, aud: "concord", sub: "root", exp: seconds(60) };
        return `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
      },
    ],
    ["that is none", "UNKNOWN_TOKEN", () => "ada-token"],
    ["whose claims are no JSON", "UNVERIFIABLE", async () => (await issuer.sign()).replace(/\.[^.]+\./, ".AAAA.")],
    [
      "that demands what nobody here knows (crit)",
      "UNVERIFIABLE",
      async () => (await issuer.sign()).replace(/^[^.]+/, encoded({ alg: "ES256", kid: "one", crit: ["other"], other: true })),
    ],
  ])("%s proves nothing: %s", async (_, why, make) => {
    expect(await (await believing()).shown(await make())).toBe(why);
  });

  test("of an issuer whose key is too small proves nothing", async () => {
    const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const publicJwk = async () => ({ ...small.publicKey.export({ format: "jwk" }), kid: "small", alg: "RS256", use: "sig" });
    const { shown } = await believing({}, [{ ...issuer, publicJwk }]);
    const signed = `${encoded({ alg: "RS256", kid: "small" })}.${encoded({ iss: url, aud: "concord", sub: "ada", exp: seconds(60) })}`;
    expect(await shown(`${signed}.${sign("sha256", Buffer.from(signed), small.privateKey).toString("base64url")}`)).toBe(
      "UNVERIFIABLE",
    );
  });

  test("within the skew of clocks counts still, and counts already", async () => {
    const { shown } = await believing();
    expect(await shown(await issuer.sign({ exp: seconds(-20) }))).toBe("ada");
    expect(await shown(await issuer.sign({ nbf: seconds(20) }))).toBe("ada");
  });

  test("is refused if its algorithm is not among those that are allowed", async () => {
    const { shown } = await believing({ algorithms: ["RS256"] });
    expect(await shown(await issuer.sign())).toBe("WRONG_ALGORITHM");
  });

  test("names its principal by the claim that the file says, behind a prefix", async () => {
    const { shown } = await believing({ principal: "email", prefix: "corp:" });
    expect(await shown(await issuer.sign({ email: "ada@example.org" }))).toBe("corp:ada@example.org");
    expect(await shown(await issuer.sign({ email: ["ada@example.org"] }))).toBe("NO_NAME");
  });

  test("that names no key is tried with each that its issuer has", async () => {
    const { shown } = await believing({}, [other, issuer]);
    expect(await shown(await issuer.sign({}, { kid: undefined }))).toBe("ada");
    const stranger = await createIssuer(url, "three");
    expect(await shown(await stranger.sign({}, { kid: undefined }))).toBe("WRONG_SIGNATURE");
  });

  test("is verified once, then known at once; and again after five minutes", async () => {
    const { proofOf, state } = await believing();
    const token = await issuer.sign({ exp: seconds(10_000) });
    const [first, second] = await Promise.all([proofOf(token), proofOf(token)]);
    expect(first).toEqual(second);
    expect(proofOf(token)).not.toBeInstanceOf(Promise);
    state.nowMs += 5 * 60_000;
    expect(proofOf(token)).toBeInstanceOf(Promise);
  });

  test("is revoked when its issuer is taken out of the file, or is written otherwise", async () => {
    const { proofOf, replace } = await believing();
    const proof = await proofOf(await issuer.sign());
    replace(setting);
    expect(proof).toMatchObject({ ok: true, value: { revoked: { aborted: false } } });
    replace({ ...setting, audience: ["concord", "others"] });
    expect(proof).toMatchObject({ ok: true, value: { revoked: { aborted: true } } });
  });
});

describe("the keys of an issuer", () => {
  test("are read when they are needed, and anew for a key that is not among them, but not for each such token", async () => {
    const { state, shown } = await believing();
    await shown(await issuer.sign());
    expect(state.reads).toBe(1);
    expect(await shown(await other.sign())).toBe("UNKNOWN_KEY");
    expect(state.reads).toBe(1);
    state.keys = [other];
    state.monotonicMs += 5_000;
    const rotated = await Promise.all([other.sign({ jti: "1" }), other.sign({ jti: "2" })]);
    expect(await Promise.all(rotated.map(shown))).toEqual(["ada", "ada"]);
    expect(state.reads).toBe(2);
    expect(await shown(await issuer.sign({ jti: "3" }))).toBe("UNKNOWN_KEY");
  });

  test("that cannot be had leave it open whether a token is good, and are asked for again in a second", async () => {
    const { state, shown } = await believing();
    state.away = true;
    expect(await shown(await issuer.sign())).toBe("KEYS_UNAVAILABLE");
    expect(await shown(await issuer.sign({ jti: "2" }))).toBe("KEYS_UNAVAILABLE");
    expect(state).toMatchObject({ reads: 1, complaints: ["nobody answers", "nobody answers"] });
    state.away = false;
    state.monotonicMs += 1_000;
    expect(await shown(await issuer.sign())).toBe("ada");
  });

  test("that were there count for an hour while their issuer is away", async () => {
    const { state, shown } = await believing();
    expect(await shown(await issuer.sign())).toBe("ada");
    state.away = true;
    state.monotonicMs += 60 * 60_000;
    expect(await shown(await issuer.sign({ jti: "2" }))).toBe("ada");
    state.monotonicMs += 1;
    expect(await shown(await issuer.sign({ jti: "3" }))).toBe("KEYS_UNAVAILABLE");
  });

  test.each([
    [
      "of another issuer",
      { issuer: "https://evil.example", jwks_uri: `${url}/keys` },
      "its OpenID configuration is of another issuer",
    ],
    [
      "that are to be fetched in plain text",
      { issuer: url, jwks_uri: "http://issuer.example/keys" },
      "names no jwks_uri that could be trusted",
    ],
  ])("%s are not believed", async (_, configuration, words) => {
    const complaints: string[] = [];
    const settings = { tokens: [], certificates: [], without: [], jwt: [{ ...setting, keys: { type: "discovery" } as const }] };
    const authentication = createAuthentication(settings, own, {
      clock: { nowMs: Date.now, monotonicMs: () => 0 },
      reading: { readText: async () => "", fetchText: async () => JSON.stringify(configuration) },
      onKeysUnavailable: (_issuer, why) => void complaints.push(why),
    });
    const authorization = `Bearer ${await issuer.sign()}`;
    expect(await authentication.authenticate({ authorization, certificate: undefined, isOwn: false })).toMatchObject({
      error: "KEYS_UNAVAILABLE",
    });
    expect(complaints).toEqual([expect.stringContaining(words)]);
  });
});
