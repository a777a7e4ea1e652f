import { Status } from "nice-grpc-common";
import { type Logger, pino } from "pino";
import { describe, expect, test } from "vitest";
import { everything } from "../../../src/access/core/policy.ts";
import { CreateRuleRequest, ListRulesResponse } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { RuleAction, RuleOperation, RuleState } from "../../../src/gen/concord/predicate/v1/rule_set.ts";
import { TransitionCheck } from "../../../src/gen/concord/predicate/v1/verdict.ts";
import { type DeepPartial, WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { nobody } from "../../../src/kernel/principal.ts";
import { ruleSetLimits } from "../../../src/predicate/core/rule-set/limits.ts";
import { createEngine } from "../../../src/predicate/engine.ts";
import type { EncodedAnswer } from "../../../src/rpc/encoded-answer.ts";
import { createPredicateService } from "../../../src/rpc/predicate-service.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { simpleEvaluator } from "../../support/rule-values.ts";

const { ACTIVE, COMPLETED, PAUSED, UNSPECIFIED } = WorkflowState;

async function serviceAtTime(nowMs: number, draftsMax = 1000) {
  const lines: string[] = [];
  const log: Logger = pino({ base: null }, { write: (line) => void lines.push(line) });
  const store = createMemoryRuleStore();
  const engine = await createEngine({
    store,
    clock: { nowMs: () => nowMs },
    evaluator: simpleEvaluator,
    turns: createTurns(),
    limits: { ...ruleSetLimits, drafts: draftsMax },
    runTests: async () => [],
  });
  type Context = Parameters<ReturnType<typeof createPredicateService>["getRule"]>[1];
  return {
    service: createPredicateService({ engine, turns: createTurns(), clock: systemClock, logger: log, verdicts: undefined }),
    context: {
      log,
      principal: nobody,
      permission: everything,
      origin: { requestId: "r-1" },
      signal: new AbortController().signal,
    } as unknown as Context,
    lines,
  };
}

const cold = CreateRuleRequest.fromPartial({
  ruleId: "cold",
  description: "samples are kept cold",
  moves: [{ fromState: ACTIVE }],
  expression: "workflow.metadata.temperature < 8",
  message: "'too warm: ' + string(workflow.metadata.temperature)",
  priority: 5,
  reason: "policy 4",
  requestedBy: "ada",
  requestId: "r1",
});

const change = { ruleId: "cold", version: 0, reason: "season", requestedBy: "kurt", requestId: "" };

function check(changes: DeepPartial<TransitionCheck> = {}): TransitionCheck {
  const workflow = { workflowId: "sample-17", state: ACTIVE, version: 2n, metadata: { temperature: 9.5 } };
  return TransitionCheck.fromPartial({ workflow, targetState: COMPLETED, reason: "done", requestedBy: "ada", ...changes });
}

/** What a caller reads. */
const answerOf = (answer: DeepPartial<ListRulesResponse>): ListRulesResponse =>
  ListRulesResponse.decode((answer as unknown as EncodedAnswer).finish());

/** What a caller sees of a failed call. */
async function failure(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    const { code, details, extra } = error as { code: Status; details: string; extra: readonly Record<string, unknown>[] };
    const { reason, metadata } = extra[0] as { reason: string; metadata: unknown };
    return { code, reason, message: details, metadata, fields: extra[1]?.["fieldViolations"] };
  }
  throw new Error("the call succeeded");
}

