// What is depended upon: that the lock file says which bytes, for all platforms, and docs/dependencies.md why; and, where the registry knows it, whether
// there are advisories.
import { readFileSync } from "node:fs";
import { audit } from "./dependencies/advisories.ts";
import {
  entryProblems,
  explanationProblems,
  firstColumn,
  type Lock,
  type Manifest,
  manifestProblems,
  missing,
  scriptProblems,
} from "./dependencies/lock.ts";

const page = readFileSync("docs/dependencies.md", "utf8");
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;

const explained = (names: object = {}, heading: string) =>
  explanationProblems(Object.keys(names), firstColumn(page, heading), heading);

const problems = [
  ...manifestProblems(manifest),
  ...entryProblems(lock),
  ...missing(lock),
  ...scriptProblems(lock, firstColumn(page, "Scripts that run at installation").flat()),
  ...explained(manifest.dependencies, "At run time"),
  ...explained(manifest.devDependencies, "For development"),
];
for (const problem of problems) console.error(problem);

const audited = audit(page);
if ("unknown" in audited) {
  console.error(
    `NOT CHECKED: whether packages have known vulnerabilities. npm audit: ${audited.unknown}. Ask where a registry answers: npm audit --omit=dev`,
  );
} else {
  for (const line of audited.found) console.error(`vulnerable: ${line}`);
}
process.exitCode = problems.length > 0 || ("found" in audited && audited.found.length > 0) ? 1 : 0;
