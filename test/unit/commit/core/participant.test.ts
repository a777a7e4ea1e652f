import { describe, expect, test } from "vitest";
import type { Decision, Prepare } from "../../../../src/commit/core/messages.ts";
import { loadTransaction, stepParticipant } from "../../../../src/commit/core/participant.ts";
import type {
  ParticipantEffect,
  ParticipantInput,
  ParticipantRecord,
  ParticipantStep,
} from "../../../../src/commit/core/participant-step.ts";
import type { Outcome, VoteValue } from "../../../../src/commit/core/types.ts";
import { tx } from "../support.ts";

const nowMs = 1_000_000;
const from = { coordinatorId: "c", epochSeen: 1 };
const work = new TextEncoder().encode("work");

const prepare = (change: Partial<Prepare> = {}, sender = from): ParticipantInput => ({
  type: "prepare",
  message: {
    type: "prepare",
    transactionId: tx("t1"),
    attempt: 1,
    payload: work,
    voteWithinMs: 1_000,
    onePhase: false,
    coordinatorEpoch: 1,
    ...change,
  },
  from: sender,
  nowMs,
});

const decision = (outcome: Outcome, change: Partial<Decision> = {}, sender = from): ParticipantInput => ({
  type: "decision",
  message: { type: "decision", transactionId: tx("t1"), outcome, coordinatorEpoch: 1, inReply: false, ...change },
  from: sender,
  nowMs,
});

const voted = (value: VoteValue, reason = ""): ParticipantInput => ({ type: "resource-voted", vote: { value, reason }, nowMs });
const unilateral: ParticipantInput = { type: "unilateral-abort", reason: "too slow", nowMs };
const inquire: ParticipantInput = { type: "inquire", nowMs };
const recover: ParticipantInput = { type: "recover", nowMs };

const nothing: ParticipantStep = { transaction: undefined, effects: [] };

/** The last step of several, on a participant that knows nothing or what `first` says. */
function run(first: ParticipantStep, ...inputs: readonly ParticipantInput[]): ParticipantStep {
  return inputs.reduce<ParticipantStep>((step, input) => stepParticipant(step.transaction, input), first);
}

function acts({ effects }: ParticipantStep): string[] {
  return effects.flatMap((effect: ParticipantEffect) => {
    switch (effect.type) {
      case "trace":
        return [];
      case "persist":
        return `persist ${effect.record.state}`;
      case "send":
        return effect.message.type === "vote"
          ? `vote ${effect.message.value}`
          : effect.message.type === "decision-ack"
            ? `ack ${effect.message.outcome}`
            : "inquiry";
      case "refuse":
        return `refuse: ${effect.reason}`;
      default:
        return effect.type;
    }
  });
}

const record = (state: ParticipantRecord["state"], onePhase = false): ParticipantStep => ({
  transaction: loadTransaction({
    transactionId: tx("t1"),
    state,
    onePhase,
    coordinatorId: "c",
    coordinatorEpoch: 1,
    payload: work,
    reason: "",
    updatedAtMs: nowMs,
  }),
  effects: [],
});

describe("RecvPrepare", () => {
  // specs/TwoPhaseCommit.tla: RecvPrepare, WriteAheadVote
  test("forces before yes", () => {
    expect(acts(run(nothing, prepare()))).toEqual(["resource-prepare"]);
    expect(acts(run(nothing, prepare(), voted("commit")))).toEqual(["persist prepared", "vote commit"]);
  });

  test("writes nothing for no and read-only", () => {
    expect(acts(run(nothing, prepare(), voted("abort", "no")))).toEqual(["vote abort"]);
    expect(acts(run(nothing, prepare(), voted("read-only")))).toEqual(["vote read-only"]);
  });

  test("that comes twice is answered as the first time, and asks the resource once", () => {
    expect(acts(run(nothing, prepare(), prepare({ attempt: 2 })))).toEqual([]);
    expect(acts(run(record("prepared"), prepare()))).toEqual(["vote commit"]);
    expect(acts(run(nothing, prepare(), voted("abort"), prepare()))).toEqual(["vote abort"]);
    expect(acts(run(nothing, prepare(), voted("read-only"), prepare()))).toEqual(["vote read-only"]);
    expect(acts(run(record("committed"), prepare()))).toEqual(["refuse: it is committed"]);
    expect(acts(run(record("prepared", true), prepare()))).toEqual(["refuse: it was prepared in one phase"]);
  });
});

describe("UnilateralAbort", () => {
  // specs/TwoPhaseCommit.tla: UnilateralAbort
  test("is free before the vote, and undoes what the resource prepares after all", () => {
    const refused = run(nothing, prepare(), unilateral);
    expect(acts(refused)).toEqual(["vote abort"]);
    expect(acts(run(refused, voted("commit")))).toEqual(["resource-abort"]);
    expect(acts(run(refused, voted("abort")))).toEqual([]);
  });

  // specs/TwoPhaseCommit.tla: InDoubtNeverUnilateral
  test("is impossible after it", () => {
    expect(acts(run(record("prepared"), unilateral))).toEqual([]);
    expect(run(nothing, unilateral)).toEqual(nothing);
  });
});

describe("RecvCommit", () => {
  // specs/TwoPhaseCommit.tla: RecvCommit
  test("forces before it acknowledges", () => {
    expect(acts(run(record("prepared"), decision("committed")))).toEqual([
      "resource-commit",
      "persist committed",
      "ack committed",
    ]);
    expect(acts(run(record("committed"), decision("committed")))).toEqual(["ack committed"]);
  });

  // specs/TwoPhaseCommit.tla: NoStaleCommit
  test("of what was not promised is refused", () => {
    expect(acts(run(nothing, decision("committed")))).toEqual(["refuse: COMMITTED, but it is unknown here"]);
    expect(acts(run(nothing, prepare(), decision("committed")))).toEqual(["refuse: COMMITTED, but it is working here"]);
    expect(acts(run(record("aborted"), decision("committed")))).toEqual(["refuse: COMMITTED, but it is aborted here"]);
  });
});

