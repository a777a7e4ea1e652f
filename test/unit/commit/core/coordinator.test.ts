import { describe, expect, test } from "vitest";
import {
  begin,
  newTransaction,
  participantCountMax,
  resume,
  stepCoordinator,
  takeOver,
  whyKept,
} from "../../../../src/commit/core/coordinator.ts";
import type { CoordinatorInput, Step } from "../../../../src/commit/core/coordinator-step.ts";
import {
  finishedAtMs,
  heuristicOf,
  isDone,
  isFinished,
  isInDoubtSomewhere,
  type Transaction,
} from "../../../../src/commit/core/types.ts";
import { backoffMs } from "../../../../src/kernel/backoff.ts";
import type { ParticipantId, RequestId } from "../../../../src/kernel/ids.ts";
import { ack, acts, at, begun, id, part, shown, tx, vote } from "../support.ts";

const later = at(1_005_000);
const inquiry = (name: string): CoordinatorInput => ({ type: "inquiry", participantId: id(name), ...later });
const connected = (name: string, inDoubt = false): CoordinatorInput => ({
  type: "connected",
  participantId: id(name),
  inDoubt,
  ...later,
});
const disconnected = (name: string): CoordinatorInput => ({ type: "disconnected", participantId: id(name), ...later });

/** The last step of several. */
function run(first: Step, ...inputs: readonly CoordinatorInput[]): Step {
  return inputs.reduce<Step>((step, input) => stepCoordinator(step.transaction, input), first);
}

const committing = () => run(begun(["a", "b"]), vote("a", "commit"), vote("b", "commit"));
const aborting = () => run(begun(["a", "b"]), vote("a", "commit"), { type: "prepare-timeout", ...later });

describe("Begin", () => {
  // specs/TwoPhaseCommit.tla: Begin, SendPrepare
  test("asks every participant to prepare, once all are connected", () => {
    expect(acts(begun(["a", "b"]).effects)).toEqual(["send a prepare", "send b prepare"]);
  });

  // specs/TwoPhaseCommit.tla: CommitReadOnly
  test("of nothing commits, without a forced write", () => {
    const step = begun([]);
    expect(acts(step.effects)).toEqual(["reply decided", "record COMPLETED"]);
    expect(step.transaction.outcome).toBe("committed");
  });

  // specs/TwoPhaseCommit.tla: TimeoutAbort
  test("aborts at once if somebody is missing, and names who", () => {
    const one = begun(["a", "b"], { missing: ["b"] });
    expect(acts(one.effects)).toEqual(["reply decided", "record COMPLETED"]);
    expect(one.transaction.abortReason).toBe('participant "b" is not connected');
    expect(begun(["a", "b"], { missing: ["a", "b"] }).transaction.abortReason).toBe('participants "a", "b" are not connected');
  });

  test("waits if it may, until all are connected at the same time", () => {
    const waiting = begun(["a", "b"], { missing: ["a", "b"], waitMs: 30_000 });
    expect(shown(waiting.effects)).toEqual(["set-timer wait-timeout"]);
    const still = run(waiting, connected("a"), disconnected("a"), connected("b"));
    expect(still.transaction.phase).toBe("INIT");
    expect(acts(run(still, connected("a")).effects)).toEqual(["send a prepare", "send b prepare"]);
    const over = run(still, { type: "wait-timeout", ...later });
    expect(over.transaction).toMatchObject({
      phase: "COMPLETED",
      abortReason: 'participant "a" is not connected within 30000 ms',
    });
  });

  test("ignores timers of an earlier phase", () => {
    const step = begun(["a", "b"]);
    expect(run(step, { type: "wait-timeout", ...later })).toEqual({ transaction: step.transaction, effects: [] });
    const decided = committing();
    expect(run(decided, { type: "prepare-timeout", ...later }).effects).toEqual([]);
  });
});

