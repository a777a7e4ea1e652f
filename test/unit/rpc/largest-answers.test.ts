import { expect, test } from "vitest";
import { participantCountMax } from "../../../src/commit/core/coordinator.ts";
import type { Part, Transaction } from "../../../src/commit/core/types.ts";
import { timelineCountMax, timelineDetailLengthMax } from "../../../src/commit/limits.ts";
import { GetTransactionResponse } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { BatchValidateTransitionsResponse } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { CreateWorkflowResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { ParticipantId, RuleId, TransactionId } from "../../../src/kernel/ids.ts";
import { answerBytesMax, structValueCountMax } from "../../../src/kernel/limits.ts";
import { messageBytesMax } from "../../../src/predicate/core/limits.ts";
import { activeRuleCountMax, shadowRuleCountMax } from "../../../src/predicate/core/rule-set/limits.ts";
import type { Verdict } from "../../../src/predicate/core/types.ts";
import { timelineEntryToWire, transactionToWire } from "../../../src/rpc/convert-transaction.ts";
import { verdictsToWire } from "../../../src/rpc/convert-verdict.ts";
import { eventToWire, workflowToWire } from "../../../src/rpc/convert-workflow.ts";
import { encoded } from "../../../src/rpc/encoded-answer.ts";
import { event, hold, workflow } from "../../support/storage-values.ts";

/** So many characters, of four bytes each. */
const long = (count: number): string => "😀".repeat(count);

const id = "i".repeat(128);

function denials(checkCount: number, message: string): readonly Verdict[] {
  const violation = { ruleId: id as RuleId, ruleVersion: 2 ** 31 - 1, message, evaluationFailed: true };
  const violations = Array.from({ length: activeRuleCountMax }, () => violation);
  return Array.from({ length: checkCount }, () => ({
    type: "rule-denied",
    ruleSetRevision: Number.MAX_SAFE_INTEGER,
    violations,
    warnings: violations,
    audits: violations,
    shadows: violations.map((each) => ({ ruleId: each.ruleId, shadowVersion: 2, activeVersion: 1, violation: each })),
    shadowsNotJudged: shadowRuleCountMax,
    cost: 200_000,
  }));
}

test.each([1, 2, 7, 128, 1000])("the denials of %d checks share an answer, and each has its first", (checkCount) => {
  for (const message of ["", "not allowed", "漢".repeat(messageBytesMax / 3)]) {
    const verdicts = verdictsToWire(denials(checkCount, message));
    expect(encoded(BatchValidateTransitionsResponse, { verdicts }).length).toBeLessThan(answerBytesMax);
    for (const { violations = [], violationsOmitted = 0, warnings = [], warningsOmitted = 0 } of verdicts) {
      expect(violations.length).toBeGreaterThan(0);
      expect(violations.length + violationsOmitted).toBe(activeRuleCountMax);
      expect(warnings.length + warningsOmitted).toBe(activeRuleCountMax);
    }
    // All of them, if there is room.
    if (checkCount === 1) expect(verdicts[0]?.violationsOmitted).toBe(0);
  }
});

/** What a transaction has in it, and what happened to it, is bounded: its largest answer needs no cutting. */
test("a transaction with all its participants, reasons and timeline", () => {
  const part: Part = {
    participantId: id as ParticipantId,
    payload: new Uint8Array(),
    connected: true,
    vote: "read-only",
    voteReason: long(1000),
    votedAtMs: 1_800_000_000_001,
    acknowledgedAtMs: 1_800_000_000_001,
    acknowledgedOutcome: "aborted",
    lost: { reason: long(1000), atMs: 1_800_000_000_001 },
    request: undefined,
    preparesSent: 2 ** 31 - 1,
    decisionsSent: 2 ** 31 - 1,
  };
  const transaction: Transaction = {
    id: id as TransactionId,
    coordinatorEpoch: Number.MAX_SAFE_INTEGER,
    phase: "COMPLETED",
    outcome: "aborted",
    abortReason: long(1300),
    parts: Array.from({ length: participantCountMax }, () => part),
    createdAtMs: 1_800_000_000_001,
    decidedAtMs: 1_800_000_000_001,
    completedAtMs: 1_800_000_000_001,
    waitForParticipantsMs: 1,
    prepareTimeoutMs: 1,
    voteDeadlineMs: 1,
    idleTimeoutMs: 1,
    resolution: { atMs: 1_800_000_000_001, requestedBy: long(256), reason: long(1000) },
    requestedBy: long(256),
    reason: long(1000),
    request: undefined,
  };
  const line = timelineEntryToWire({
    atMs: 1_800_000_000_001,
    type: "vote-received",
    participantId: id as ParticipantId,
    attempt: 2 ** 31 - 1,
    detail: long(timelineDetailLengthMax),
  });
  const answer = encoded(GetTransactionResponse, {
    transaction: transactionToWire(transaction, { coordinatorId: id, coordinatorEpoch: 1 }),
    timeline: Array.from({ length: timelineCountMax }, () => line),
    timelineOmitted: 2 ** 31 - 1,
  });
  expect(answer.length).toBeLessThan(answerBytesMax);
});

/** Also the messages of a watch: one event each. */
test("a workflow and its event, both with the largest metadata", () => {
  const metadata = { n: Array.from({ length: structValueCountMax }, () => "x".repeat(10)) };
  const held = workflow(id, { metadata, hold: hold(id) });
  const update = { type: "UPDATED", reason: long(1000), requestedBy: long(256), metadata, metadataPatch: metadata } as const;
  const told = { ...event(held, update), sequence: Number.MAX_SAFE_INTEGER };
  const answer = encoded(CreateWorkflowResponse, { workflow: workflowToWire(held), event: eventToWire(told) });
  expect(answer.length).toBeLessThan(answerBytesMax / 10);
});
