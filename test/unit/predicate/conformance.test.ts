import { getConformanceSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { expect, test } from "vitest";
import { casesOf, deductionOf, failureOf, isComparable } from "../../support/cel-conformance.ts";
import { core, deductions, type Expected, extensions, missing } from "../../support/cel-conformance-expected.ts";

// https://github.com/google/cel-spec/tree/master/tests/simple/testdata, in version 0.25.
const suites = new Map(getConformanceSuite().suites.map((suite) => [suite.name, suite]));

test("every section of the data is judged, or is missing for a reason", () => {
  expect(Object.keys({ ...core, ...extensions, ...missing }).sort()).toEqual([...suites.keys()].sort());
});

test.each(Object.entries({ ...core, ...extensions }))("%s means what the specification says", (name, { comparable, fails }) => {
  const suite = suites.get(name);
  const cases = suite === undefined ? [] : casesOf(suite, "").filter(([, each]) => isComparable(each));
  expect(cases.length).toBe(comparable);
  const failures = cases.map(([path, each]) => [path, failureOf(each)] as const).filter(([, failure]) => failure !== undefined);
  expect(failures.filter(([path]) => !Object.hasOwn(fails, path))).toEqual([]);
  // One that starts to hold is taken off the list.
  expect(failures.map(([path]) => path).sort()).toEqual(Object.keys(fails).sort());
});

test("all that can be asked holds, but for names that do not exist and integers that others round", () => {
  const counts = (sections: Readonly<Record<string, Expected>>) => ({
    comparable: Object.values(sections).reduce((sum, { comparable }) => sum + comparable, 0),
    failing: Object.values(sections).reduce((sum, { fails }) => sum + Object.keys(fails).length, 0),
  });
  expect(counts(core)).toEqual({ comparable: 1172, failing: 29 });
  expect(counts(extensions)).toEqual({ comparable: 519, failing: 0 });
});

test("the type of each expression is what the specification says", () => {
  const suite = suites.get("type_deductions");
  const found = (suite === undefined ? [] : casesOf(suite, "")).map(([path, each]) => [path, deductionOf(each)] as const);
  expect(found.length).toBe(deductions.cases);
  const others = found.filter(([, deduction]) => deduction?.found !== deduction?.said);
  expect(others.filter(([path]) => !Object.hasOwn(deductions.fails, path))).toEqual([]);
  // One that starts to hold is taken off the list.
  expect(others.map(([path]) => path).sort()).toEqual(Object.keys(deductions.fails).sort());
});
