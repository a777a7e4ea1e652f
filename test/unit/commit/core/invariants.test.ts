import { describe, expect, test } from "vitest";
import { stepCoordinator } from "../../../../src/commit/core/coordinator.ts";
import type { CoordinatorEffect, CoordinatorInput, Step } from "../../../../src/commit/core/coordinator-step.ts";
import { checkParticipantStep, checkStep, checkTransaction } from "../../../../src/commit/core/invariants.ts";
import type {
  ParticipantEffect,
  ParticipantInput,
  ParticipantRecord,
  ParticipantTransaction,
} from "../../../../src/commit/core/participant-step.ts";
import type { Part, Transaction } from "../../../../src/commit/core/types.ts";
import type { TimeMs } from "../../../../src/kernel/time.ts";
import { ack, at, begun, tx, vote } from "../support.ts";

// They are the last to see a step before anybody else does: one that looks away would let a broken core do harm.

const run = (first: Step, ...inputs: readonly CoordinatorInput[]): Step =>
  inputs.reduce((step, input) => stepCoordinator(step.transaction, input), first);

const inDoubt = run(begun(["a", "b"]), vote("a", "commit"));
const committing = run(inDoubt, vote("b", "commit"));
const isOf = (type: CoordinatorEffect["type"]) => (effect: CoordinatorEffect) => effect.type === type;

describe("a coordinator's step", () => {
  test("is taken as it is made", () => {
    expect(() => checkStep(inDoubt.transaction, committing)).not.toThrow();
  });

  test.each<[string, CoordinatorEffect["type"]]>([
    ["WriteAheadDecision", "send"],
    ["ClientAckDurable", "reply"],
  ])("keeps %s: nothing is said of a commit before it is durable", (invariant, type) => {
    const { transaction, effects } = committing;
    const [first] = effects.filter(isOf(type));
    if (first === undefined) throw new Error("it is said");
    const others = effects.filter((effect) => effect !== first && effect.type !== "trace");
    expect(() => checkStep(inDoubt.transaction, { transaction, effects: [first, ...others] })).toThrow(invariant);
    expect(() => checkStep(inDoubt.transaction, { transaction, effects: [first] })).toThrow(invariant);
    // What is written is not yet decided.
    const early: CoordinatorEffect = { type: "persist", transaction: inDoubt.transaction };
    expect(() => checkStep(inDoubt.transaction, { transaction, effects: [early, first] })).toThrow(invariant);
    // It was durable before.
    expect(() => checkStep(transaction, { transaction, effects: [first] })).not.toThrow();
  });

  test("keeps WriteAheadDecision: who decides alone is asked once that is written, and nobody else is asked so", () => {
    const { transaction, effects } = begun(["a"]);
    const before = { ...transaction, phase: "INIT" } as Transaction;
    const [persist, send] = [effects.find(isOf("persist")), effects.find(isOf("send"))];
    if (!persist || send?.type !== "send" || send.message.type !== "prepare") throw new Error("it is written and asked");
    expect(() => checkStep(before, { transaction, effects: [persist, send] })).not.toThrow();
    expect(() => checkStep(before, { transaction, effects: [send, persist] })).toThrow("delegated before it is asked");
    const other: CoordinatorEffect = { ...send, message: { ...send.message, onePhase: false } };
    expect(() => checkStep(before, { transaction, effects: [persist, other] })).toThrow("one participant, one phase");
    const both = begun(["a", "b"]);
    const first = both.effects.find(isOf("send"));
    if (first?.type !== "send" || first.message.type !== "prepare") throw new Error("it is asked");
    expect(() => checkStep(both.transaction, { ...both, effects: [first] })).not.toThrow();
  });

  test("keeps PresumptionSound and DecisionStable: everybody hears the one outcome", () => {
    const { transaction, effects } = committing;
    const sent = effects.find(isOf("send"));
    if (sent?.type !== "send" || sent.message.type !== "decision") throw new Error("it is told");
    const wrong: CoordinatorEffect = { ...sent, message: { ...sent.message, outcome: "aborted" } };
    expect(() => checkStep(transaction, { transaction, effects: [wrong] })).toThrow("PresumptionSound");
    const turned = { ...transaction, phase: "ABORTING", outcome: "aborted", abortReason: "x" } as Transaction;
    expect(() => checkStep(transaction, { transaction: turned, effects: [] })).toThrow("DecisionStable");
  });

  test("writes what is finished, and takes no delegated decision back", () => {
    const done = run(committing, ack("a", "committed"));
    const finished = run(done, ack("b", "committed"));
    expect(() => checkStep(done.transaction, finished)).not.toThrow();
    const unwritten = finished.effects.filter((effect) => effect.type !== "record");
    expect(() => checkStep(done.transaction, { ...finished, effects: unwritten })).toThrow("what is finished is written");
    const alone = begun(["a"]).transaction;
    const taken = {
      ...alone,
      phase: "ABORTING",
      outcome: "aborted",
      abortReason: "late",
      decidedAtMs: at().nowMs,
    } as Transaction;
    expect(() => checkStep(alone, { transaction: taken, effects: [] })).toThrow("a delegated decision is not taken back");
  });
});

