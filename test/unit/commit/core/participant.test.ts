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
  logId: "log-1",
  nowMs,
});

const voted = (value: VoteValue, reason = ""): ParticipantInput => ({ type: "resource-voted", vote: { value, reason }, nowMs });
const unilateral: ParticipantInput = { type: "unilateral-abort", reason: "too slow", nowMs };
const inquire: ParticipantInput = { type: "inquire", nowMs };
const recover: ParticipantInput = { type: "recover", nowMs };
const done: ParticipantInput = { type: "resource-committed", nowMs };
const lost: ParticipantInput = { type: "promise-lost", reason: "no such prepared transaction", nowMs };

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

  test("that comes when the time to vote is over is refused, and not begun", () => {
    const late = run(nothing, prepare({ voteWithinMs: 0, attempt: 3 }));
    expect(acts(late)).toEqual(["vote abort"]);
    expect(late.effects.at(-1)).toMatchObject({ message: { attempt: 3, reason: "the time to vote is over" } });
    expect(acts(run(late, prepare({ attempt: 4 })))).toEqual(["vote abort"]);
    expect(acts(run(record("prepared"), prepare({ voteWithinMs: 0 })))).toEqual(["vote commit"]);
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
    const committing = run(record("prepared"), decision("committed"));
    expect(acts(committing)).toEqual(["resource-commit"]);
    expect(acts(run(committing, done))).toEqual(["persist committed", "ack committed"]);
    expect(acts(run(record("committed"), decision("committed")))).toEqual(["ack committed"]);
  });

  test("asks the resource once, and is not disturbed while it works", () => {
    const committing = run(record("prepared"), decision("committed"));
    for (const input of [decision("committed"), inquire, unilateral]) expect(acts(run(committing, input))).toEqual([]);
    expect(acts(run(committing, decision("aborted")))).toEqual(["refuse: ABORTED, but it was COMMITTED"]);
    expect(acts(run(committing, prepare()))).toEqual(["refuse: it is committed"]);
  });

  // specs/TwoPhaseCommit.tla: NoStaleCommit
  test("of what was not promised is refused", () => {
    expect(acts(run(nothing, prepare(), decision("committed")))).toEqual(["refuse: COMMITTED, but it is working here"]);
    expect(acts(run(record("aborted"), decision("committed")))).toEqual(["refuse: COMMITTED, but it is aborted here"]);
  });
});

