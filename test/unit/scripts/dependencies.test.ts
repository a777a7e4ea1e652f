import { expect, test } from "vitest";
import { auditOf } from "../../../scripts/dependencies/advisories.ts";
import {
  entryProblems,
  explanationProblems,
  firstColumn,
  type Lock,
  manifestProblems,
  missing,
  scriptProblems,
} from "../../../scripts/dependencies/lock.ts";

const known = { version: "1.0.0", integrity: `sha512-${"A".repeat(86)}==` };
const lockOf = (packages: Lock["packages"]): Lock => ({ packages });

test("each entry has a version, a hash, and no place of its own", () => {
  const wrong = {
    "": {},
    "node_modules/fine": known,
    "node_modules/@a/unhashed": { version: "1.0.0-beta.1" },
    "node_modules/weak": { ...known, integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" },
    "node_modules/vague": { ...known, version: "^1.0.0" },
    "node_modules/mirrored": { ...known, resolved: "https://mirror.example/mirrored-1.0.0.tgz" },
    "node_modules/linked": { ...known, link: true },
  };
  expect(entryProblems(lockOf(wrong)).map((line) => line.replace(/ has.*| says.*/, ""))).toEqual(
    ["@a/unhashed", "weak", "vague", "mirrored", "linked"].map((name) => `node_modules/${name}`),
  );
});

test("what is needed is found as Node finds it, and what is optional has to be there for other platforms, too", () => {
  const packages = {
    "": { dependencies: { a: "1.0.0" }, devDependencies: { gone: "1.0.0" } },
    "node_modules/a": {
      ...known,
      dependencies: { b: "*", "@s/c": "*" },
      optionalDependencies: { "a-win32": "*", "a-linux": "*" },
    },
    "node_modules/a/node_modules/@s/c": { ...known, dependencies: { b: "*", d: "*" } },
    "node_modules/a-linux": known,
    "node_modules/b": known,
    "node_modules/b/node_modules/d": known,
  };
  expect(missing(lockOf(packages))).toEqual([
    "package.json needs gone (devDependencies), which has no entry",
    "node_modules/a needs a-win32 (optionalDependencies), which has no entry",
    "node_modules/a/node_modules/@s/c needs d (dependencies), which has no entry",
  ]);
});

test("what runs a script when it is installed is explained, and nothing else is", () => {
  const runs = { ...known, hasInstallScript: true };
  const lock = lockOf({ "": {}, "node_modules/x/node_modules/a": runs, "node_modules/@s/b": runs, "node_modules/c": runs });
  expect(scriptProblems(lock, ["a", "@s/*", "c"])).toEqual([]);
  expect(scriptProblems(lock, ["a", "c", "d"])).toEqual([
    "@s/b runs a script when it is installed, and nothing says why that may be",
    "d is explained, but runs no script when it is installed",
  ]);
});

test("direct dependencies have exact versions, and stand in the table for them", () => {
  expect(manifestProblems({ dependencies: { a: "1.0.0", b: "~1.0.0" }, devDependencies: { c: "latest" } })).toHaveLength(2);
  const page = [
    "## At run time\n\n| package | what for |\n|---|---|\n| a, @s/b, c | x |\n| d | y, z |\n\nWords | are | no row.\n",
    "## For development\n\n| package |\n|---|\n| e |\n",
  ].join("\n");
  const words = firstColumn(`# Page\n\n${page}`, "At run time");
  expect(words).toEqual([["a", "@s/b", "c"], ["d"]]);
  expect(explanationProblems(["a", "@s/b", "@s/c", "d"], words, "here")).toEqual([]);
  expect(explanationProblems(["a", "@s/b", "c", "e"], words, "here")).toEqual([
    'e is not explained under "here"',
    'd is explained under "here", and is not there',
  ]);
  expect(firstColumn(page, "Elsewhere")).toEqual([]);
});

const advisory = { url: "https://github.com/advisories/GHSA-aaaa-bbbb-cccc", title: "it breaks", severity: "high", range: "<2" };
const report = (vulnerabilities: object) => JSON.stringify({ auditReportVersion: 2, vulnerabilities });

test("advisories are named by the package that has them, unless they are accepted", () => {
  const found = report({ a: { via: [advisory, "b"] }, c: { via: ["a"] } });
  expect(auditOf(found, "")).toEqual({ found: [`a <2: it breaks (high) ${advisory.url}`] });
  expect(auditOf(found, "GHSA-aaaa-bbbb-cccc concerns nobody who")).toEqual({ found: [] });
  expect(auditOf(report({ a: { via: [{ title: "nameless" }] } }), "")).toEqual({ found: ["a : nameless () "] });
  expect(auditOf(report({}), "")).toEqual({ found: [] });
});

test("a registry that does not answer is no registry that knows of nothing, and is not named", () => {
  const nobody = (code: string) => ({ unknown: `nobody answers (${code})` });
  const refused = { message: "405 Method Not Allowed - POST https://mirror.example/", statusCode: 405, error: { summary: "" } };
  expect(auditOf(JSON.stringify(refused), "")).toEqual({ unknown: "its registry answers with 405" });
  expect(auditOf('{"error":{"code":"ENOTFOUND","summary":"mirror.example"}}', "")).toEqual(nobody("ENOTFOUND"));
  const message = "request to http://mirror.example:9/ failed, reason: connect ECONNREFUSED mirror.example:9";
  expect(auditOf(JSON.stringify({ message, error: { summary: "" } }), "")).toEqual(nobody("ECONNREFUSED"));
  for (const said of ["", "{}", "npm error"]) expect(auditOf(said, "")).toEqual({ unknown: "it says nothing that can be read" });
});
