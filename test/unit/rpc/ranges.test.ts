import { describe, expect, test } from "vitest";
import { workflowEventTypes } from "../../../src/kernel/lifecycle.ts";
import { eventFilter, workflowFilter } from "../../../src/rpc/filter.ts";
import { transactionFilter } from "../../../src/rpc/transaction-filter.ts";

const day = Date.parse("2026-01-31T00:00:00Z");

const nobody = async () => undefined;

describe("what a store is told of a filter", () => {
  test.each([
    ['workflow.id == "a"', { id: { oneOf: ["a"] } }],
    ['"a" == workflow.id', { id: { oneOf: ["a"] } }],
    ['workflow["id"] in ["a", "b"]', { id: { oneOf: ["a", "b"] } }],
    ['workflow.id.startsWith("lab-")', { id: { min: "lab-", max: "lab." } }],
    ['workflow.id > "a" && workflow.id <= "b"', { id: { min: "a", max: "b" } }],
    ['"a" < workflow.id', { id: { min: "a" } }],
    ['workflow.state == "WORKFLOW_STATE_FAILED"', { state: { oneOf: ["FAILED"] } }],
    ['workflow.state != "COMPLETED"', { state: { oneOf: ["CREATED", "ACTIVE", "PAUSED", "FAILED", "CANCELLED"] } }],
    ['workflow.state in ["FAILED", "PAUSED"] && workflow.state != "PAUSED"', { state: { oneOf: ["FAILED"] } }],
    ['workflow.created_at >= timestamp("2026-01-31T00:00:00Z")', { createdAtMs: { min: day } }],
    ['timestamp("2026-01-31T00:00:00.0001Z") > workflow.updated_at', { updatedAtMs: { max: day } }],
    ['timestamp("2026-01-31T00:00:00.0001Z") <= workflow.updated_at', { updatedAtMs: { min: day + 1 } }],
    ['workflow.updated_at == timestamp("2026-01-31T00:00:00Z")', { updatedAtMs: { min: day, max: day } }],
    [
      'workflow.state == "FAILED" || workflow.state in ["PAUSED"] || "CREATED" == workflow.state',
      { state: { oneOf: ["FAILED", "PAUSED", "CREATED"] } },
    ],
    ['workflow.type == "sample" && workflow.type.startsWith("s")', { type: { min: "s", max: "t", oneOf: ["sample"] } }],
    ['workflow.type in ["", "sample"]', { type: { oneOf: ["", "sample"] } }],
    [
      'workflow.created_by == "ada" && workflow.updated_by == "kurt"',
      { createdBy: { oneOf: ["ada"] }, updatedBy: { oneOf: ["kurt"] } },
    ],
    ['workflow.state_entered_at < timestamp("2026-01-31T00:00:00Z")', { stateEnteredAtMs: { max: day } }],
    // Part of it.
    [
      'workflow.metadata.site == "B" && (workflow.state == "FAILED" && workflow.version > 2)',
      { state: { oneOf: ["FAILED"] }, version: { min: 2 }, metadata: [{ key: "site", oneOf: ["B"] }] },
    ],
    [
      'workflow.metadata["site"] == 3 && workflow["metadata"].urgent',
      {
        metadata: [
          { key: "site", oneOf: [3] },
          { key: "urgent", oneOf: [true] },
        ],
      },
    ],
    ['workflow["metadata"]["urgent"]', { metadata: [{ key: "urgent", oneOf: [true] }] }],
    ['workflow.metadata["a b"] == 3 && workflow.metadata[workflow.id] == 3', {}],
    // Never true.
    ["workflow.id == dyn(5)", {}],
    ['workflow.id == "a" && workflow.id == "b"', { id: { oneOf: [] } }],
    // Nothing for sure, or nothing that a store could tell.
    ["workflow.metadata.note == null", {}],
    ['workflow.id != "a"', {}],
    ['workflow.state == "FAILED" || workflow.id == "a"', {}],
    ['workflow.state == "FAILED" || workflow.state != "PAUSED"', {}],
    ['workflow.state == "FAILED" || workflow.metadata.urgent', {}],
    ['!(workflow.state == "FAILED")', {}],
    ["workflow.id == workflow.metadata.id", {}],
    ['workflow.id in ["a", workflow.metadata.id]', {}],
    ['workflow.id.startsWith("")', {}],
    ['workflow.id.endsWith("a")', {}],
    ['workflow.id > "ｱ" && workflow.id.startsWith("😀")', { id: { min: "ｱ" } }],
    ['workflow.id + "x" == "ax"', {}],
    ["workflow.version == 1", { version: { oneOf: [1] } }],
    ['["a"].exists(workflow_id, workflow_id == workflow.id)', {}],
    ["workflow.in_transition", {}],
    ["optional.of(workflow.id).hasValue()", {}],
    ["workflow.created_at >= timestamp(workflow.metadata.since)", {}],
  ])("%s", (filter, known) => {
    expect(workflowFilter(filter)?.known).toEqual(known);
  });

  test.each([
    ["event.sequence > 5 && event.sequence <= 9u && 2.5 < event.sequence", { sequence: { min: 5, max: 9 } }],
    ["event.sequence in [1, 7]", { sequence: { oneOf: [1, 7] } }],
    ["event.sequence == 9007199254740993", {}],
    ['event.type == "FAILED" && event.to == "FAILED"', { type: { oneOf: ["FAILED"] }, toState: { oneOf: ["FAILED"] } }],
    ['event.workflow_type == "sample"', { workflowType: { oneOf: ["sample"] } }],
    ['event.type != "CREATED"', { type: { oneOf: workflowEventTypes.filter((type) => type !== "CREATED") } }],
    [
      'event.requested_by == "ada" && event.workflow_id == "w"',
      { requestedBy: { oneOf: ["ada"] }, workflowId: { oneOf: ["w"] } },
    ],
    ['event.occurred_at < timestamp("2026-01-31T00:00:00Z")', { occurredAtMs: { max: day } }],
  ])("%s", (filter, known) => {
    expect(eventFilter(filter, nobody)?.known).toEqual(known);
  });

  test.each([
    ['transaction.id == "t"', { fromId: "t", beforeId: "t\0" }],
    ['transaction.id in ["u", "t"]', { fromId: "t", beforeId: "u\0" }],
    ['transaction.id >= "t"', { fromId: "t" }],
    ['transaction.phase != "COMPLETED"', { phases: ["INIT", "PREPARING", "COMMITTING", "ABORTING"] }],
    ['transaction.in_doubt && transaction.age > duration("5m")', { phases: ["INIT", "PREPARING", "COMMITTING", "ABORTING"] }],
    ['transaction.in_doubt && transaction.phase == "COMPLETED"', { phases: [] }],
    ['transaction.outcome == "OUTCOME_COMMITTED"', { outcomes: ["committed"] }],
    ['transaction.outcome != "COMMITTED"', { outcomes: ["aborted", undefined] }],
    ['"inventory" in transaction.participants', {}],
    ["transaction.in_doubt == false", {}],
    ["transaction.in_doubt in [true, false] && true >= transaction.in_doubt", {}],
  ])("%s", (filter, known) => {
    expect(transactionFilter(filter, () => 0)?.known).toEqual(known);
  });

  test("an empty filter asks nothing", () => {
    expect([workflowFilter(""), eventFilter("", nobody), transactionFilter("", () => 0)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