describe("RecvVote", () => {
  // specs/TwoPhaseCommit.tla: RecvVote, ForceCommit
  test("of the last yes forces the commit before anybody is told", () => {
    expect(acts(committing().effects)).toEqual(["persist COMMITTING", "reply decided", "send a committed", "send b committed"]);
  });

  test("of one no aborts at once, and tells who may be bound", () => {
    const step = run(begun(["a", "b", "c"]), vote("a", "commit"), vote("b", "abort", "no space"));
    expect(acts(step.effects)).toEqual(["reply decided", "record ABORTING", "send a aborted", "send c aborted"]);
    expect(step.transaction.abortReason).toBe('participant "b" voted ABORT: no space');
    expect(run(begun(["a", "b"]), vote("b", "abort")).transaction.abortReason).toBe('participant "b" voted ABORT');
  });

  test("leaves read-only voters out of the decision", () => {
    const step = run(begun(["a", "b"]), vote("a", "read-only"), vote("b", "commit"));
    expect(acts(step.effects)).toEqual(["persist COMMITTING", "reply decided", "send b committed"]);
  });

  // specs/TwoPhaseCommit.tla: CommitReadOnly
  test("of read-only voters alone commits without a forced write", () => {
    const step = run(begun(["a", "b"]), vote("a", "read-only"), vote("b", "read-only"));
    expect(acts(step.effects)).toEqual(["reply decided", "record COMPLETED"]);
  });

  test("twice changes nothing; a yes binds, and is not weakened by an older read-only", () => {
    const once = run(begun(["a", "b"]), vote("a", "commit"));
    expect(run(once, vote("a", "commit"))).toEqual({ transaction: once.transaction, effects: [] });
    expect(part(run(once, vote("a", "read-only")), "a")?.vote).toBe("commit");
    const bound = run(begun(["a", "b"]), vote("a", "read-only"), vote("a", "commit"), vote("b", "read-only"));
    expect(acts(bound.effects)).toEqual(["persist COMMITTING", "reply decided", "send a committed"]);
  });

  test("after the decision is noted; who refuses then needs nothing more", () => {
    const late = run(aborting(), vote("b", "commit"));
    expect([acts(late.effects), part(late, "b")?.vote]).toEqual([[], "commit"]);
    const waiting = run(aborting(), ack("a", "aborted"));
    expect(acts(run(waiting, vote("b", "abort")).effects)).toEqual(["record COMPLETED"]);
    expect(run(waiting, vote("a", "abort")).effects).toEqual([]);
  });

  test("yes of one that was done is a question", () => {
    const refused = run(begun(["a", "b"]), vote("a", "abort"));
    expect(acts(run(refused, vote("a", "commit")).effects)).toEqual(["send a aborted"]);
    const readOnly = run(begun(["a", "b"]), vote("a", "read-only"), vote("b", "commit"));
    expect(acts(run(readOnly, vote("a", "commit")).effects)).toEqual(["send a committed"]);
  });

  test("from a stranger is refused", () => {
    expect(shown(run(begun(["a", "b"]), vote("z", "commit")).effects)).toEqual([
      'refuse: participant "z" is not enlisted in this transaction',
    ]);
  });
});

describe("one-phase commit", () => {
  const alone = () => begun(["a"]);

  // specs/TwoPhaseCommit.tla: ForceDelegate, RecvAck
  test("hands the decision over durably, and learns it from the acknowledgement", () => {
    expect(acts(alone().effects)).toEqual(["persist PREPARING", "send a prepare one-phase"]);
    const committed = run(alone(), ack("a", "committed"));
    expect(acts(committed.effects)).toEqual(["reply decided", "record COMPLETED"]);
    expect(part(committed, "a")?.vote).toBe("commit");
    const aborted = run(alone(), ack("a", "aborted", "no space"));
    expect(aborted.transaction).toMatchObject({ outcome: "aborted", abortReason: 'participant "a" aborted: no space' });
    expect(run(alone(), ack("a", "aborted")).transaction.abortReason).toBe('participant "a" aborted');
  });

  // specs/TwoPhaseCommit.tla: MayAbort
  test("is not taken back, by a timeout or by the client", () => {
    expect(acts(run(alone(), { type: "prepare-timeout", ...later }).effects)).toEqual(["reply pending"]);
    expect(acts(run(alone(), { type: "client-abort", reason: "left", ...later }).effects)).toEqual(["reply pending"]);
  });

  test("is not answered with a vote, nor is an inquiry about it", () => {
    expect(shown(run(alone(), vote("a", "commit")).effects)).toEqual([
      "refuse: a one-phase Prepare is answered with DecisionAck",
    ]);
    expect(run(alone(), inquiry("a")).effects).toEqual([]);
  });

  // specs/TwoPhaseCommit.tla: TakeOver
  test("is asked for again by the next coordinator", () => {
    const taken = takeOver(alone().transaction, { coordinatorEpoch: 2, connected: new Set([id("a")]) }, later);
    expect(acts(taken.effects)).toEqual(["send a prepare one-phase"]);
    expect(part(taken, "a")?.preparesSent).toBe(2);
  });
});