describe("verdicts", () => {
  test("denied by a rule, with the rule's message, version and the revision", async () => {
    const { service, context } = await serviceAtTime(1000);
    await service.createRule(cold, context);
    await service.activateRule(change, context);
    expect(await service.validateTransition({ check: check(), minRevision: 0n }, context)).toEqual({
      verdict: {
        judgement: "JUDGEMENT_RULE_DENIED",
        ruleSetRevision: 1n,
        violations: [{ ruleId: "cold", ruleVersion: 1, message: "too warm: 9.5", evaluationFailed: false }],
        violationsOmitted: 0,
        warnings: [],
        warningsOmitted: 0,
        audits: [],
        shadows: [],
        shadowsNotJudged: 0,
        cost: expect.any(BigInt),
      },
    });
  });

  test("many at once, in the order of the checks", async () => {
    const { service, context } = await serviceAtTime(1000);
    const paused = { workflowId: "sample-18", state: PAUSED, version: 3n };
    expect(
      await service.batchValidateTransitions(
        { promptOnly: false, minRevision: 0n, callIds: [], checks: [check(), check({ workflow: paused })] },
        context,
      ),
    ).toEqual({
      verdicts: [
        {
          judgement: "JUDGEMENT_ALLOWED",
          ruleSetRevision: 0n,
          warnings: [],
          warningsOmitted: 0,
          audits: [],
          shadows: [],
          shadowsNotJudged: 0,
          cost: 0n,
        },
        {
          judgement: "JUDGEMENT_INVALID_TRANSITION",
          ruleSetRevision: 0n,
          allowedStates: ["WORKFLOW_STATE_ACTIVE", "WORKFLOW_STATE_CANCELLED"],
        },
      ],
    });
  });

  test("a rule that fails is in the log, once per call", async () => {
    const { service, context, lines } = await serviceAtTime(1000);
    await service.createRule(cold, context);
    await service.activateRule(change, context);
    lines.length = 0;
    const broken = check({ workflow: { workflowId: "sample-19", state: ACTIVE, version: 1n } });
    await service.batchValidateTransitions(
      // The first check is no failure.
      { promptOnly: false, minRevision: 0n, callIds: ["call-1", "call-2", "call-3"], checks: [check(), broken, broken] },
      context,
    );
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        request: "call-2",
        rule: "cold",
        why: 'rule "cold" could not be evaluated: line 1, column 19: field not found: temperature; has(workflow.metadata.temperature) asks whether there is one',
      },
    ]);
  });

  test("the time of the question is `now`, else the engine's clock", async () => {
    const { service, context } = await serviceAtTime(1000);
    await service.createRule({ ...cold, expression: "now == timestamp('1970-01-01T00:00:01Z')" }, context);
    await service.activateRule(change, context);
    const judgements = await service.batchValidateTransitions(
      { promptOnly: false, minRevision: 0n, callIds: [], checks: [check(), check({ at: new Date(5000) })] },
      context,
    );
    expect(judgements.verdicts?.map((verdict) => verdict.judgement)).toEqual(["JUDGEMENT_ALLOWED", "JUDGEMENT_RULE_DENIED"]);
  });

  test.each([
    ["checks[1].workflow", { workflow: undefined }],
    ["checks[1].workflow.state", { workflow: { workflowId: "x", state: UNSPECIFIED } }],
    ["checks[1].target_state", { targetState: UNSPECIFIED }],
  ])("a check without %s is refused", async (field, missing) => {
    const { service, context } = await serviceAtTime(1000);
    const call = service.batchValidateTransitions(
      { promptOnly: false, minRevision: 0n, callIds: [], checks: [check(), check(missing)] },
      context,
    );
    expect(await failure(call)).toMatchObject({
      code: Status.INVALID_ARGUMENT,
      reason: "INVALID_REQUEST",
      fields: [{ field, description: "is required" }],
    });
  });
});

describe("rules", () => {
  const draft = {
    ruleId: "cold",
    version: 1,
    description: "samples are kept cold",
    moves: [{ fromState: ACTIVE, toState: UNSPECIFIED }],
    expression: cold.expression,
    message: cold.message,
    priority: 5,
    state: RuleState.DRAFT,
    createdAt: new Date(1000),
    updatedAt: new Date(1000),
    requestedBy: "ada",
    reason: "policy 4",
    action: RuleAction.DENY,
    workflowTypes: [],
    operations: [RuleOperation.TRANSITION],
    condition: "",
    latestVersion: 1,
    activeVersion: 0,
    shadowVersion: 0,
    createdBy: "ada",
    createdAs: "",
    authenticatedAs: "",
  };

  test("are created, read, activated and deactivated", async () => {
    const { service, context } = await serviceAtTime(1000);
    expect(await service.createRule(cold, context)).toMatchObject({ rule: draft });
    expect(await service.createRule(cold, context)).toMatchObject({ rule: draft });
    expect(await service.getRule({ ruleId: "cold", version: 0 }, context)).toMatchObject({ rule: draft });
    const changed = { ...draft, requestedBy: "kurt", reason: "season" };
    expect(await service.activateRule(change, context)).toEqual({
      rule: { ...changed, state: RuleState.ACTIVE, activeVersion: 1 },
      ruleSetRevision: 1n,
    });
    expect(await service.deactivateRule(change, context)).toEqual({
      rule: { ...changed, state: RuleState.INACTIVE },
      ruleSetRevision: 2n,
    });
  });

  test("are listed page by page, filtered", async () => {
    const { service, context } = await serviceAtTime(1000);
    for (const ruleId of ["a", "b", "c"]) await service.createRule({ ...cold, ruleId, requestId: "" }, context);
    await service.createRule({ ...cold, ruleId: "d", priority: 1, requestId: "" }, context);
    const filter = "rule.priority > 1 && rule.state == 'DRAFT'";
    const list = async (pageToken: string) => answerOf(await service.listRules({ pageSize: 2, pageToken, filter }, context));
    const first = await list("");
    expect(first.rules.map((rule) => rule.ruleId)).toEqual(["a", "b"]);
    const pageToken = first.nextPageToken;
    const second = await list(pageToken);
    expect(second.rules.map((rule) => rule.ruleId)).toEqual(["c"]);
    expect([second.nextPageToken, second.ruleSetRevision]).toEqual(["", 0n]);
    expect(await failure(service.listRules({ pageSize: 2, pageToken, filter: "" }, context))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field: "page_token" }],
    });
    expect(await failure(service.listRules({ pageSize: 2, pageToken: "", filter: "rule.stat" }, context))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field: "filter" }],
    });
  });
});

