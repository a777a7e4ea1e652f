import { describe, expect, test } from "vitest";
import { type AuthenticationSettings, createAuthentication } from "../../../src/access/authentication.ts";
import type { TokenSetting } from "../../../src/access/tokens.ts";
import { sha256Of } from "../../support/access.ts";

const own = { token: "own-secret", name: "system:concord.workflow" };
const ada: TokenSetting = { principal: "ada", sha256: sha256Of("ada-token"), notAfterMs: undefined };

const settingsWith = (...tokens: readonly TokenSetting[]): AuthenticationSettings => ({
  tokens,
  certificates: [],
  jwt: [],
  without: [],
});

function authenticationWith(settings: AuthenticationSettings, nowMs = 1_000) {
  const authentication = createAuthentication(settings, own, {
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    reading: { readText: async () => "", fetchText: async () => "" },
    onKeysUnavailable: () => undefined,
  });
  const shown = (authorization: string | undefined, isOwn = false) => {
    const proof = authentication.authenticate({ authorization, certificate: undefined, isOwn });
    if (proof instanceof Promise) throw new Error("a static token is known at once");
    return proof.ok ? proof.value.principal : proof.error;
  };
  return { authentication, shown };
}

describe("a static token", () => {
  test("proves its principal, and nothing else does", () => {
    const { shown } = authenticationWith(settingsWith(ada));
    expect(shown("Bearer ada-token")).toEqual({ name: "ada", by: "token", expiresAtMs: undefined });
    expect(shown("bearer   ada-token")).toMatchObject({ name: "ada" });
    expect(shown("Bearer ada-tokem")).toBe("UNKNOWN_TOKEN");
    // Not its hash, which stands in a file.
    expect(shown(`Bearer ${ada.sha256}`)).toBe("UNKNOWN_TOKEN");
    expect(shown(undefined)).toBe("NO_PROOF");
  });

  test.each([
    "",
    "ada-token",
    "Basic YWRhOmE=",
    "Bearer",
    "Bearer ",
    "Bearer ada-token x",
    "Bearer ada-token,Bearer x",
    "Bearer é",
  ])("what is no bearer token is said to be none: %j", (authorization) => {
    expect(authenticationWith(settingsWith(ada)).shown(authorization)).toBe("UNREADABLE");
  });

  test("proves nothing from its end on", () => {
    const setting = { ...ada, notAfterMs: 2_000 };
    expect(authenticationWith(settingsWith(setting), 1_999).shown("Bearer ada-token")).toMatchObject({ expiresAtMs: 2_000 });
    expect(authenticationWith(settingsWith(setting), 2_000).shown("Bearer ada-token")).toBe("EXPIRED");
  });

  test("is revoked once the file has it no more, or for somebody else; what stays as it was is not", () => {
    const bob = { ...ada, principal: "bob", sha256: sha256Of("bob-token") };
    const eve = { ...ada, principal: "eve", sha256: sha256Of("eve-token") };
    const { authentication, shown } = authenticationWith(settingsWith(ada, bob, eve));
    const proofs = ["ada", "bob", "eve"].map((name) => {
      const authorization = `Bearer ${name}-token`;
      const proof = authentication.authenticate({ authorization, certificate: undefined, isOwn: false });
      if (proof instanceof Promise || !proof.ok) throw new Error("it is a proof");
      return proof.value;
    });
    authentication.replace(settingsWith(ada, { ...eve, principal: "mallory" }));
    expect(proofs.map(({ revoked }) => revoked.aborted)).toEqual([false, true, true]);
    expect(["ada", "bob", "eve"].map((name) => shown(`Bearer ${name}-token`))).toEqual([
      { name: "ada", by: "token", expiresAtMs: undefined },
      "UNKNOWN_TOKEN",
      { name: "mallory", by: "token", expiresAtMs: undefined },
    ]);
  });
});

test("a process knows its own calls by the way on which they come, and no others come that way", () => {
  const { authentication, shown } = authenticationWith(settingsWith(ada));
  expect(shown("Bearer own-secret", true)).toEqual({ name: "system:concord.workflow", by: "process" });
  authentication.replace(settingsWith(ada));
  expect(shown("Bearer own-secret", true)).toEqual({ name: "system:concord.workflow", by: "process" });
  expect(shown("Bearer own-secret")).toBe("UNKNOWN_TOKEN");
  expect(shown("Bearer ada-token", true)).toBe("UNKNOWN_TOKEN");
  expect(shown(undefined, true)).toBe("NO_PROOF");
});