describe("a transaction that is loaded", () => {
  const timeMs = 1_000_000 as TimeMs;
  const parts = (transaction: Transaction, change: Partial<Part>): Transaction => ({
    ...transaction,
    parts: transaction.parts.map((part, index) => (index === 0 ? { ...part, ...change } : part)),
  });
  const { transaction: decided } = committing;
  const { transaction: finished } = run(committing, ack("a", "committed"), ack("b", "committed"));
  const resolution = { atMs: timeMs, requestedBy: "ada", reason: "" };

  test.each<[string, Transaction, string | undefined]>([
    ["as it was", decided, undefined],
    ["as it ended", finished, undefined],
    ["without a decision", { ...decided, outcome: undefined }, "TypeOK"],
    ["decided at no time", { ...decided, decidedAtMs: undefined }, "TypeOK"],
    ["completed at no time", { ...finished, completedAtMs: undefined }, "TypeOK"],
    ["completed too early", { ...decided, completedAtMs: timeMs }, "TypeOK"],
    ["still idle", { ...decided, idleTimeoutMs: 1 as never }, "TypeOK"],
    ["committed against a vote", parts(decided, { vote: "abort" }), "CommitValidity"],
    ["committed without a vote", parts(decided, { vote: undefined }), "CommitValidity"],
    ["committed with a part that only read", parts(decided, { vote: "read-only" }), undefined],
    ["committed by an operator", parts({ ...decided, resolution }, { vote: undefined }), undefined],
    ["aborted for no reason", { ...decided, phase: "ABORTING", outcome: "aborted", abortReason: "" }, "AbortValidity"],
    ["forgotten too early", parts(finished, { acknowledgedAtMs: undefined }), "ForgetSafe"],
    ["forgotten by an operator", parts({ ...finished, resolution }, { acknowledgedAtMs: undefined }), undefined],
    ["acknowledged and lost", parts(decided, { acknowledgedAtMs: timeMs, lost: { reason: "", atMs: timeMs } }), "AckHonest"],
    ["lost", parts(decided, { lost: { reason: "", atMs: timeMs } }), undefined],
    [
      "forgotten, with what is lost",
      { ...parts(finished, { vote: "read-only", acknowledgedAtMs: undefined, lost: { reason: "", atMs: timeMs } }) },
      "LostNeverForgotten",
    ],
  ])("%s", (_name, transaction, invariant) => {
    if (invariant === undefined) expect(() => checkTransaction(transaction)).not.toThrow();
    else expect(() => checkTransaction(transaction)).toThrow(invariant);
  });
});

