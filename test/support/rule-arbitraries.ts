import fc from "fast-check";
import { workflowStates } from "../../src/kernel/lifecycle.ts";
import type { Check, RuleVersion } from "../../src/predicate/core/types.ts";
import { checkOf, ruleOf } from "./rule-values.ts";

const states = fc.constantFrom(...workflowStates);
const anyState = fc.option(states, { nil: undefined });

const json = fc.dictionary(
  fc.constantFrom("temperature", "passed", "operators", "note", "constructor"),
  fc.oneof(
    fc.double(),
    fc.boolean(),
    fc.string(),
    fc.constant(null),
    fc.array(fc.oneof(fc.integer(), fc.string())),
    fc.constant({ a: [1] }),
  ),
);

export const checks: fc.Arbitrary<Check> = fc
  .record({
    state: states,
    previousState: anyState,
    targetState: states,
    metadata: json,
    context: json,
    reason: fc.string(),
    atMs: fc.nat(),
  })
  .map(({ state, previousState, metadata, ...rest }) => checkOf({ ...rest, workflow: { state, previousState, metadata } }));

/** Some hold, some do not, some fail, for some checks. */
const expressions = fc.constantFrom(
  "true",
  "false",
  "1 / size(request.reason) == 1",
  "dyn(request.reason)",
  "to != from",
  "workflow.metadata.temperature < 8",
  "has(workflow.metadata.passed) && workflow.metadata.passed",
  "workflow.metadata.operators.exists(x, x == 'ada') || request.context.note == null",
  "workflow.metadata.operators.map(x, x).size() > 2 || workflow.previous_state == ''",
  "workflow.metadata == request.context || request.reason.matches('^[a-z]+$')",
  "now.getSeconds() % 2 == 0",
  "[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, workflow.metadata.all(c, workflow.metadata != request.context))) || true",
);

export const rules: fc.Arbitrary<readonly RuleVersion[]> = fc
  .array(
    fc.record({
      expression: expressions,
      message: fc.constantFrom("", "'no: ' + request.reason", "workflow.metadata.note", "dyn(workflow.version)"),
      priority: fc.integer({ min: -3, max: 3 }),
      moves: fc.array(fc.record({ from: anyState, to: anyState }), { maxLength: 3 }),
      workflowTypes: fc.constantFrom([], ["sample"], ["other"]),
      condition: fc.constantFrom("", "", "true", "false", "workflow.metadata.passed"),
    }),
    { maxLength: 8 },
  )
  .map((all) => all.map((rule, index) => ruleOf({ ...rule, id: `rule-${index}` })));
