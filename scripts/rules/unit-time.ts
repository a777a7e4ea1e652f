import { bindingsOf, ruleVariables } from "../../src/predicate/core/bindings.ts";
import { compile } from "../../src/predicate/core/compile.ts";
import { evaluateBool } from "../../src/predicate/core/evaluate.ts";
import type { Check } from "../../src/predicate/core/types.ts";
import { sampleCheck } from "../../test/support/rule-values.ts";

/** As dear as their costs allow, each in its own way: what a unit takes at worst. */
export const dearExpressions = [
  "workflow.metadata.numbers.all(x, x >= 0.0)",
  "workflow.metadata.numbers.map(x, x).size() > 0",
  "workflow.metadata.words.all(x, x.matches('^w[0-9]+$'))",
  "workflow.metadata.words.all(x, x.matches('\\\\pL'))",
  "workflow.metadata.few.all(x, !'1'.matches('(?i)' + workflow.metadata.pattern))",
  "workflow.metadata.letters.matches('(a|b)*a(a|b){12}$') || true",
  "workflow.metadata.letters.matches('[ab]*a[ab]{40}$') || true",
  "workflow.metadata.letters.matches('[ab]*a.{90}$') || true",
  "workflow.metadata.letters.matches('\\\\b\\\\pL+\\\\b\\\\pN') || true",
  "workflow.metadata.few.all(x, !workflow.metadata.letters.contains('aab' + 'c'))",
  "workflow.metadata.words.all(x, x + 'a' != x)",
  "workflow.metadata.few.all(x, !(x + 0.5 in workflow.metadata.few))",
  "workflow.metadata == workflow.metadata",
  "workflow.metadata.numbers.all(x, int(x) + 1 > 0)",
  "workflow.metadata.few.all(x, now.getHours('Europe/Berlin') >= 0)",
  "workflow.metadata.words.all(x, timestamp('2024-03-10T02:30:00Z') > workflow.created_at)",
  "workflow.metadata.words.all(x, duration('1h') > duration('1m'))",
  "workflow.metadata.few.all(x, '%f %e %.50f'.format([x, x, x]) != '')",
  "workflow.metadata.words.map(x, optional.of(x)).unwrapOpt().size() > 0",
  "workflow.metadata.words.transformMapEntry(i, x, {x: i}).size() > 0",
  "workflow.metadata.few.all(x, lists.range(100).size() > 0)",
  "workflow.metadata.few.all(x, workflow.metadata.letters.lowerAscii() != '')",
  "workflow.metadata.words.all(x, [x, x, x, x].size() == 4 && {'a': x}.a == x)",
] as const;

const runs = 5;

/** µs of CPU for a unit, in the fastest of some runs. */
export function microsPerUnit(expression: string): number {
  const compiled = compile(expression, ruleVariables);
  if (!compiled.ok) throw new Error(`${expression}: ${compiled.error.message}`);
  const bindings = bindingsOf(dearCheck);
  const once = (): number => {
    const purse = { left: 1_000_000 };
    const before = process.cpuUsage();
    const result = evaluateBool(compiled.value, bindings, purse);
    const { user, system } = process.cpuUsage(before);
    if (!result.ok) throw new Error(`${expression}: ${result.error}`);
    return (user + system) / (1_000_000 - purse.left);
  };
  return Math.min(...Array.from({ length: runs }, once));
}

const count = (length: number) => Array.from({ length }, (_, index) => index);

const dearCheck: Check = {
  ...sampleCheck,
  workflow: {
    ...sampleCheck.workflow,
    metadata: {
      numbers: count(9_000),
      words: count(3_000).map((index) => `w${index}`),
      few: count(100),
      // No period that an automaton could learn.
      letters: count(7_000)
        .map((index) => (Math.sin(index * index) > 0 ? "a" : "b"))
        .join(""),
      pattern: "\\pL{3}",
    },
  },
};
