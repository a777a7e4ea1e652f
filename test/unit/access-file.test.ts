import { expect, test } from "vitest";
import { readAccessFile } from "../../src/access-file.ts";
import { accessFile, sha256Of } from "../support/access.ts";
import { storageDir } from "../support/storage-dir.ts";

function read(content: object | string) {
  const { path } = accessFile(storageDir(), content);
  const result = readAccessFile(path);
  return result.ok ? result.value : result.error.map(({ message }) => message.replace(`access: ${path}: `, ""));
}

const sha256 = sha256Of("t");
const nothing = { certificates: [], jwt: [], tokens: [], without: ["health"] };
const withToken = (token: object) => ({ authentication: { tokens: [token] } });

test("the access file has what it says, and health needs no proof unless it says so", () => {
  const token = { principal: "ada", sha256: sha256.toUpperCase(), not_after: "2027-01-01T00:00:00Z" };
  expect(read(withToken(token))).toEqual({
    authentication: { ...nothing, tokens: [{ principal: "ada", sha256, notAfterMs: Date.UTC(2027, 0, 1) }] },
    grants: [],
    quotas: [],
  });
  expect(read({ authentication: { without: [] } })).toEqual({
    authentication: { ...nothing, without: [] },
    grants: [],
    quotas: [],
  });
  expect(read({})).toEqual({ authentication: nothing, grants: [], quotas: [] });
});

test("a file that is empty, as while it is written or on a full disk, takes nothing away from anybody", () => {
  expect(read("")).toEqual([expect.stringContaining("is empty; docs/security.md says what it has")]);
});

test("rules for certificates and issuers of JWTs have what the file says", () => {
  const certificates = [
    { match: { uri: "spiffe://example.org/lab/*" }, principal: "{uri}" },
    { match: { dns: "*.example.org" }, principal: "host:{dns}" },
    { match: { cn: "ada" }, principal: "ada" },
  ];
  const jwt = [
    { issuer: "https://id.example", audience: "concord" },
    {
      issuer: "https://ci.example",
      audience: ["a", "b"],
      jwks: "http://127.0.0.1:1/k",
      algorithms: ["ES256"],
      principal: "email",
      clock_skew: "5s",
      prefix: "ci:",
    },
    { issuer: "kubernetes/serviceaccount", audience: "concord", jwks: "keys.json" },
  ];
  const algorithms = expect.arrayContaining(["RS256", "ES256", "EdDSA"]);
  expect(read({ authentication: { certificates, jwt } })).toMatchObject({
    authentication: {
      certificates: [
        { kind: "uri", pattern: "spiffe://example.org/lab/*", principal: "{uri}" },
        { kind: "dns", pattern: "*.example.org", principal: "host:{dns}" },
        { kind: "cn", pattern: "ada", principal: "ada" },
      ],
      jwt: [
        {
          issuer: "https://id.example",
          audience: ["concord"],
          keys: { type: "discovery" },
          algorithms,
          principal: "sub",
          prefix: "",
          clockSkewMs: 30_000,
        },
        {
          audience: ["a", "b"],
          keys: { type: "url", url: "http://127.0.0.1:1/k" },
          algorithms: ["ES256"],
          principal: "email",
          prefix: "ci:",
          clockSkewMs: 5_000,
        },
        { issuer: "kubernetes/serviceaccount", keys: { type: "file", path: "keys.json" } },
      ],
    },
  });
});

test("quotas have what the file says; a burst is a second's rate, unless it is said", () => {
  const quotas = [
    { principals: ["ci-*"], calls: 8, streams: 2, rate: 50, burst: 100, bytes_per_second: "2MiB" },
    { principals: ["*"], rate: 10, rules: 20, workflows: 5000 },
  ];
  expect(read({ quotas })).toMatchObject({
    quotas: [
      { principals: ["ci-*"], calls: 8, streams: 2, rate: 50, burst: 100, bytesPerSecond: 2 * 2 ** 20 },
      {
        principals: ["*"],
        calls: undefined,
        streams: undefined,
        rate: 10,
        burst: 10,
        bytesPerSecond: undefined,
        rules: 20,
        workflows: 5000,
      },
    ],
  });
});