describe("RecvCommitLost", () => {
  const loss = ["persist lost", "ack lost"];

  // specs/TwoPhaseCommit.tla: RecvCommitLost, AckHonest
  test("writes down that the promise is lost, and says so", () => {
    const step = run(record("prepared"), decision("committed"), lost);
    expect(acts(step)).toEqual(loss);
    expect(step.transaction).toMatchObject({ state: "lost", reason: "no such prepared transaction" });
    expect(step.effects.at(-1)).toMatchObject({ message: { outcome: "lost", reason: "no such prepared transaction" } });
  });

  test("looks again each time it is told: the promise may have been restored", () => {
    const asked = run(record("lost"), decision("committed"));
    expect(acts(asked)).toEqual(["resource-commit"]);
    expect(acts(run(asked, lost))).toEqual(loss);
    const mended = run(asked, done);
    expect(acts(mended)).toEqual(["persist committed", "ack committed"]);
    expect(mended.transaction?.reason).toBe("");
  });

  test("of a transaction without a record names the log, and writes nothing", () => {
    for (const unknown of [nothing, run(nothing, prepare(), voted("abort")), run(nothing, prepare(), voted("read-only"))]) {
      const step = run(unknown, decision("committed"));
      expect(acts(step)).toEqual(["ack lost"]);
      const reason = "no record of a promise in log log-1: another log has made it, or this one was emptied";
      expect(step.effects.at(-1)).toMatchObject({ message: { outcome: "lost", reason } });
      expect(step.transaction).toEqual(unknown.transaction);
    }
  });

  test("leaves nobody in doubt, and nothing to be prepared or aborted", () => {
    expect(acts(run(record("lost"), recover))).toEqual([]);
    expect(acts(run(record("lost"), inquire))).toEqual([]);
    expect(acts(run(record("lost"), prepare()))).toEqual(["refuse: its promise is lost"]);
    expect(acts(run(record("lost"), decision("aborted")))).toEqual(["refuse: ABORTED, but it was COMMITTED"]);
  });

  test("in one phase is told as well, and looked for again", () => {
    const alone = prepare({ onePhase: true });
    expect(acts(run(nothing, alone, voted("commit"), lost))).toEqual(loss);
    expect(acts(run(record("prepared", true), recover, lost))).toEqual(loss);
    expect(acts(run(record("lost", true), alone, done))).toEqual(["persist committed", "ack committed"]);
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
    const committing = run(nothing, alone(), voted("commit"));
    expect(acts(committing)).toEqual(["persist prepared", "resource-commit"]);
    expect(acts(run(committing, alone()))).toEqual([]);
    expect(acts(run(committing, done))).toEqual(["persist committed", "ack committed"]);
    // There is nothing to commit: a resource that was asked to could not tell that from a promise that it has lost.
    expect(acts(run(nothing, alone(), voted("read-only")))).toEqual(["persist committed", "ack committed"]);
    expect(acts(run(nothing, alone(), voted("abort", "no")))).toEqual(["resource-abort", "persist aborted", "ack aborted"]);
  });

  test("that comes again meets the same outcome", () => {
    expect(acts(run(nothing, alone(), alone()))).toEqual([]);
    expect(acts(run(record("committed", true), alone()))).toEqual(["ack committed"]);
    expect(acts(run(record("aborted", true), alone()))).toEqual(["ack aborted"]);
    expect(acts(run(record("prepared", true), alone(), done)).at(-1)).toBe("ack committed");
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
    expect(acts(run(record("prepared", true), recover))).toEqual(["resource-commit"]);
    expect(acts(run(record("prepared", true), recover, done))).toEqual(["persist committed", "ack committed"]);
  });

  test("know nothing of a transaction that is unknown", () => {
    for (const input of [inquire, recover, voted("commit"), done, lost]) expect(run(nothing, input)).toEqual(nothing);
  });
});

describe("fencing", () => {
  test("a coordinator that was replaced is not believed", () => {
    const seen = { coordinatorId: "c", epochSeen: 2 };
    expect(acts(run(nothing, prepare({}, seen)))).toEqual(["refuse: coordinator epoch 1 was replaced by 2"]);
    const newer = run(record("prepared"), prepare({ coordinatorEpoch: 3 }));
    expect(acts(run(newer, decision("aborted", { coordinatorEpoch: 2 })))[0]).toMatch("replaced by 3");
  });

  // specs/TwoPhaseCommit.tla: StrangerAnswers
  test("nor is one whose transaction it is not", () => {
    const other = { coordinatorId: "d", epochSeen: 1 };
    const refusal = ['refuse: the transaction belongs to coordinator "c"'];
    for (const first of [record("prepared"), record("lost"), record("committed"), run(nothing, prepare())]) {
      for (const input of [decision("aborted", {}, other), decision("committed", {}, other), prepare({}, other)]) {
        const step = run(first, input);
        expect(acts(step)).toEqual(refusal);
        expect(step.transaction).toEqual(first.transaction);
      }
    }
  });
});

test("an unknown input or state is a defect", () => {
  expect(() => run(nothing, { type: "nonsense" } as unknown as ParticipantInput)).toThrow("unreachable");
  const strange = { ...record("prepared").transaction, state: "odd" } as unknown as ParticipantStep["transaction"];
  expect(() => stepParticipant(strange, prepare())).toThrow("unreachable");
  expect(() => stepParticipant(strange, prepare({ onePhase: true }))).toThrow("unreachable");
});
