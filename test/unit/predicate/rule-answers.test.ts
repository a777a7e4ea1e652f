import type { CallContext } from "nice-grpc-common";
import { expect, test } from "vitest";
import { LintRuleSetResponse } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { answerBytesMax } from "../../../src/kernel/limits.ts";
import type { Engine } from "../../../src/predicate/engine.ts";
import type { RpcContext } from "../../../src/rpc/context.ts";
import { EncodedAnswer } from "../../../src/rpc/encoded-answer.ts";
import { ruleAnswers } from "../../../src/rpc/rule-answers.ts";
import { createTurns } from "../../../src/runtime/turns.ts";

test("of more than 1,000 findings the first are told, and the rest counted, in an answer that every client reads", async () => {
  const long = (character: string, count: number): string => character.repeat(count);
  const diagnostics = Array.from({ length: 5_000 }, () => ({
    severity: "WARNING",
    field: "expression",
    position: { line: 1, column: 1 },
    message: long("x", 1_000),
    snippet: long("é", 200),
    relatedRuleIds: [long("a", 128), long("b", 128)],
  }));
  const engine = { lint: async () => ({ diagnostics, ruleSetRevision: 7 }) } as unknown as Engine;
  const { signal } = new AbortController();
  const context = { signal } as unknown as CallContext & RpcContext;
  const answer: unknown = await ruleAnswers({ engine, turns: createTurns() }).lintRuleSet(LintRuleSetResponse.create(), context);
  if (!(answer instanceof EncodedAnswer)) throw new Error("it is encoded item by item");
  expect(answer.finish().length).toBeLessThan(answerBytesMax);
  const { diagnostics: told, omitted, ruleSetRevision } = LintRuleSetResponse.decode(answer.finish());
  expect([told.length, omitted, ruleSetRevision]).toEqual([1_000, 4_000, 7n]);
});