describe("TimeoutAbort and ClientAbort", () => {
  test("name who did not vote", () => {
    const step = run(begun(["a", "b"]), vote("a", "commit"), { type: "prepare-timeout", ...later });
    expect(acts(step.effects)).toEqual(["reply decided", "record ABORTING", "send a aborted", "send b aborted"]);
    expect(step.transaction.abortReason).toBe('participant "b" did not vote within 10000 ms');
  });

  test("abort what the client gives up, before the decision only", () => {
    const gone: CoordinatorInput = { type: "client-abort", reason: "left", ...later };
    expect(run(begun(["a", "b"]), gone).transaction).toMatchObject({ outcome: "aborted", abortReason: "left" });
    expect(run(committing(), gone).transaction.outcome).toBe("committed");
  });
});

describe("SendDecision", () => {
  test("is repeated until it is acknowledged, with growing pauses", () => {
    const resend: CoordinatorInput = { type: "resend", participantId: id("a"), ...later };
    const step = run(committing(), resend, resend);
    expect(shown(step.effects)).toEqual(["send a committed", "set-timer resend a"]);
    expect(part(step, "a")?.decisionsSent).toBe(3);
    expect(run(committing(), ack("a", "committed"), resend).effects).toEqual([]);
  });

  test("waits for a session, and is repeated at once when there is one", () => {
    const away = run(committing(), disconnected("a"));
    expect(shown(away.effects)).toEqual(["clear-timer resend a"]);
    expect(run(away, { type: "resend", participantId: id("a"), ...later }).effects).toEqual([]);
    const back = run(away, connected("a"));
    expect(acts(back.effects)).toEqual(["send a committed"]);
  });

  test("answers each entry of in_doubt, even if nothing is owed", () => {
    const done = run(committing(), ack("a", "committed"));
    expect(run(done, connected("a")).effects).toEqual([]);
    expect(shown(run(done, connected("a", true)).effects)).toEqual(["send a committed"]);
  });

  test("a Prepare is repeated in a new session, until the vote", () => {
    const back = run(begun(["a", "b"]), vote("b", "commit"), disconnected("a"), connected("a", true));
    expect(acts(back.effects)).toEqual(["send a prepare"]);
    expect(run(back, disconnected("b"), connected("b")).effects).toEqual([]);
  });
});

describe("RecvAck and Forget", () => {
  // specs/TwoPhaseCommit.tla: Forget
  test("the record is kept until every yes-voter has acknowledged", () => {
    const one = run(committing(), ack("a", "committed"));
    expect(one.transaction.phase).toBe("COMMITTING");
    expect(run(one, ack("a", "committed"))).toEqual({ transaction: one.transaction, effects: [] });
    expect(shown(run(one, ack("b", "committed")).effects)).toEqual(["clear-timer resend b", "record COMPLETED"]);
  });

  test("an acknowledgement of another outcome is refused", () => {
    expect(shown(run(committing(), ack("a", "aborted")).effects)).toEqual(["refuse: the outcome is committed"]);
    expect(shown(run(begun(["a", "b"]), ack("a", "aborted")).effects)).toEqual(["refuse: the outcome is not decided"]);
    expect(shown(run(begun(["a"]), ack("z", "aborted")).effects)[0]).toMatch("not enlisted");
  });

  test("a part is done when nothing more is expected of it", () => {
    const step = run(
      begun(["a", "b", "c"]),
      vote("a", "commit"),
      vote("b", "read-only"),
      vote("c", "commit"),
      ack("a", "committed"),
    );
    expect(step.transaction.parts.map((each) => isDone(step.transaction, each))).toEqual([true, true, false]);
  });
});

