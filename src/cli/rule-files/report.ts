import { counted, printable } from "../../kernel/text.ts";
import type { CheckExplanation } from "../../predicate/core/explain-check.ts";
import type { RuleSays } from "../../predicate/core/rule-set/coverage.ts";
import { explanationLines } from "../explain-text.ts";
import { tableLines } from "../output.ts";
import { summaryLines } from "./coverage-report.ts";
import { problemLines } from "./problem.ts";
import type { TestReport, TestResult } from "./run.ts";

/** For people: each test in a line, what the failed ones lack, and which rules the tests have not seen. Then more, if there is more to say. */
export function prettyLines({ results, coverage }: TestReport, coverageLines: readonly string[]): readonly string[] {
  const failed = results.filter(({ why }) => why !== undefined);
  const rows = results.map(({ name, verdict, why }) => [why === undefined ? "pass" : "FAIL", name, verdict]);
  return [
    ...tableLines(["", "test", "verdict"], rows),
    ...failed.flatMap((result) => ["", ...failureLines(result)]),
    ...(coverageLines.length === 0 ? [] : ["", ...coverageLines]),
    "",
    `${counted(results.length, "test")}: ${results.length - failed.length} passed, ${failed.length} failed`,
    ...summaryLines(coverage),
  ];
}

function failureLines({ name, place, why = "", said, explanation }: TestResult): readonly string[] {
  const rules = said.map(({ rule, says, message }) =>
    says === "CANNOT_BE_EVALUATED"
      ? `  ${message}`
      : `  rule "${rule.id}" ${saysWords[says]}${message === "" ? "" : `: ${message}`}`,
  );
  const explained = explanation === undefined ? [] : explanationText(explanation);
  return [...problemLines({ severity: "error", place, message: `test "${name}": ${why}` }), ...rules, ...explained];
}

function explanationText({ rules, facts }: CheckExplanation): readonly string[] {
  const parts = [
    ...rules.flatMap(({ ruleId, condition, expression, message }) => [
      [`the condition of rule "${ruleId}"`, condition] as const,
      [`rule "${ruleId}"`, expression] as const,
      [`the message of rule "${ruleId}"`, message] as const,
    ]),
    ...facts.map(({ name, expression }) => [`fact "${name}"`, expression] as const),
  ];
  return parts.flatMap(([what, part]) =>
    part === undefined ? [] : ["", `  ${what}:`, ...explanationLines(part.source, part).map((line) => `    ${line}`.trimEnd())],
  );
}

const saysWords: Readonly<Record<Exclude<RuleSays, "CANNOT_BE_EVALUATED">, string>> = {
  HOLDS: "holds",
  DOES_NOT_HOLD: "does not hold",
  DOES_NOT_APPLY: "does not apply",
  NOT_ASKED: "was not asked",
};

/** As Jenkins, GitLab and others read it. */
export function junitLines({ results }: TestReport): readonly string[] {
  const failures = results.filter(({ why }) => why !== undefined).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${results.length}" failures="${failures}">`,
    `  <testsuite name="rules" tests="${results.length}" failures="${failures}" errors="0" skipped="0">`,
    ...results.flatMap(({ name, place, why }) => {
      const line = "line" in place ? ` line="${place.line}"` : "";
      const open = `    <testcase classname="rules" name="${xml(name)}" file="${xml(place.file)}"${line}`;
      return why === undefined ? [`${open}/>`] : [`${open}>`, `      <failure message="${xml(why)}"/>`, "    </testcase>"];
    }),
    "  </testsuite>",
    "</testsuites>",
  ];
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** What XML cannot have at all, shows itself. */
const xml = (text: string): string => printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? "");

/** https://testanything.org, version 14. */
export function tapLines({ results }: TestReport): readonly string[] {
  return [
    "TAP version 14",
    `1..${results.length}`,
    ...results.flatMap(({ name, place, why }, index) => {
      const line = `${why === undefined ? "ok" : "not ok"} ${index + 1} - ${printable(name).replace(/[\\#]/g, "\\$&")}`;
      if (why === undefined) return [line];
      const at = "line" in place ? `${place.file}:${place.line}:${place.column}` : place.file;
      return [line, "  ---", `  message: ${JSON.stringify(why)}`, `  at: ${JSON.stringify(at)}`, "  ..."];
    }),
  ];
}
