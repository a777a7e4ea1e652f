import type { Expectation, Verdict, Violation } from "../types.ts";

/** Rules that are named for one test. Its author mends one after the other. */
const namedRuleCountMax = 5;

/** What is otherwise than a test wants it, as a sentence; nothing: all is well. */
export function mismatchOf(expected: Expectation, verdict: Verdict): string | undefined {
  if (verdict.type !== expected.verdict) return `expected it to be ${wantedWords(expected)}, but it was ${foundWords(verdict)}`;
  if (expected.violations.length === 0) return undefined;
  const differences = violationDifferences(expected, foundIn(verdict));
  return differences.length === 0 ? undefined : listed(differences, "; ");
}

function wantedWords({ verdict, violations }: Expectation): string {
  switch (verdict) {
    case "allowed":
      return "allowed";
    case "rule-denied":
      return violations.length === 0 ? "denied" : `denied by ${listed(violations.map(({ ruleId }) => `"${ruleId}"`))}`;
    case "invalid-transition":
      return "no move of the lifecycle";
    case "metadata-invalid":
      return "refused by the schema";
  }
}

function foundWords(verdict: Verdict): string {
  switch (verdict.type) {
    case "allowed":
      return "allowed";
    case "rule-denied":
      return `denied by ${listed(verdict.violations.map(({ ruleId, message }) => `"${ruleId}" (${message})`))}`;
    case "invalid-transition":
      return `no move of the lifecycle, in which it could go to ${verdict.allowedStates.join(", ") || "nowhere"}`;
    case "metadata-invalid":
      return `refused by the schema: ${listed(verdict.problems.map(({ path, message }) => `${path} ${message}`))}`;
    case "deferred":
      return "not judged";
  }
}

function violationDifferences(expected: Expectation, found: readonly Violation[]): readonly string[] {
  const wanted = new Map(expected.violations.map(({ ruleId, message }) => [ruleId, message]));
  const differences = found.flatMap(({ ruleId, message }) => {
    const wantedMessage = wanted.get(ruleId);
    wanted.delete(ruleId);
    if (wantedMessage === undefined) return [`did not expect rule "${ruleId}" to say: ${message}`];
    if (wantedMessage === "" || wantedMessage === message) return [];
    return [`expected rule "${ruleId}" to say: ${wantedMessage}; but it says: ${message}`];
  });
  return [
    ...differences,
    ...[...wanted.keys()].map((ruleId) => `expected rule "${ruleId}" not to hold, but it holds or does not apply`),
  ];
}

function listed(items: readonly string[], separator = ", "): string {
  const more = items.length - namedRuleCountMax;
  return `${items.slice(0, namedRuleCountMax).join(separator)}${more > 0 ? `${separator}and ${more} more` : ""}`;
}

function foundIn(verdict: Verdict): readonly Violation[] {
  if (verdict.type !== "allowed" && verdict.type !== "rule-denied") return [];
  return [...(verdict.type === "rule-denied" ? verdict.violations : []), ...verdict.warnings, ...verdict.audits];
}