describe("AnswerInquiry", () => {
  test("is silent while votes are collected, and tells the decision after it", () => {
    const undecided = run(begun(["a", "b"]), vote("a", "commit"));
    expect(run(undecided, inquiry("a")).effects).toEqual([]);
    expect(acts(run(committing(), inquiry("a")).effects)).toEqual(["send a committed"]);
    expect(acts(run(aborting(), inquiry("a")).effects)).toEqual(["send a aborted"]);
    expect(shown(run(committing(), inquiry("z")).effects)[0]).toMatch("not enlisted");
  });
});

describe("TakeOver", () => {
  const nobody = new Set<ParticipantId>();

  test("sends what is decided again, with the new epoch", () => {
    const taken = takeOver(committing().transaction, { coordinatorEpoch: 2, connected: new Set([id("b")]) }, later);
    expect(taken.effects.find(({ type }) => type === "send")).toMatchObject({
      participantId: "b",
      message: { outcome: "committed", coordinatorEpoch: 2 },
    });
    expect(
      takeOver(aborting().transaction, { coordinatorEpoch: 2, connected: nobody }, later).effects.map(({ type }) => type),
    ).toEqual(["trace"]);
  });

  test("trusts no record that breaks an invariant", () => {
    const broken = (change: Partial<Transaction>) => () =>
      takeOver({ ...committing().transaction, ...change }, { coordinatorEpoch: 2, connected: nobody }, later);
    expect(broken({ parts: [...begun(["a", "b"]).transaction.parts] })).toThrow("CommitValidity");
    expect(broken({ outcome: "aborted", phase: "ABORTING" })).toThrow("AbortValidity");
    expect(broken({ phase: "COMPLETED", completedAtMs: 1 })).toThrow("ForgetSafe");
    expect(broken({ phase: "PREPARING" })).toThrow("TypeOK");
    expect(() => takeOver(begun(["a", "b"]).transaction, { coordinatorEpoch: 2, connected: nobody }, later)).toThrow("TakeOver");
    expect(() => takeOver(committing().transaction, { coordinatorEpoch: 1, connected: nobody }, later)).toThrow("FenceMonotonic");
  });

  test("an input for somebody who is not enlisted is a defect", () => {
    expect(() => run(committing(), connected("z"))).toThrow("TypeOK");
    expect(() => run(committing(), { type: "nonsense" } as unknown as CoordinatorInput)).toThrow("unreachable");
  });
});

