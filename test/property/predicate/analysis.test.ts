import fc from "fast-check";
import { expect, test } from "vitest";
import type { Json } from "../../../src/kernel/json.ts";
import { allowedMoves, workflowStates } from "../../../src/kernel/lifecycle.ts";
import type { Finding } from "../../../src/predicate/core/analysis/analyse.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { type Expression, evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { analyse, analysedRule, type WrittenRule } from "../../support/analysed-rules.ts";
import { checkOf } from "../../support/rule-values.ts";

const terms = fc.constantFrom(
  "workflow.metadata.a",
  "workflow.metadata.a",
  "workflow.metadata.b",
  "workflow.metadata.a.b",
  "workflow.metadata['a']",
  "workflow.version",
  "request.reason",
  "size(workflow.metadata.a)",
  "workflow.metadata.b.size()",
  "now - workflow.updated_at",
  "now",
  "int(workflow.metadata.a)",
);
const constants = fc.constantFrom(
  "0",
  "1",
  "1.0",
  "2",
  "2u",
  "2.5",
  "'x'",
  "'y'",
  "''",
  "true",
  "null",
  "timestamp('2023-11-14T22:13:20Z')",
  "duration('1h')",
  "[1]",
  "b'x'",
);
const comparisons = fc
  .tuple(terms, fc.constantFrom("==", "!=", "<", "<=", ">", ">="), constants, fc.boolean())
  .map(([term, operator, constant, isTurned]) =>
    isTurned ? `${constant} ${operator} ${term}` : `${term} ${operator} ${constant}`,
  );
const isState = fc
  .tuple(
    fc.constantFrom("from", "to", "workflow.state", "workflow.previous_state"),
    fc.constantFrom("==", "!="),
    fc.constantFrom(...workflowStates),
  )
  .map(([name, operator, state]) => `${name} ${operator} '${state}'`);