test.each([
  [{ principals: ["a"] }, "principals have a quota of nothing: give calls, streams, rate, bytes_per_second, rules or workflows"],
  [{ principals: ["a"], calls: 0 }, "calls must be a whole number from 1 to 1000000"],
  [{ principals: ["a"], calls: 1, burst: 2 }, "burst is of the rate, which is left out"],
  [
    { principals: ["a"], bytes_per_second: 4096 },
    "bytes_per_second must be a size from 1KiB to 1024GiB, such as 64KiB, 4MiB or 1GiB; write 4096MiB",
  ],
  [{ principals: [], calls: 1 }, "principals must name at least one principal"],
])("what is wrong with a quota is named: %j", (quota, words) => {
  expect(read({ quotas: [quota] })).toEqual([`quotas[0].${words}`]);
});

const matchWords = "must have one of uri, dns, cn, with a name or a pattern such as spiffe://example.org/lab/* or *.example.org";
const issuerWords = "must be the URL of the issuer as its tokens have it (iss), with https, or http to this machine";
const urlWords = "must be a URL with https, or with http to this machine; or the path of a file";
const algorithmWords = "must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519";
const withCertificate = (match: object, principal = "ada") => ({ authentication: { certificates: [{ match, principal }] } });
const withJwt = (jwt: object) => ({ authentication: { jwt: [{ issuer: "https://id.example", audience: "concord", ...jwt }] } });

test.each([
  [withCertificate({}), `certificates[0].match ${matchWords}`],
  [withCertificate({ uri: "a", cn: "b" }), `certificates[0].match ${matchWords}`],
  [withCertificate({ uri: "spiffe://*/lab" }), `certificates[0].match ${matchWords}`],
  [withCertificate({ dns: "lab.*" }), `certificates[0].match ${matchWords}`],
  [withCertificate({ cn: "ada" }, "{uri}"), "certificates[0].principal has {uri}, which is not what is matched: {cn}"],
  [
    withCertificate({ cn: "ada" }, "system:{cn}"),
    "certificates[0].principal must be a name of 1 to 256 visible characters that does not begin with system:",
  ],
  [withJwt({ algorithms: ["none"] }), `jwt[0].algorithms[0] ${algorithmWords}`],
  [withJwt({ algorithms: ["HS256"] }), `jwt[0].algorithms[0] ${algorithmWords}`],
  [withJwt({ algorithms: [] }), "jwt[0].algorithms must name an algorithm"],
  [withJwt({ issuer: "http://id.example" }), `jwt[0].issuer ${issuerWords}`],
  [withJwt({ jwks: "http://id.example/keys" }), `jwt[0].jwks ${urlWords}`],
  [withJwt({ clock_skew: "1h" }), "jwt[0].clock_skew must be a duration from 0s to 5m, such as 250ms, 2s, 1m, 1h or 30d"],
])("what is wrong with rules and issuers is named: %j", (content, words) => {
  expect(read(content)).toEqual([`authentication.${words}`]);
});

const principalWords = "must be a name of 1 to 256 visible characters that does not begin with system:";
const shaWords = "must be the SHA-256 of a token, 64 hexadecimal digits: concord token new makes both";

test.each([
  [{ authorisation: {} }, "it has unknown keys: authorisation; docs/security.md has those that are known"],
  [withToken({ principal: "", sha256 }), `authentication.tokens[0].principal ${principalWords}`],
  [withToken({ principal: "system:concord.workflow", sha256 }), `authentication.tokens[0].principal ${principalWords}`],
  [withToken({ principal: "a\u202eb", sha256 }), `authentication.tokens[0].principal ${principalWords}`],
  [withToken({ principal: "a".repeat(257), sha256 }), `authentication.tokens[0].principal ${principalWords}`],
  [withToken({ principal: "ada", sha256: "concord_secret" }), `authentication.tokens[0].sha256 ${shaWords}`],
  [withToken({ principal: "ada", token: "concord_secret", sha256 }), expect.stringContaining("unknown keys: token;")],
  [
    withToken({ principal: "ada", sha256, not_after: "soon" }),
    "authentication.tokens[0].not_after must be a time such as 2027-01-01T00:00:00Z",
  ],
  [{ authentication: { without: ["everything"] } }, "authentication.without[0] must be one of health, reflection, metrics"],
  [
    {
      authentication: {
        tokens: [
          { principal: "ada", sha256 },
          { principal: "bob", sha256 },
        ],
      },
    },
    "authentication.tokens[1].sha256 is there already: a token proves one principal",
  ],
])("what is wrong is named with its place, and not repeated: %j", (content, words) => {
  const problems = read(content);
  expect(problems).toEqual([words]);
  expect(JSON.stringify(problems)).not.toContain("concord_secret");
});

test("all problems are told", () => {
  expect(read({ authentication: { tokens: [{ principal: "ada" }, { sha256 }] } })).toHaveLength(2);
});