describe("enlisting", () => {
  const open = (): Step =>
    begin(
      newTransaction(
        {
          id: tx("t1"),
          coordinatorEpoch: 1,
          enlistments: [],
          connected: new Set(),
          waitForParticipantsMs: 0,
          prepareTimeoutMs: 10_000,
          idleTimeoutMs: 60_000,
          requestedBy: "alice",
          reason: "test",
          request: undefined,
        },
        at().nowMs,
      ),
      at(),
    );
  const enlist = (name: string, request?: string, digest = "x"): CoordinatorInput => ({
    type: "enlist",
    participantId: id(name),
    payload: new Uint8Array(),
    connected: true,
    request: request === undefined ? undefined : { id: request as RequestId, digest },
    ...at(),
  });
  const commit: CoordinatorInput = { type: "commit", ...at() };

  test("sends nothing, and each enlistment starts the idle time anew", () => {
    expect(shown(open().effects)).toEqual(["set-timer idle-timeout"]);
    const one = run(open(), enlist("a"));
    expect(shown(one.effects)).toEqual(["set-timer idle-timeout"]);
    expect(run(one, connected("a")).effects).toEqual([]);
  });

  // specs/TwoPhaseCommit.tla: Begin
  test("ends with the commit, which asks everybody to prepare; a repeat waits with the first", () => {
    const asked = run(open(), enlist("a"), enlist("b"), commit);
    expect(shown(asked.effects).slice(0, 1)).toEqual(["clear-timer idle-timeout"]);
    expect(acts(asked.effects)).toEqual(["send a prepare", "send b prepare"]);
    expect(run(asked, commit)).toEqual({ transaction: asked.transaction, effects: [] });
    expect(acts(run(open(), enlist("a"), commit).effects)).toEqual(["persist PREPARING", "send a prepare one-phase"]);
    expect(acts(run(open(), commit).effects)).toEqual(["reply decided", "record COMPLETED"]);
    expect(acts(run(open(), enlist("a"), disconnected("a"), commit).effects)).toEqual(["reply decided", "record COMPLETED"]);
  });

  test("ends with an abort when nothing comes for the idle time", () => {
    const idle: CoordinatorInput = { type: "idle-timeout", ...later };
    const over = run(open(), enlist("a"), idle);
    expect(over.transaction).toMatchObject({ phase: "COMPLETED", outcome: "aborted", idleTimeoutMs: undefined });
    expect(over.transaction.abortReason).toMatch("no work was enlisted for 60000 ms");
    expect(run(over, idle).effects).toEqual([]);
  });

  test("takes each participant once, and knows a retry by its request id", () => {
    const one = run(open(), enlist("a", "r1"));
    expect(run(one, enlist("a", "r1"))).toEqual({ transaction: one.transaction, effects: [] });
    const refusals = [enlist("a"), enlist("a", "r2"), enlist("a", "r1", "y")].map((input) => run(one, input).effects[0]);
    expect(refusals.map((effect) => effect?.type === "refuse" && effect.code)).toEqual([
      "already-enlisted",
      "already-enlisted",
      "already-enlisted",
    ]);
    const full = run(open(), ...Array.from({ length: participantCountMax }, (_, i) => enlist(`p${i}`)));
    expect(run(full, enlist("b")).effects).toMatchObject([{ code: "too-many-participants" }]);
    expect(run(one, commit, enlist("b")).effects).toMatchObject([{ code: "state" }]);
    expect(run(begun(["a", "b"]), enlist("c")).effects).toMatchObject([{ code: "state" }]);
  });

  test("is over before Prepare", () => {
    const broken = { ...begun(["a", "b"]).transaction, idleTimeoutMs: 1 };
    expect(() => stepCoordinator(broken, connected("a"))).toThrow("TypeOK");
  });
});

describe("an abort on request", () => {
  const abort: CoordinatorInput = { type: "abort", reason: 'aborted by "ada"', ...later };

  test("aborts what is undecided, once", () => {
    const aborted = run(begun(["a", "b"]), vote("a", "commit"), abort);
    expect(acts(aborted.effects)).toEqual(["reply decided", "record ABORTING", "send a aborted", "send b aborted"]);
    expect(aborted.transaction.abortReason).toBe('aborted by "ada"');
    expect(run(aborted, abort).effects).toEqual([]);
  });

  // specs/TwoPhaseCommit.tla: MayAbort
  test("is refused when it is too late, and answers nobody else", () => {
    expect(shown(run(committing(), abort).effects)).toEqual(["refuse: it is COMMITTING as COMMITTED: it cannot be aborted"]);
    expect(shown(run(begun(["a"]), abort).effects)).toEqual(["refuse: it is PREPARING: it cannot be aborted"]);
  });
});

describe("a retry", () => {
  const retry: CoordinatorInput = { type: "retry", ...later };

  test("sends the decision to those that are connected and owe an acknowledgement", () => {
    expect(acts(run(committing(), ack("a", "committed"), retry).effects)).toEqual(["send b committed"]);
    expect(acts(run(committing(), disconnected("a"), retry).effects)).toEqual(["send b committed"]);
  });

  test("sends a Prepare again only to the lone participant, who decides", () => {
    expect(run(begun(["a", "b"]), retry).effects).toEqual([]);
    expect(acts(run(begun(["a"]), retry).effects)).toEqual(["send a prepare one-phase"]);
  });
});

const resolve = (outcome: "committed" | "aborted"): CoordinatorInput => ({
  type: "resolve",
  outcome,
  reason: "the disk is lost",
  requestedBy: "ada",
  ...later,
});

