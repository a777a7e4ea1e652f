import { expect, test } from "vitest";
import type { Json, JsonObject } from "../../../src/kernel/json.ts";
import { violationsOf } from "../../../src/predicate/core/metadata-schema.ts";
import { compileNodes } from "../../../src/predicate/core/schema/compile.ts";
import { type Findings, holds, type Node } from "../../../src/predicate/core/schema/run.ts";
import { type SuiteGroup, suiteFiles } from "../../support/json-schema-suite.ts";

/** What is refused when a schema is written, instead of being ignored or fetched: docs/rules.md. */
const refusedOnPurpose = [
  /^(is|are) not supported/,
  /is not within this schema/,
  /is no schema within this one/,
  /^does nothing/,
  /^there is no format/,
  /is no RE2 pattern/,
  /^is empty/,
  /^draft-07 ignores it/,
];

/** Formats are asserted here, as people expect; the rest is what these do not look at. */
const wrongOnPurpose = [
  / is only an annotation by default$/,
  /an IPv6-address-literal after the @ is valid$/,
  /leading zero in an embedded IPv4 address is invalid$/,
];

const draft7 = "http://json-schema.org/draft-07/schema#";

function judge(directory: string, groups: readonly SuiteGroup[]) {
  const count = { right: 0, wrong: 0, refused: 0 };
  const surprises: string[] = [];
  for (const { description, schema, tests } of groups) {
    const isDraft7 = directory.startsWith("draft7") && typeof schema === "object";
    const root = compileNodes(isDraft7 ? { $schema: draft7, ...(schema as object) } : schema);
    if (!root.ok) {
      count.refused += tests.length;
      const unknown = root.error.filter(({ message }) => !refusedOnPurpose.some((reason) => reason.test(message)));
      surprises.push(...unknown.map(({ path, message }) => `${description}: ${path} ${message}`));
      continue;
    }
    for (const each of tests) {
      const isRight = isValid(root.value, each.data) === each.valid;
      count[isRight ? "right" : "wrong"] += 1;
      if (!isRight && !wrongOnPurpose.some((reason) => reason.test(each.description))) {
        surprises.push(`${description}: ${each.description}`);
      }
    }
  }
  return { count, surprises };
}

const isValid = (root: Parameters<typeof violationsOf>[0]["root"], data: Json): boolean => {
  const violations = violationsOf({ root }, data as JsonObject);
  return violations.ok && violations.value.length === 0;
};

// https://github.com/json-schema-org/JSON-Schema-Test-Suite
test.each(["draft2020-12", "draft7", "draft2020-12/format", "draft7/format"])(
  "%s is judged as the suite says, or refused for a reason",
  (directory) => {
    for (const [name, groups] of suiteFiles(directory)) {
      expect({ name, surprises: judge(directory, groups).surprises }).toEqual({ name, surprises: [] });
    }
  },
);

// `anyOf` and `if` ask without a reason, and whoever gets the reasons must not hear the opposite.
test.each(["draft2020-12", "draft7"])("%s is judged alike, whether or not somebody wants to know the reasons", (directory) => {
  const answers = (root: Node, data: Json, findings: Findings | undefined): boolean =>
    holds(root, data, { within: undefined, key: "metadata" }, { budget: { steps: 100_000, names: 100 }, findings });
  for (const [name, groups] of suiteFiles(directory)) {
    for (const { description, schema, tests } of groups) {
      const isDraft7 = directory === "draft7" && typeof schema === "object";
      const root = compileNodes(isDraft7 ? { $schema: draft7, ...(schema as object) } : schema);
      if (!root.ok) continue;
      for (const { data, description: about } of tests) {
        const findings: Findings = { first: [], wanted: 20, count: 0 };
        const [quietly, loudly] = [answers(root.value, data, undefined), answers(root.value, data, findings)];
        const isFit = findings.count === 0;
        expect({ name, description, about, quietly, loudly }).toEqual({
          name,
          description,
          about,
          quietly: isFit,
          loudly: isFit,
        });
      }
    }
  }
});

// One that starts to hold changes these.
test.each([
  ["draft2020-12", { right: 860, wrong: 7, refused: 352 }],
  ["draft7", { right: 781, wrong: 0, refused: 123 }],
  ["draft2020-12/format", { right: 312, wrong: 2, refused: 0 }],
  ["draft7/format", { right: 226, wrong: 1, refused: 0 }],
])("of %s so many", (directory, counts) => {
  const groups = suiteFiles(directory).flatMap(([, each]) => each);
  expect(judge(directory, groups).count).toEqual(counts);
});