describe("RecvAbort", () => {
  const aborted = ["resource-abort", "persist aborted", "ack aborted"];

  test("undoes, forces, acknowledges", () => {
    expect(acts(run(record("prepared"), decision("aborted")))).toEqual(aborted);
    expect(acts(run(record("aborted"), decision("aborted")))).toEqual(["ack aborted"]);
  });

  test("waits for a resource that is preparing, and then votes no", () => {
    const waiting = run(nothing, prepare(), decision("aborted"));
    expect(acts(waiting)).toEqual([]);
    expect(acts(run(waiting, unilateral))).toEqual([]);
    expect(acts(run(waiting, voted("commit")))).toEqual([...aborted, "vote abort"]);
    expect(acts(run(nothing, prepare(), unilateral, decision("aborted"), voted("commit")))).toEqual(aborted);
  });

  // specs/TwoPhaseCommit.tla: RecvAbortUnknown
  test("of an unknown transaction is remembered: its Prepare, coming late, is voted no", () => {
    const first = run(nothing, decision("aborted"));
    expect(acts(first)).toEqual(aborted);
    expect(acts(run(first, prepare()))).toEqual(["vote abort"]);
  });

  test("that finds the commit done is refused", () => {
    expect(acts(run(record("committed"), decision("aborted")))).toEqual(["refuse: ABORTED, but it is committed here"]);
  });
});

describe("RecvPrepareOnePhase", () => {
  const alone = (change: Partial<Prepare> = {}) => prepare({ onePhase: true, ...change });

  // specs/TwoPhaseCommit.tla: RecvPrepareOnePhase
  test("decides, durably, and tells", () => {
    expect(acts(run(nothing, alone(), voted("commit")))).toEqual([
      "persist prepared",
      "resource-commit",
      "persist committed",
      "ack committed",
    ]);
    // There is nothing to commit: a resource that was asked to could not tell that from a promise that it has lost.
    expect(acts(run(nothing, alone(), voted("read-only")))).toEqual(["persist committed", "ack committed"]);
    expect(acts(run(nothing, alone(), voted("abort", "no")))).toEqual(["resource-abort", "persist aborted", "ack aborted"]);
  });

  test("that comes again meets the same outcome", () => {
    expect(acts(run(nothing, alone(), alone()))).toEqual([]);
    expect(acts(run(record("committed", true), alone()))).toEqual(["ack committed"]);
    expect(acts(run(record("aborted", true), alone()))).toEqual(["ack aborted"]);
    expect(acts(run(record("prepared", true), alone())).at(-1)).toBe("ack committed");
    expect(acts(run(nothing, prepare(), voted("abort"), alone())).at(-1)).toBe("ack aborted");
    expect(acts(run(nothing, prepare(), unilateral, alone()))).toEqual([]);
  });

  test("that comes too late is aborted", () => {
    expect(acts(run(nothing, alone({ voteWithinMs: 0 })))).toEqual(["resource-abort", "persist aborted", "ack aborted"]);
    const slow = run(nothing, alone(), unilateral);
    expect(acts(slow)).toEqual([]);
    expect(acts(run(slow, voted("commit")))).toEqual(["resource-abort", "persist aborted", "ack aborted"]);
  });

  test("is not the coordinator's to abort, and leaves nobody in doubt", () => {
    expect(acts(run(record("prepared", true), decision("aborted")))).toEqual(["refuse: ABORTED, but the decision is ours"]);
    expect(acts(run(record("prepared", true), inquire))).toEqual([]);
  });
});

describe("PartRecover and Inquire", () => {
  // specs/TwoPhaseCommit.tla: Inquire, PartRecover
  test("in doubt asks; what it decided alone it finishes", () => {
    expect(acts(run(record("prepared"), recover))).toEqual([]);
    expect(acts(run(record("prepared"), inquire))).toEqual(["inquiry"]);
    expect(acts(run(record("committed"), inquire))).toEqual([]);
    expect(acts(run(record("prepared", true), recover))).toEqual(["resource-commit", "persist committed", "ack committed"]);
  });

  test("know nothing of a transaction that is unknown", () => {
    for (const input of [inquire, recover, voted("commit")]) expect(run(nothing, input)).toEqual(nothing);
  });
});

describe("fencing", () => {
  test("a coordinator that was replaced is not believed", () => {
    const seen = { coordinatorId: "c", epochSeen: 2 };
    expect(acts(run(nothing, prepare({}, seen)))).toEqual(["refuse: coordinator epoch 1 was replaced by 2"]);
    const newer = run(record("prepared"), prepare({ coordinatorEpoch: 3 }));
    expect(acts(run(newer, decision("aborted", { coordinatorEpoch: 2 })))[0]).toMatch("replaced by 3");
  });

  test("nor is one whose transaction it is not", () => {
    const other = { coordinatorId: "d", epochSeen: 1 };
    expect(acts(run(record("prepared"), decision("aborted", {}, other)))).toEqual([
      'refuse: the transaction belongs to coordinator "c"',
    ]);
  });
});

test("an unknown input or state is a defect", () => {
  expect(() => run(nothing, { type: "nonsense" } as unknown as ParticipantInput)).toThrow("unreachable");
  const strange = { ...record("prepared").transaction, state: "odd" } as unknown as ParticipantStep["transaction"];
  expect(() => stepParticipant(strange, prepare())).toThrow("unreachable");
  expect(() => stepParticipant(strange, prepare({ onePhase: true }))).toThrow("unreachable");
});
