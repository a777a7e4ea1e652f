import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { explanationLines } from "../../../src/cli/explain-text.ts";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile, explainCompileError } from "../../../src/predicate/core/compile.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { explain, explainable } from "../../../src/predicate/core/explain.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { checkOf } from "../../support/rule-values.ts";

const page = readFileSync(new URL("../../../docs/rules.md", import.meta.url), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map(([, text = ""]) => text);
const metadata = JSON.parse(blocks("json")[0] ?? "") as JsonObject;
const lines = blocks("cel").flatMap((block) => block.trim().split("\n"));

function outcomeOf(source: string): string {
  const compiled = compile(source, ruleVariables);
  if (!compiled.ok) return `error: ${compiled.error.message}`;
  const result = evaluate(compiled.value, bindingsOf(checkOf({ workflow: { metadata } })), { left: evaluationCostMax });
  if (!result.ok) return `error: ${result.error}`;
  return typeof result.value === "string" ? JSON.stringify(result.value) : String(result.value);
}

test("the page has examples", () => {
  expect(lines.length).toBeGreaterThan(30);
});

test.each(lines)("docs/rules.md: %s", (line) => {
  const [, source = "", expected = ""] = /^(.*?)\s+\/\/ (.*)$/.exec(line) ?? [];
  const [outcome, kind, ...said] = [outcomeOf(source), ...expected.split(/(?<=^error): /)];
  expect(outcome.startsWith(kind ?? "?")).toBe(true);
  for (const part of said) expect(outcome).toContain(part);
});

test("docs/rules.md: an explanation", () => {
  const shown = blocks("text")[1] ?? "";
  const [source = ""] = shown.split("\n");
  const ready = explainable(source, ruleVariables);
  if (!ready.ok) throw new Error(ready.error.message);
  const explanation = explain(ready.value, bindingsOf(checkOf({ workflow: { metadata } })), { left: 10 * evaluationCostMax });
  expect(`${explanationLines(source, explanation).join("\n")}\n`).toBe(shown);
});

test("docs/rules.md: what a refusal looks like", () => {
  const shown = (blocks("text")[0] ?? "").trim();
  const compiled = compile(shown.split("\n")[1] ?? "", ruleVariables);
  const problems = compiled.ok ? [] : [compiled.error, ...compiled.error.others];
  expect(problems.map(explainCompileError).join("\n")).toBe(shown);
});
