import { expect, test } from "vitest";
import * as limits from "../../../src/predicate/core/limits.ts";
import * as ruleSet from "../../../src/predicate/core/rule-set/limits.ts";
import * as schema from "../../../src/predicate/core/schema/limits.ts";

// Authors and operators rely on these: docs/limits.md and docs/rules.md. Other tests ask what happens at a bound, wherever it is.
test("what rules, schemas and rule sets may have and cost", () => {
  expect({ ...limits }).toEqual({
    expressionLengthMax: 4096,
    expressionTokenCountMax: 2000,
    expressionDepthMax: 64,
    evaluationCostMax: 100_000,
    checkCostMax: 200_000,
    callCostMax: 3_000_000,
    testsCostMax: 20_000_000,
    shadowCostMax: 1_000,
    threadShadowCostMax: 100_000,
    inPlaceCostMax: 1_000,
    regexCostMax: 20_000,
    foldCostMax: 1_000,
    problemCountMax: 10,
    diagnosticLengthMax: 300,
    filterCostMax: 2000,
    messageLengthMax: 1000,
    messageBytesMax: 3000,
    shownLengthMax: 200,
    shownRoundCountMax: 10,
    explanationBytesMax: 64 * 1024,
    explanationsBytesMax: 512 * 1024,
    explanationCostFactor: 10,
  });
  expect({ ...schema }).toEqual({
    schemaBytesMax: 64 * 1024,
    schemaDepthMax: 64,
    schemaNodeCountMax: 2_000,
    schemaChainMax: 32,
    schemaPatternLengthMax: 2_048,
    schemaRegexCostMax: 20_000,
    schemaFoldingFactor: 16,
    schemaStepsMax: 100_000,
    schemaFindingsMax: 20,
  });
  expect(ruleSet.ruleSetLimits).toEqual({
    drafts: 10_000,
    "active rules": 1000,
    "rules in shadow": 100,
    facts: 256,
    "workflow types": 256,
    tests: 1000,
    unusedVersions: 100,
  });
});
