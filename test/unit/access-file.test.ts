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
const withToken = (token: object) => ({ authentication: { tokens: [token] } });

test("the access file has what it says, and health needs no proof unless it says so", () => {
  const token = { principal: "ada", sha256: sha256.toUpperCase(), not_after: "2027-01-01T00:00:00Z" };
  expect(read(withToken(token))).toEqual({
    authentication: { tokens: [{ principal: "ada", sha256, notAfterMs: Date.UTC(2027, 0, 1) }], without: ["health"] },
    grants: [],
  });
  expect(read({ authentication: { without: [] } })).toEqual({ authentication: { tokens: [], without: [] }, grants: [] });
  expect(read("")).toEqual({ authentication: { tokens: [], without: ["health"] }, grants: [] });
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