describe("RecvLost", () => {
  const reason = "no such prepared transaction";
  const broken = () => run(committing(), ack("a", "committed"), ack("b", "lost", reason));

  // specs/TwoPhaseCommit.tla: RecvLost, LostNeverForgotten
  test("is no acknowledgement: it is forced, shown, and nobody is asked again by a timer", () => {
    const step = broken();
    expect(shown(step.effects)).toEqual(["persist COMMITTING", "clear-timer resend b"]);
    expect(part(step, "b")).toMatchObject({ lost: { reason, atMs: at().nowMs }, acknowledgedAtMs: undefined });
    expect([heuristicOf(step.transaction), isFinished(step.transaction)]).toEqual(["MIXED", false]);
    expect(whyKept(step.transaction, Number.MAX_VALUE)).toBe("it is COMMITTING as COMMITTED: it is not completed");
  });

  test("that comes again changes nothing, nor does one after the acknowledgement", () => {
    expect(run(broken(), ack("b", "lost", reason)).effects).toEqual([]);
    expect(run(broken(), ack("a", "lost", reason)).effects).toEqual([]);
  });

  test("is followed by the decision at each connection, for it may have been restored, and when an operator asks", () => {
    expect(shown(run(broken(), disconnected("b"), connected("b")).effects)).toEqual(["send b committed"]);
    expect(shown(run(broken(), { type: "retry", ...later }).effects)).toEqual(["send b committed"]);
  });

  test("is mended by an acknowledgement after all", () => {
    const mended = run(broken(), ack("b", "committed"));
    expect(acts(mended.effects)).toEqual(["record COMPLETED"]);
    expect(part(mended, "b")?.lost).toBeUndefined();
    expect([heuristicOf(mended.transaction), isFinished(mended.transaction)]).toEqual([undefined, true]);
  });

  test("survives the coordinator", () => {
    const taken = takeOver(broken().transaction, { coordinatorEpoch: 2, connected: new Set([id("b")]) }, later);
    expect(shown(taken.effects)).toEqual(["send b committed"]);
    expect(heuristicOf(taken.transaction)).toBe("MIXED");
  });

  test("is ended by an operator, and stays mixed; also if the participant says so only then", () => {
    const ended = run(broken(), resolve("committed"));
    expect(acts(ended.effects)).toEqual(["persist COMPLETED"]);
    expect([heuristicOf(ended.transaction), isFinished(ended.transaction)]).toEqual(["MIXED", true]);
    const before = run(committing(), ack("a", "committed"), resolve("committed"), ack("b", "lost", reason));
    expect(acts(before.effects)).toEqual(["record COMPLETED"]);
    expect([heuristicOf(before.transaction), isFinished(before.transaction)]).toEqual(["MIXED", true]);
  });

  test("of the lone participant leaves the outcome open, until it has committed or an operator ends it", () => {
    const pending = run(begun(["a"]), ack("a", "lost", reason));
    expect(acts(pending.effects)).toEqual(["persist PREPARING"]);
    expect([pending.transaction.outcome, heuristicOf(pending.transaction)]).toEqual([undefined, "MIXED"]);
    expect(isInDoubtSomewhere(pending.transaction)).toBe(true);
    expect(shown(run(pending, { type: "retry", ...later }).effects)).toEqual(["send a prepare one-phase"]);
    const mended = run(pending, ack("a", "committed"));
    expect(acts(mended.effects)).toEqual(["reply decided", "record COMPLETED"]);
    expect(part(mended, "a")?.lost).toBeUndefined();
    expect(heuristicOf(mended.transaction)).toBeUndefined();
    for (const outcome of ["committed", "aborted"] as const) {
      const ended = run(pending, resolve(outcome));
      expect(acts(ended.effects)).toEqual(["persist COMPLETED", "reply decided"]);
      // Nobody has acknowledged either.
      expect([heuristicOf(ended.transaction), isFinished(ended.transaction)]).toEqual(["MIXED", true]);
      expect(isInDoubtSomewhere(ended.transaction)).toBe(false);
    }
  });

  test("is no promise that nobody could have made: who has not been asked leaves nothing in doubt", () => {
    const waiting = begun(["a", "b"], { missing: ["a", "b"], waitMs: 5_000 }).transaction;
    expect(isInDoubtSomewhere(waiting)).toBe(false);
    expect(isInDoubtSomewhere(begun(["a", "b"]).transaction)).toBe(true);
  });

  test("of what is not decided is refused, of what is aborted an acknowledgement like any other", () => {
    expect(shown(run(begun(["a", "b"]), ack("a", "lost", reason)).effects)).toEqual(["refuse: the outcome is not decided"]);
    expect(part(run(aborting(), ack("a", "lost", reason)), "a")).toMatchObject({
      acknowledgedOutcome: "aborted",
      lost: undefined,
    });
  });
});