const atoms = fc.oneof(
  { weight: 4, arbitrary: comparisons },
  { weight: 2, arbitrary: isState },
  fc.constantFrom(
    "true",
    "false",
    "workflow.metadata.a",
    "workflow.metadata.b",
    "has(workflow.metadata.a)",
    "has(workflow.metadata.a.b)",
  ),
  fc.constantFrom(
    "workflow.metadata.a < workflow.metadata.b",
    "workflow.metadata.a == workflow.metadata.b",
    "workflow.metadata.b != workflow.metadata.a",
    "from == to",
  ),
  fc.constantFrom("workflow.metadata.a.all(x, x > 1)", "'x' in workflow.metadata.a", "request.reason.startsWith('x')"),
  fc.tuple(terms, fc.array(constants, { maxLength: 3 })).map(([term, all]) => `${term} in [${all.join(", ")}]`),
);
const formulasOf = (atoms: fc.Arbitrary<string>, maxDepth: number) =>
  fc.letrec<{ any: string }>((tie) => ({
    any: fc.oneof(
      { maxDepth, depthSize: "medium" },
      atoms,
      fc.tuple(tie("any"), fc.constantFrom("&&", "||"), tie("any")).map((parts) => `(${parts.join(" ")})`),
      tie("any").map((a) => `!(${a})`),
      fc.tuple(tie("any"), tie("any"), tie("any")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    ),
  })).any;

/** About the same term, so that rules have something to do with each other. */
const related = fc.oneof(
  fc
    .tuple(fc.constantFrom("==", "!=", "<", "<=", ">", ">="), fc.integer({ min: 0, max: 3 }))
    .map(([operator, value]) => `workflow.metadata.a ${operator} ${value}`),
  fc.constantFrom(
    "has(workflow.metadata.a)",
    "workflow.metadata.a in [1, 2]",
    "workflow.metadata.a in ['x', 2]",
    "workflow.metadata.a == 'x'",
    "workflow.metadata.a.b == 1",
  ),
);

const moves = workflowStates.flatMap((from) => allowedMoves(from).map((to) => ({ from, to })));
const rules: fc.Arbitrary<WrittenRule> = fc
  .record({
    expression: formulasOf(atoms, 3),
    condition: fc.option(atoms, { nil: undefined, freq: 4 }),
    moves: fc.array(fc.constantFrom(...moves), { maxLength: 2 }),
    action: fc.constantFrom("DENY", "DENY", "WARN"),
  })
  .filter(({ expression, condition = "true" }) =>
    [expression, condition].every((source) => compile(source, ruleVariables, "bool").ok),
  );

const values: readonly (Json | undefined)[] = [
  ...[undefined, 0, 1, 1.5, 2, 2.5, 3, -1, "x", "y", "", "2", true, false, null],
  ...[[], [1], ["x", 2], {}, { b: 1 }, { b: "x" }, { b: null }, { b: { b: 1 } }],
];
const checks: fc.Arbitrary<Check> = fc
  .record({
    a: fc.constantFrom(...values),
    b: fc.constantFrom(...values),
    move: fc.constantFrom(...moves),
    version: fc.integer({ min: 1, max: 4 }),
    reason: fc.constantFrom("", "x", "y", "xyz"),
    previousState: fc.constantFrom(undefined, ...workflowStates),
    atMs: fc.constantFrom(1_699_996_400_000, 1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000),
  })
  .map(({ a, b, move, version, reason, previousState, atMs }) =>
    checkOf({
      targetState: move.to,
      reason,
      atMs,
      workflow: {
        state: move.from,
        version,
        previousState,
        metadata: { ...(a !== undefined && { a }), ...(b !== undefined && { b }) },
      },
    }),
  );

const compiled = new Map<string, Expression>();

function compiledOf(source: string): Expression {
  const known = compiled.get(source) ?? analysedRule({ expression: source }).expression;
  compiled.set(source, known);
  return known;
}

type Said = "allowed" | "denied" | "not asked" | "condition failed";

function said({ condition = "true", expression, moves: own = [] }: WrittenRule, check: Check): Said {
  const { workflow, targetState } = check;
  const isIn =
    own.length === 0 ||
    own.some(({ from, to }) => (from ?? workflow.state) === workflow.state && (to ?? targetState) === targetState);
  if (!isIn) return "not asked";
  const [when, then] = [condition, expression].map((source) => evaluateBool(compiledOf(source), bindingsOf(check)));
  if (!when?.ok) return "condition failed";
  if (!when.value) return "not asked";
  return then?.ok && then.value ? "allowed" : "denied";
}

/** Asks the rules that findings are about. */
function expectSo(findings: readonly Finding[], written: readonly WrittenRule[], checks: readonly Check[]): void {
  for (const { type, ruleIds, moves: which } of findings) {
    const [one, other] = ruleIds.map((id) => written[Number(id.slice("rule-".length))] as WrittenRule);
    for (const check of checks) {
      if (!which.some(({ from, to }) => from === check.workflow.state && to === check.targetState)) continue;
      const [first, second] = [one, other].map((rule) => rule && said(rule, check));
      if (type === "never-holds") expect(first).not.toBe("allowed");
      if (type === "never-denies") expect(["allowed", "not asked"]).toContain(first);
      if (type === "never-applies") expect(["not asked", "condition failed"]).toContain(first);
      if (type === "forbid-together") expect([first, second]).toContain("denied");
      if (type === "same") expect(first).toBe(second);
      if (type === "shadowed" && first === "denied") expect(second).toBe("denied");
    }
  }
}

const count = (found: Map<string, number>, findings: readonly Finding[]): void => {
  for (const { type } of findings) found.set(type, (found.get(type) ?? 0) + 1);
};

test("what the analysis finds of a rule is so for each check", { timeout: 60_000 }, () => {
  const found = new Map<string, number>();
  fc.assert(
    fc.property(rules, fc.array(checks, { minLength: 10, maxLength: 10 }), (rule, all) => {
      const findings = analyse([rule]);
      count(found, findings);
      expectSo(findings, [rule], all);
    }),
    { numRuns: 600 },
  );
  for (const type of ["never-holds", "never-denies", "never-applies", "unreachable"])
    expect(found.get(type), type).toBeGreaterThan(0);
});

const relatedRules: fc.Arbitrary<WrittenRule> = fc.record({
  expression: formulasOf(related, 2),
  condition: fc.option(related, { nil: undefined, freq: 6 }),
  moves: fc.constantFrom([], [{ from: "ACTIVE", to: undefined }], [{ from: "ACTIVE", to: "COMPLETED" }] as const),
  action: fc.constantFrom("DENY", "DENY", "WARN"),
});

/** Some deny the same, or what the other denies. */
const pairs: fc.Arbitrary<readonly [WrittenRule, WrittenRule]> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(relatedRules, relatedRules) },
  relatedRules.map((rule) => [rule, { ...rule, expression: `!(!(${rule.expression}))` }] as const),
  fc
    .tuple(relatedRules, formulasOf(related, 1))
    .map(([rule, other]) => [rule, { ...rule, expression: `${rule.expression} && ${other}` }] as const),
);

const relatedChecks = values.map((a) => checkOf({ workflow: { metadata: a === undefined ? {} : { a } } }));

test("what the analysis finds of two rules is so for each check", { timeout: 60_000 }, () => {
  const found = new Map<string, number>();
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const findings = analyse([one, other]);
      count(found, findings);
      expectSo(findings, [one, other], relatedChecks);
    }),
    { numRuns: 1000 },
  );
  for (const type of ["forbid-together", "same", "shadowed"]) expect(found.get(type), type).toBeGreaterThan(0);
});
