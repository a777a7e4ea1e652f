import { describe, expect, test } from "vitest";
import { stepCoordinator, takeOver } from "../../../../src/commit/core/coordinator.ts";
import type { CoordinatorInput, Step as CoordinatorStep } from "../../../../src/commit/core/coordinator-step.ts";
import type { Decision, Prepare } from "../../../../src/commit/core/messages.ts";
import { loadTransaction, stepParticipant } from "../../../../src/commit/core/participant.ts";
import type { ParticipantInput } from "../../../../src/commit/core/participant-step.ts";
import { coordinatorEvent, participantEvent } from "../../../../src/commit/core/trace.ts";
import type { VoteValue } from "../../../../src/commit/core/types.ts";
import { ack, at, begun, id, tx, vote } from "../support.ts";

/** What a step does, in its order: the events, and the effects that they stand between. */
function coordinatorTale({ effects }: CoordinatorStep): string[] {
  return effects.flatMap((effect) => {
    if (effect.type === "trace") {
      const { action, participant, value, state } = coordinatorEvent(effect);
      const votes = `${state?.yes.join("")}/${state?.ro.join("")}/${state?.acks.join("")}`;
      return [[action, participant, value, state?.phase, votes].filter((word) => word !== undefined).join(" ")];
    }
    return ["persist", "record", "reply", "send"].includes(effect.type) ? [`(${effect.type})`] : [];
  });
}

const last = (first: CoordinatorStep, ...inputs: readonly CoordinatorInput[]): CoordinatorStep =>
  inputs.reduce((step, input) => stepCoordinator(step.transaction, input), first);

describe("a coordinator tells each action when it has happened, and before anybody can know of it", () => {
  test("a commit", () => {
    const started = begun(["a", "b"]);
    expect(coordinatorTale(started)).toEqual([
      "Begin init //",
      "SendPrepare a preparing //",
      "(send)",
      "SendPrepare b preparing //",
      "(send)",
    ]);
    const first = started.effects.find((effect) => effect.type === "trace");
    expect(first && coordinatorEvent(first)).toMatchObject({ epoch: 1, transaction: "t1", participants: ["a", "b"] });
    const decided = last(started, vote("a", "read-only"), vote("b", "commit"));
    expect(coordinatorTale(decided)).toEqual([
      "RecvVote b yes preparing b/a/",
      "(persist)",
      "ForceCommit committing b/a/",
      "AckClient committed committing b/a/",
      "(reply)",
      "SendDecision b committed committing b/a/",
      "(send)",
    ]);
    expect(coordinatorTale(last(decided, ack("b", "committed")))).toEqual([
      "RecvAck b committed committing b/a/b",
      "(record)",
      "Forget completed b/a/b",
    ]);
  });

  test("an abort", () => {
    const refused = last(begun(["a", "b"]), vote("a", "abort"));
    expect(coordinatorTale(refused)).toEqual([
      "RecvVote a no aborting //",
      "AckClient aborted aborting //",
      "(reply)",
      "(record)",
      "Note aborting //",
      "SendDecision b aborted aborting //",
      "(send)",
    ]);
    const asked = last(refused, { type: "inquiry", participantId: id("b"), ...at() });
    expect(coordinatorTale(asked)).toEqual(["AnswerInquiry b aborted aborting //", "(send)"]);
    expect(coordinatorTale(last(begun(["a", "b"]), { type: "prepare-timeout", ...at() }))).toContain("TimeoutAbort aborting //");
    const left = last(begun(["a", "b"]), { type: "client-abort", reason: "left", ...at() });
    expect(coordinatorTale(left)).toContain("ClientAbort aborting //");
  });

  test("a delegation, and who takes it over", () => {
    const started = begun(["a"]);
    expect(coordinatorTale(started)).toEqual([
      "Begin init //",
      "(persist)",
      "ForceDelegate preparing //",
      "SendPrepare a preparing //",
      "(send)",
    ]);
    // That nothing is known yet is said to whoever asked, and is no word of the spec's.
    expect(coordinatorTale(last(started, { type: "prepare-timeout", ...at() }))).toEqual(["(reply)"]);
    const taken = takeOver(started.transaction, { coordinatorEpoch: 2, connected: new Set() }, at());
    expect(coordinatorTale(taken)).toEqual(["TakeOver preparing //"]);
    expect(taken.effects.map((effect) => effect.type === "trace" && coordinatorEvent(effect).epoch)).toEqual([2]);
  });

  test("a lost promise, and that it is mended", () => {
    const decided = last(begun(["a", "b"]), vote("a", "commit"), vote("b", "commit"), ack("a", "committed"));
    const broken = last(decided, ack("b", "lost"));
    expect(coordinatorTale(broken)).toEqual(["(persist)", "RecvLost b committing ab//a"]);
    const event = broken.effects.find((effect) => effect.type === "trace");
    expect(event && coordinatorEvent(event).state?.lost).toEqual(["b"]);
    expect(coordinatorTale(last(broken, ack("b", "committed")))[0]).toBe("RecvAck b committed committing ab//ab");
  });

  test("what an operator ends, which is no action of the spec", () => {
    const given = { outcome: "committed", reason: "the disk is lost", requestedBy: "ada" } as const;
    const resolved = last(begun(["a"]), { type: "resolve", ...given, ...at() });
    expect(coordinatorTale(resolved).slice(0, 2)).toEqual(["(persist)", "Resolve completed //"]);
    const taken = takeOver(resolved.transaction, { coordinatorEpoch: 2, connected: new Set() }, at());
    expect(coordinatorTale(taken).slice(0, 2)).toEqual(["Resolve completed //", "TakeOver completed //"]);
  });
});

