import { expect, test } from "vitest";
import { bindingsOf, celTime, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { checkOf, sampleCheck } from "../../support/rule-values.ts";

/** Which of these do not hold. */
function wrong(check: Check, ...sources: readonly string[]): readonly string[] {
  const bindings = bindingsOf(check);
  return sources.filter((source) => {
    const compiled = compile(source, ruleVariables);
    if (!compiled.ok) throw new Error(`${source}: ${compiled.error.message}`);
    const result = evaluateBool(compiled.value, bindings);
    return !result.ok || !result.value;
  });
}

test("rules see all of a check", () => {
  const check = checkOf({
    authenticatedAs: "ada@example.org",
    transaction: { id: "tx", participantIds: ["inventory"] },
    workflow: { recoverableAtMs: 1_700_000_001_500 },
  });
  expect(
    wrong(
      check,
      "from == 'ACTIVE' && to == 'COMPLETED' && operation == 'TRANSITION' && now == timestamp('2023-11-14T22:13:20Z')",
      "workflow.id == 'sample-17' && workflow.type == 'sample' && workflow.state == 'ACTIVE' && workflow.previous_state == 'CREATED'",
      "workflow.version == 2 && workflow.retry_count == 0 && workflow.created_by == 'kurt' && workflow.updated_by == 'robot-2'",
      "workflow.created_at == timestamp(1699990000) && workflow.updated_at == timestamp(1699996400) && workflow.state_entered_at == workflow.updated_at",
      "workflow.recoverable_at == timestamp('2023-11-14T22:13:21.500Z') && workflow.metadata.temperature == 7.5",
      "proposed.metadata == workflow.metadata",
      "request.reason == 'analysis done' && request.requested_by == 'ada' && request.authenticated_as == 'ada@example.org'",
      "request.context == {'instrument': 'lc-3'} && request.transaction.id == 'tx' && request.transaction.participants == ['inventory']",
      "last_event.type == 'TRANSITION' && last_event.from_state == 'CREATED' && last_event.to_state == 'ACTIVE'",
      "last_event.occurred_at == timestamp(1699996400) && last_event.requested_by == 'robot-2' && last_event.reason == 'on the tray'",
      "last_event.metadata == {'tray': 4.0} && last_event.authenticated_as == ''",
    ),
  ).toEqual([]);
});

test("and what is not there as empty, and as the begin of time", () => {
  const { lastEvent: _, ...first } = sampleCheck;
  const check = { ...first, workflow: { ...first.workflow, previousState: undefined } } as Check;
  expect(
    wrong(
      check,
      "workflow.previous_state == '' && workflow.recoverable_at == timestamp(0)",
      "last_event.type == '' && last_event.from_state == '' && last_event.to_state == '' && last_event.occurred_at == timestamp(0)",
      "last_event.requested_by == '' && last_event.authenticated_as == '' && last_event.reason == '' && last_event.metadata == {}",
    ),
  ).toEqual([]);
});

test("of an update they see what is proposed beside what is there", () => {
  const check = checkOf({ targetState: "ACTIVE", proposed: { temperature: 3 } });
  expect(
    wrong(
      check,
      "operation == 'UPDATE' && from == to",
      "proposed.metadata == {'temperature': 3.0} && workflow.metadata.temperature == 7.5",
    ),
  ).toEqual([]);
});

test("a time keeps its fraction, also before 1970", () => {
  expect([celTime(1_500), celTime(-1), celTime(0.25)]).toMatchObject([
    { seconds: 1n, nanos: 500_000_000 },
    { seconds: -1n, nanos: 999_000_000 },
    { seconds: 0n, nanos: 250_000 },
  ]);
});