describe("refusals carry the code, reason and metadata of the contract", () => {
  test("RULE_INVALID", async () => {
    const { service, context } = await serviceAtTime(1000);
    const description = 'line 1, column 1: unknown variable "workflw"; did you mean "workflow"?\nworkflw.version > 1\n^';
    expect(await failure(service.createRule({ ...cold, expression: "workflw.version > 1" }, context))).toMatchObject({
      code: Status.INVALID_ARGUMENT,
      reason: "RULE_INVALID",
      message: `expression: ${description}`,
      metadata: { rule_id: "cold", line: "1", column: "1" },
      fields: [{ field: "expression", description }],
    });
  });

  test("RULE_INVALID, of each problem", async () => {
    const { service, context } = await serviceAtTime(1000);
    const description = 'line 1, column 1: unknown variable "form"; did you mean "from"?\nform == too\n^';
    expect(await failure(service.createRule({ ...cold, expression: "form == too" }, context))).toMatchObject({
      message: `expression: ${description}`,
      fields: [
        { field: "expression", description },
        {
          field: "expression",
          description: expect.stringMatching(/^line 1, column 9: unknown variable "too"; did you mean "to"\?\n.*\n {8}\^$/),
        },
      ],
    });
  });

  test("INVALID_REQUEST for a move that does not exist", async () => {
    const { service, context } = await serviceAtTime(1000);
    const moves = [{ fromState: COMPLETED, toState: UNSPECIFIED }];
    expect(await failure(service.createRule({ ...cold, moves }, context))).toMatchObject({
      code: Status.INVALID_ARGUMENT,
      reason: "INVALID_REQUEST",
      fields: [{ field: "moves[0]" }],
    });
  });

  test("RULE_ALREADY_EXISTS, RULE_LIMIT_REACHED, REQUEST_ID_REUSED", async () => {
    const { service, context } = await serviceAtTime(1000, 1);
    await service.createRule(cold, context);
    expect(await failure(service.createRule({ ...cold, requestId: "r2" }, context))).toMatchObject({
      code: Status.ALREADY_EXISTS,
      reason: "RULE_ALREADY_EXISTS",
      metadata: { rule_id: "cold" },
    });
    expect(await failure(service.createRule({ ...cold, ruleId: "dry", requestId: "r3" }, context))).toMatchObject({
      code: Status.RESOURCE_EXHAUSTED,
      reason: "RULE_LIMIT_REACHED",
      metadata: { limit: "1" },
    });
    for (const reuse of [
      () => service.createRule({ ...cold, priority: 6 }, context),
      () => service.activateRule({ ...change, requestId: "r1" }, context),
    ]) {
      expect(await failure(reuse())).toMatchObject({
        code: Status.INVALID_ARGUMENT,
        reason: "REQUEST_ID_REUSED",
        metadata: { request_id: "r1" },
      });
    }
  });

  test("RULE_NOT_FOUND, RULE_STATE", async () => {
    const { service, context } = await serviceAtTime(1000);
    const notFound = { code: Status.NOT_FOUND, reason: "RULE_NOT_FOUND", metadata: { rule_id: "cold" } };
    for (const call of [
      service.getRule(change, context),
      service.activateRule(change, context),
      service.deactivateRule(change, context),
    ]) {
      expect(await failure(call)).toMatchObject(notFound);
    }
    await service.createRule(cold, context);
    expect(await failure(service.deactivateRule(change, context))).toMatchObject({
      code: Status.FAILED_PRECONDITION,
      reason: "RULE_STATE",
      metadata: { rule_id: "cold", state: "DRAFT" },
    });
  });

  test("STORAGE_UNAVAILABLE", async () => {
    const store = createMemoryRuleStore();
    const engine = await createEngine({
      store,
      clock: { nowMs: () => 1000 },
      evaluator: simpleEvaluator,
      turns: createTurns(),
      runTests: async () => [],
    });
    await store.close();
    const { context } = await serviceAtTime(1000);
    const service = createPredicateService({
      engine,
      turns: createTurns(),
      clock: systemClock,
      logger: pino({ level: "silent" }),
      verdicts: undefined,
    });
    expect(await failure(service.createRule(cold, context))).toMatchObject({
      code: Status.UNAVAILABLE,
      reason: "STORAGE_UNAVAILABLE",
    });
  });
});