const nowMs = 0;
const from = { coordinatorId: "c", epochSeen: 1 };
const prepare = (onePhase: boolean): ParticipantInput => {
  const message: Prepare = {
    type: "prepare",
    transactionId: tx("t1"),
    attempt: 1,
    payload: new Uint8Array(),
    voteWithinMs: 1_000,
    onePhase,
    coordinatorEpoch: 1,
  };
  return { type: "prepare", message, from, nowMs };
};
const decision = (outcome: Decision["outcome"]): ParticipantInput => {
  const message: Decision = { type: "decision", transactionId: tx("t1"), outcome, coordinatorEpoch: 1, inReply: false };
  return { type: "decision", message, from, logId: "log", nowMs };
};
const voted = (value: VoteValue): ParticipantInput => ({ type: "resource-voted", vote: { value, reason: "" }, nowMs });
const done: ParticipantInput = { type: "resource-committed", nowMs };
const lost: ParticipantInput = { type: "promise-lost", reason: "gone", nowMs };
const giveUp: ParticipantInput = { type: "unilateral-abort", reason: "too slow", nowMs };

/** The last step's events and effects, in their order. */
function participantTale(...inputs: readonly ParticipantInput[]): string[] {
  let step: ReturnType<typeof stepParticipant> = { transaction: undefined, effects: [] };
  for (const input of inputs) step = stepParticipant(step.transaction, input);
  return step.effects.map((effect) => {
    if (effect.type !== "trace") return `(${effect.type})`;
    const { action, state } = participantEvent(effect, id("a"), "a-1");
    return `${action} ${state}`;
  });
}

describe("a participant tells each action when it is durable, and before its message is sent", () => {
  test.each([
    ["a promise", [prepare(false), voted("commit")], ["(persist)", "RecvPrepare prepared", "(send)"]],
    ["read-only", [prepare(false), voted("read-only")], ["RecvPrepare readonly", "(send)"]],
    ["a no", [prepare(false), voted("abort")], ["RecvPrepare refused", "(send)"]],
    ["too late", [prepare(false), giveUp], ["UnilateralAbort refused", "RecvPrepare refused", "(send)"]],
    ["a commit", [prepare(false), voted("commit"), decision("committed"), done], ["(persist)", "RecvCommit committed", "(send)"]],
    [
      "a lost promise",
      [prepare(false), voted("commit"), decision("committed"), lost],
      ["(persist)", "RecvCommitLost lost", "(send)"],
    ],
    ["a commit of what is unknown", [decision("committed")], ["RecvCommitLost working", "(send)"]],
    ["a commit of what was refused", [prepare(false), giveUp, decision("committed")], ["RecvCommitLost refused", "(send)"]],
    [
      "an abort",
      [prepare(false), voted("commit"), decision("aborted")],
      ["(resource-abort)", "(persist)", "RecvAbort aborted", "(send)"],
    ],
    ["an abort out of the blue", [decision("aborted")], ["(resource-abort)", "(persist)", "RecvAbortUnknown aborted", "(send)"]],
    [
      "an abort that comes while it works",
      [prepare(false), decision("aborted"), voted("commit")],
      ["(resource-abort)", "(persist)", "RecvAbortUnknown aborted", "(send)", "RecvPrepare aborted", "(send)"],
    ],
    ["one phase", [prepare(true), voted("commit"), done], ["(persist)", "RecvPrepareOnePhase committed", "(send)"]],
    ["one phase, lost", [prepare(true), voted("commit"), lost], ["(persist)", "RecvPrepareOnePhase lost", "(send)"]],
    [
      "one phase, refused",
      [prepare(true), giveUp, voted("commit")],
      ["(resource-abort)", "(persist)", "RecvPrepareOnePhase aborted", "(send)"],
    ],
    ["in doubt", [prepare(false), voted("commit"), { type: "inquire", nowMs }], ["Inquire prepared", "(send)"]],
  ] satisfies readonly (readonly [string, readonly ParticipantInput[], readonly string[]])[])("%s", (_, inputs, expected) => {
    expect(participantTale(...inputs)).toEqual(expected);
  });

  test("what it finds after a crash", () => {
    const found = (onePhase: boolean): string[] => {
      const known = { transactionId: tx("t1"), onePhase, coordinatorId: "c", coordinatorEpoch: 1, payload: new Uint8Array() };
      const record = { ...known, state: "prepared", reason: "", updatedAtMs: 0 } as const;
      const recovered = stepParticipant(loadTransaction(record), { type: "recover", nowMs });
      const { effects } = onePhase ? stepParticipant(recovered.transaction, done) : { effects: [] };
      return [...recovered.effects, ...effects].flatMap((effect) => {
        if (effect.type !== "trace") return [];
        const { action, state, instance } = participantEvent(effect, id("a"), "a-2");
        return [`${instance} ${action} ${state}`];
      });
    };
    expect(found(false)).toEqual(["a-2 PartRecover prepared"]);
    // In one phase the promise is only the first half of the commit; the second is done now.
    expect(found(true)).toEqual(["a-2 PartRecover working", "a-2 RecvPrepareOnePhase committed"]);
  });
});