// Not in the spec: an operator's word breaks Agreement if it is wrong.
describe("a resolution", () => {
  const ended = () => run(committing(), ack("a", "committed"), disconnected("b"), resolve("committed"));

  test("of a decision waits for nobody any more, but never changes it", () => {
    expect(acts(ended().effects)).toEqual(["persist COMPLETED"]);
    expect(ended().transaction).toMatchObject({ phase: "COMPLETED", outcome: "committed", completedAtMs: later.nowMs });
    expect([heuristicOf(ended().transaction), isFinished(ended().transaction)]).toEqual(["UNCONFIRMED", false]);
    expect(acts(run(committing(), resolve("committed")).effects)).toEqual([
      "persist COMPLETED",
      "send a committed",
      "send b committed",
    ]);
    expect(shown(run(committing(), resolve("aborted")).effects)).toEqual([
      "refuse: it is COMMITTING as COMMITTED: it cannot be resolved as ABORTED",
    ]);
  });

  test("is told to whoever comes back, without resends", () => {
    const back = run(ended(), connected("b"));
    expect(shown(back.effects)).toEqual(["send b committed"]);
    expect(shown(run(ended(), connected("b", true)).effects)).toEqual(["send b committed"]);
  });

  test("is confirmed by the acknowledgement, or contradicted by it", () => {
    const confirmed = run(ended(), ack("b", "committed"));
    expect(acts(confirmed.effects)).toEqual(["record COMPLETED"]);
    expect([heuristicOf(confirmed.transaction), isFinished(confirmed.transaction)]).toEqual(["CONFIRMED", true]);
    const mixed = run(ended(), ack("b", "aborted"));
    expect(acts(mixed.effects)).toEqual(["record COMPLETED"]);
    expect([heuristicOf(mixed.transaction), part(mixed, "b")?.acknowledgedOutcome]).toEqual(["MIXED", "aborted"]);
    expect(heuristicOf(run(mixed, ack("b", "aborted")).transaction)).toBe("MIXED");
    expect(heuristicOf(committing().transaction)).toBeUndefined();
  });

  test("guesses for the lone participant, and asks it how it decided when it comes back", () => {
    for (const outcome of ["committed", "aborted"] as const) {
      const guessed = run(begun(["a"]), disconnected("a"), resolve(outcome));
      expect(acts(guessed.effects)).toEqual(["persist COMPLETED", "reply decided"]);
      const delegated = begun(["a"]).effects.find((effect) => effect.type === "persist");
      if (delegated?.type !== "persist") throw new Error("it was not delegated");
      // As the next coordinator finds it: nothing tells whether it was asked.
      const afterwards = run({ transaction: delegated.transaction, effects: [] }, disconnected("a"), resolve(outcome));
      expect([heuristicOf(afterwards.transaction), isFinished(afterwards.transaction)]).toEqual(["UNCONFIRMED", false]);
      const asked = run(guessed, connected("a"));
      expect(acts(asked.effects)).toEqual(["send a prepare one-phase"]);
      // If it never heard of the work, it shall not begin, whatever the time is where it is asked.
      expect(asked.effects.find(({ type }) => type === "send")).toMatchObject({ message: { deadlineMs: 0 } });
      expect(heuristicOf(run(asked, ack("a", "committed")).transaction)).toBe(outcome === "committed" ? "CONFIRMED" : "MIXED");
      const lost = run(asked, ack("a", "lost", "gone"));
      expect([heuristicOf(lost.transaction), part(lost, "a")?.acknowledgedOutcome]).toEqual(["MIXED", undefined]);
      expect(run(lost, connected("a")).effects).toEqual([]);
    }
    expect(run(begun(["a"]), resolve("aborted")).transaction.abortReason).toBe('resolved by "ada": the disk is lost');
  });

  test("is refused while the coordinator can still decide, and after the end", () => {
    expect(shown(run(begun(["a", "b"]), resolve("aborted")).effects)[0]).toMatch("it is PREPARING");
    const over = run(committing(), ack("a", "committed"), ack("b", "committed"));
    expect(shown(run(over, resolve("committed")).effects)[0]).toMatch(/it ended by itself as \w+: there is nothing to resolve/);
    expect(shown(run(aborting(), ack("a", "aborted"), ack("b", "aborted"), resolve("aborted")).effects)).toEqual([
      "refuse: it ended by itself as ABORTED: there is nothing to resolve",
    ]);
    expect(run(ended(), resolve("committed")).effects).toEqual([]);
    expect(shown(run(ended(), resolve("aborted")).effects)[0]).toMatch("it was resolved as COMMITTED");
  });

  test("of an abort ends with a late no, too", () => {
    const guessed = run(aborting(), ack("a", "aborted"), disconnected("b"), resolve("aborted"));
    expect(guessed.transaction.abortReason).toMatch("did not vote");
    const refused = run(guessed, vote("b", "abort"));
    expect([acts(refused.effects), isFinished(refused.transaction)]).toEqual([["record COMPLETED"], true]);
  });

  test("is taken over, and resumed, until it is confirmed", () => {
    const nobody = new Set<ParticipantId>();
    const taken = takeOver(ended().transaction, { coordinatorEpoch: 2, connected: new Set([id("b")]) }, later);
    expect(acts(taken.effects)).toEqual(["send b committed"]);
    expect(resume(ended().transaction, { coordinatorEpoch: 1, connected: nobody }, later).effects).toEqual([]);
    const over = run(ended(), ack("b", "committed")).transaction;
    expect(() => resume(over, { coordinatorEpoch: 1, connected: nobody }, later)).toThrow("TakeOver");
    expect([finishedAtMs(ended().transaction), finishedAtMs(over)]).toEqual([undefined, later.nowMs]);
    // Its retention starts with the last word, not with the operator's.
    const latest = run(ended(), { ...ack("b", "committed"), nowMs: later.nowMs + 7 }).transaction;
    expect([latest.completedAtMs, finishedAtMs(latest)]).toEqual([later.nowMs, later.nowMs + 7]);
  });

  // specs/TwoPhaseCommit.tla: ForgetSafe
  test("may be forgotten only when no answer is lost with it", () => {
    const day = 24 * 3_600_000;
    const over = run(committing(), ack("a", "committed"), ack("b", "committed")).transaction;
    const asked = { ...over, request: { id: "r" as RequestId, digest: "" } };
    const unsure = run(begun(["a"]), disconnected("a"), resolve("aborted")).transaction;
    expect(whyKept(committing().transaction, 0)).toBe("it is COMMITTING as COMMITTED: it is not completed");
    expect(whyKept(over, later.nowMs)).toBeUndefined();
    expect(whyKept(unsure, later.nowMs)).toBeUndefined();
    expect(whyKept(ended().transaction, later.nowMs)).toBe('participant "b" would be told that it aborted');
    expect([whyKept(asked, later.nowMs) !== undefined, whyKept(asked, later.nowMs + 2 * day)]).toEqual([true, undefined]);
    const lately = { ...asked, completedAtMs: 1_700_000_000_000 };
    expect([0, day, day + day / 24 - 1].map((ms) => whyKept(lately, lately.completedAtMs + ms) !== undefined)).toEqual([
      true,
      true,
      true,
    ]);
    expect(whyKept(lately, lately.completedAtMs + day + day / 24)).toBeUndefined();
  });
});

test("a pause doubles up to its cap, and half of it is jitter", () => {
  const backoff = { firstMs: 100, maxMs: 1_000 };
  expect([1, 2, 3, 4, 5, 1_000].map((attempt) => backoffMs(backoff, attempt, 0))).toEqual([50, 100, 200, 400, 500, 500]);
  expect(backoffMs(backoff, 1, 0.999)).toBe(100);
});