describe("a participant's step", () => {
  const of = (state: ParticipantTransaction["state"], onePhase = false): ParticipantTransaction => ({
    ...{ transactionId: tx("t1"), onePhase, state, coordinatorId: "c", coordinatorEpoch: 1, payload: new Uint8Array() },
    ...{ reason: "", updatedAtMs: 0 as TimeMs, attempt: 1, busy: false, abortReceived: false },
  });
  const written = (state: ParticipantRecord["state"]): ParticipantEffect => {
    const { attempt: _1, busy: _2, abortReceived: _3, ...record } = of(state);
    return { type: "persist", record: { ...record, state } };
  };
  const common = { transactionId: tx("t1"), coordinatorEpoch: 1, attempt: 1 };
  const yes = { type: "send", message: { ...common, type: "vote", value: "commit", reason: "" } } as ParticipantEffect;
  const no = { type: "send", message: { ...common, type: "vote", value: "abort", reason: "" } } as ParticipantEffect;
  const told = (outcome: "committed" | "aborted" | "lost") =>
    ({ type: "send", message: { ...common, type: "decision-ack", outcome, reason: "" } }) as ParticipantEffect;
  const commit: ParticipantEffect = { type: "resource-commit", payload: new Uint8Array() };

  type Case = [
    string,
    ParticipantTransaction["state"] | undefined,
    ParticipantTransaction["state"] | undefined,
    readonly ParticipantEffect[],
    ParticipantInput["type"],
    string | undefined,
  ];
  test.each<Case>([
    ["votes yes once that is written", "working", "prepared", [written("prepared"), yes], "resource-voted", undefined],
    ["votes yes before that is written", "working", "prepared", [yes, written("prepared")], "resource-voted", "WriteAheadVote"],
    ["votes yes, and nothing is written", "working", "prepared", [yes], "resource-voted", "WriteAheadVote"],
    ["votes no, and nothing is written", "working", "refused", [no], "resource-voted", undefined],
    ["commits what it promised", "prepared", "committing", [commit], "decision", undefined],
    ["commits what was lost, and has been restored", "lost", "committing", [commit], "decision", undefined],
    ["commits what it never promised", "working", "committing", [commit], "decision", "WriteAheadVote"],
    [
      "tells of a commit that is written",
      "committing",
      "committed",
      [written("committed"), told("committed")],
      "resource-committed",
      undefined,
    ],
    ["tells of a commit that is not", "committing", "committed", [told("committed")], "resource-committed", "WriteAheadAck"],
    ["tells of an abort that is written", "prepared", "aborted", [written("aborted"), told("aborted")], "decision", undefined],
    [
      "tells of an abort as of a commit",
      "prepared",
      "aborted",
      [written("aborted"), told("committed")],
      "decision",
      "WriteAheadAck",
    ],
    ["tells of a lost promise that is written", "prepared", "lost", [written("lost"), told("lost")], "decision", undefined],
    ["tells of a lost promise that is not", "prepared", "prepared", [told("lost")], "decision", "WriteAheadAck"],
    ["tells of a lost promise though it aborted", "aborted", "aborted", [told("lost")], "decision", "WriteAheadAck"],
    ["knows nothing of it", undefined, undefined, [told("lost")], "decision", undefined],
    ["has refused it", "refused", "refused", [told("lost")], "decision", undefined],
    ["has only read", "read-only", "read-only", [told("lost")], "decision", undefined],
    ["knows nothing, and tells of a commit", undefined, undefined, [told("committed")], "decision", "WriteAheadAck"],
    ["writes a commit that the resource has not made", "prepared", "committed", [written("committed")], "decision", "AckHonest"],
    ["writes a commit of which it only voted", "working", "committed", [written("committed")], "resource-voted", undefined],
    ["turns a commit", "committed", "aborted", [], "decision", "DecisionStable"],
    ["turns an abort", "aborted", "committed", [], "decision", "DecisionStable"],
    ["stays committed", "committed", "committed", [], "decision", undefined],
    ["ends a promise by itself", "prepared", "aborted", [], "unilateral-abort", "InDoubtNeverUnilateral"],
    ["ends a promise as it is told", "prepared", "aborted", [], "decision", undefined],
    ["keeps its promise", "prepared", "prepared", [], "unilateral-abort", undefined],
  ])("%s", (_name, before, after, effects, input, invariant) => {
    const step = { transaction: after && of(after), effects };
    const check = () => checkParticipantStep(before && of(before), step, input);
    if (invariant === undefined) expect(check).not.toThrow();
    else expect(check).toThrow(invariant);
  });

  test("ends a promise by itself where it decides alone", () => {
    const check = () =>
      checkParticipantStep(of("prepared", true), { transaction: of("committing", true), effects: [] }, "recover");
    expect(check).not.toThrow();
  });
});
