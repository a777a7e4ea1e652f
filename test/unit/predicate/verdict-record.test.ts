import { describe, expect, test } from "vitest";
import type { RuleId } from "../../../src/kernel/ids.ts";
import type { Check, ShadowDifference } from "../../../src/predicate/core/types.ts";
import { recordTextMax } from "../../../src/predicate/limits.ts";
import { cutVerdict, decidesSame, isFinding, rulesIn } from "../../../src/predicate/verdict-record.ts";
import { checkOf, sampleCheck } from "../../support/rule-values.ts";
import { allowed, denied, recordAt, violationOf } from "../../support/verdict-values.ts";

const shadow: ShadowDifference = {
  ruleId: "new" as RuleId,
  shadowVersion: 2,
  activeVersion: undefined,
  violation: violationOf("new"),
};
const invalid = { type: "invalid-transition", ruleSetRevision: 4, allowedStates: [] } as const;

const metadataInvalid = (message: string) =>
  ({ type: "metadata-invalid", ruleSetRevision: 4, problems: [{ path: "site", message }] }) as const;

test.each([
  { verdict: denied(violationOf("cold")), finding: true },
  { verdict: allowed(), finding: false },
  { verdict: allowed({ warnings: [violationOf("late")] }), finding: true },
  { verdict: allowed({ audits: [violationOf("seen")] }), finding: true },
  { verdict: allowed({ shadows: [shadow] }), finding: true },
  { verdict: invalid, finding: false },
  { verdict: metadataInvalid("it is not set"), finding: true },
  { verdict: { type: "deferred", ruleSetRevision: 4 } as const, finding: false },
])("$verdict.type is a finding if a rule has said something: $finding", ({ verdict, finding }) => {
  expect(isFinding(verdict)).toBe(finding);
});

describe("the digest of a question", () => {
  const digestOf = (check: Check) => recordAt(1, allowed(), check).inputDigest;

  test("is the same whatever the order of keys, and another for another question", () => {
    const metadata = { b: 1, a: { d: [1, { y: 1, x: 2 }], c: null } };
    const turned = { a: { c: null, d: [1, { x: 2, y: 1 }] }, b: 1 };
    const digest = digestOf(checkOf({ workflow: { metadata } }));
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(digestOf(checkOf({ workflow: { metadata: turned } }))).toBe(digest);
    expect(digestOf(checkOf({ workflow: { metadata: { ...turned, b: 2 } } }))).not.toBe(digest);
    expect(digestOf(checkOf({ workflow: { metadata }, atMs: sampleCheck.atMs + 1 }))).not.toBe(digest);
  });

  test("tells apart what has happened last, and lists from what only looks like one", () => {
    const { lastEvent } = sampleCheck;
    const digests = [
      sampleCheck,
      checkOf({ lastEvent: undefined }),
      checkOf({ lastEvent: lastEvent && { ...lastEvent, reason: "another" } }),
      checkOf({ context: { list: ["a", "b"] } }),
      checkOf({ context: { list: { 0: "a", 1: "b" } } }),
    ].map(digestOf);
    expect(new Set(digests).size).toBe(digests.length);
  });

  // Records of two programs are compared by it.
  test("is what it was in the program that wrote the record", () => {
    const metadata = { c: 1, a: [true, "x"], d: null, b: { z: 1, y: 2, x: 3 } };
    expect(digestOf(checkOf({ context: metadata }))).toBe("3acadd8300fe1b940a76fab4606e6f71eb18b246e023112128ce721f9efdf38e");
  });

  test("tells a key __proto__ from none", () => {
    const metadata = JSON.parse('{"__proto__": {"a": 1}}') as Check["context"];
    expect(digestOf(checkOf({ context: metadata }))).not.toBe(digestOf(checkOf({ context: {} })));
  });
});

test("who has said something is named once", () => {
  const verdict = { ...denied(violationOf("cold")), warnings: [violationOf("late")], shadows: [shadow, shadow] };
  expect(rulesIn(verdict)).toEqual(["cold", "late", "new"]);
  const said = { audits: [violationOf("seen")], warnings: [violationOf("late")], shadows: [shadow] };
  expect(rulesIn(allowed(said))).toEqual(["late", "seen", "new"]);
  expect(rulesIn(invalid)).toEqual([]);
});

test("what rules say is cut, the first violation kept, and violations that are left out counted", () => {
  const long = violationOf("cold", "x".repeat(recordTextMax / 4));
  const { verdict, violationsOmitted } = cutVerdict({ ...denied(long, long, long, long), warnings: [long] });
  expect(verdict).toMatchObject({ violations: [long, long, long], warnings: [] });
  expect(violationsOmitted).toBe(1);
  const huge = violationOf("cold", "x".repeat(2 * recordTextMax));
  expect(cutVerdict(denied(huge, huge))).toMatchObject({ verdict: { violations: [huge] }, violationsOmitted: 1 });
  expect(cutVerdict(allowed({ audits: [huge], shadows: [{ ...shadow, violation: huge }] }))).toStrictEqual({
    verdict: allowed(),
    violationsOmitted: 0,
  });
  expect(cutVerdict(invalid)).toStrictEqual({ verdict: invalid, violationsOmitted: 0 });
});

test("of texts as much is kept as fits, to the character, with what else a finding takes", () => {
  const fitting = violationOf("cold", "x".repeat(recordTextMax - 104));
  const larger = violationOf("cold", "x".repeat(recordTextMax - 103));
  const shadowOf = (violation: typeof fitting) => ({ ...shadow, ruleId: violation.ruleId, violation });
  for (const cut of [
    (violation: typeof fitting) => allowed({ warnings: [violation] }),
    (violation: typeof fitting) => allowed({ audits: [violation] }),
    (violation: typeof fitting) => allowed({ shadows: [shadowOf(violation)] }),
  ]) {
    expect(cutVerdict(cut(fitting)).verdict).toEqual(cut(fitting));
    expect(cutVerdict(cut(larger)).verdict).toEqual(allowed());
  }
});

test("verdicts are the same if they say the same of the same rules, whatever the version, the revision and the cost", () => {
  const cold = violationOf("cold");
  const later = { ...denied({ ...cold, ruleVersion: 9 }), ruleSetRevision: 9, cost: 99 };
  expect(decidesSame(denied(cold), later)).toBe(true);
  expect(decidesSame(denied(cold), denied(violationOf("cold", "much too warm")))).toBe(false);
  expect(decidesSame(denied(cold), denied(violationOf("qc")))).toBe(false);
  expect(decidesSame(denied(cold), allowed({ warnings: [cold] }))).toBe(false);
  expect(decidesSame(allowed({ audits: [cold] }), allowed({ warnings: [cold] }))).toBe(false);
  expect(decidesSame(allowed(), invalid)).toBe(false);
  expect(decidesSame(allowed({ shadows: [shadow] }), allowed())).toBe(true);
  const late = violationOf("late");
  expect(decidesSame(allowed({ warnings: [cold] }), allowed({ warnings: [cold, late] }))).toBe(false);
  expect(decidesSame(allowed({ audits: [cold] }), allowed({ audits: [cold, late] }))).toBe(false);
  expect(decidesSame(metadataInvalid("it is not set"), metadataInvalid("it is not set"))).toBe(true);
  expect(decidesSame(metadataInvalid("it is not set"), metadataInvalid("it is no text"))).toBe(false);
});
