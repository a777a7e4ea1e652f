// What the code does, held against specs/TwoPhaseCommit.tla event by event. `node scripts/verify-code.ts --part traces` does more of it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";
import { actionsOf } from "../../scripts/verify/traces/actions.ts";
import { checkTraces, moduleText, rejectionText } from "../../scripts/verify/traces/check.ts";
import { collect, recordSimulations } from "../../scripts/verify/traces/collect.ts";
import { corrupt, corruptions } from "../../scripts/verify/traces/corrupt.ts";
import { mergeTraces, type Step, type Trace } from "../../scripts/verify/traces/merge.ts";
import { inOrder } from "../../scripts/verify/traces/server.ts";
import type { CoordinatorAction } from "../../src/commit/core/coordinator-step.ts";
import type { ParticipantAction } from "../../src/commit/core/participant-step.ts";
import type { TraceEvent } from "../../src/commit/core/trace.ts";
import { id, tx } from "../unit/commit/support.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const actions = actionsOf(read("specs/TwoPhaseCommit.tla"));

const tlc = await findTlc(join(root, ".cache", "tlc")).catch((error: unknown): Unavailable => {
  if (error instanceof Unavailable) return error;
  throw error;
});
const missing = tlc instanceof Unavailable ? tlc.message : undefined;
if (missing !== undefined) console.warn(`\nSKIPPED: traces are NOT checked: ${missing}\n`);

describe("the actions of specs/TwoPhaseCommit.tla", () => {
  const [, table = ""] = read("specs/README.md").split("| action of `TwoPhaseCommit` |");
  const rows = [...(table.split("\n\n")[0] ?? "").matchAll(/^\| `(\w+)` \| (.*?) \|/gm)];

  it("are all in the table of specs/README.md, and nothing else is", () => {
    expect(actions.length).toBeGreaterThan(20);
    expect(rows.map(([, action]) => action).sort()).toEqual([...actions].sort());
  });

  it("are functions of the cores, where the table names one", () => {
    const cores = read("src/commit/core/coordinator.ts") + read("src/commit/core/participant.ts");
    const named = rows.flatMap(([, , functions = ""]) => [...functions.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    expect(named.filter((name) => !new RegExp(`(function|const) ${name}\\b`).test(cores))).toEqual([]);
    expect(named.length).toBeGreaterThan(20);
  });

  it("are all steps of a trace, but for what is lost, found again, said by strangers, or said by leaving", () => {
    const traced = read("specs/TraceTwoPhaseCommit.tla");
    expect(actions.filter((action) => !traced.includes(`Is("${action}")`))).toEqual([
      "ClientLeaves",
      "LosePromise",
      "RestorePromise",
      "StrangerAnswers",
      "Lose",
    ]);
  });
});

const state = { phase: "preparing", yes: [], ro: [], acks: [], lost: [] };
const coordinator = (action: CoordinatorAction, epoch = 1, more: object = {}): TraceEvent => ({
  action,
  epoch,
  transaction: tx("t"),
  state,
  ...more,
});
const begin = coordinator("Begin", 1, { participants: [id("b"), id("a")] });
const claim = (epoch: number): TraceEvent => ({ action: "Claim", epoch, coordinatorId: "c", claim: `claim ${epoch}` });
const start = (instance: string): TraceEvent => ({ action: "Start", participant: id("a"), instance });
const welcome = (instance: string): TraceEvent => ({
  action: "Welcome",
  epoch: 1,
  participant: id("a"),
  instance,
  session: 1,
});
const participant = (action: ParticipantAction, instance: string): TraceEvent => ({
  action,
  participant: id("a"),
  instance,
  transaction: tx("t"),
  state: "prepared",
});

/** `TakeOver 2 preparing`, `RecvPrepare p2 prepared` */
const shown = ({ action, epoch, participant, phase, state: its }: Step): string =>
  [action, epoch, participant, phase, its].filter((word) => word !== undefined).join(" ");

function merged(...events: readonly TraceEvent[]): readonly string[] {
  const { traces, leftOut } = mergeTraces(events);
  return [...traces.flatMap(({ steps }) => steps.map(shown)), ...[...leftOut].map(([why, count]) => `${count} ${why}`)];
}

describe("traces are merged", () => {
  it("with the names and epochs of the spec", () => {
    const vote = { participant: id("a"), value: "yes", state: { ...state, yes: [id("a")] } };
    const [trace] = mergeTraces([claim(7), { ...begin, epoch: 7 } as TraceEvent, coordinator("RecvVote", 7, vote)]).traces;
    expect(trace).toMatchObject({ transaction: "t", participantCount: 2 });
    expect(trace?.steps[1]).toEqual({
      action: "RecvVote",
      epoch: 1,
      participant: "p2",
      value: "yes",
      phase: "preparing",
      yes: ["p2"],
      ro: [],
      acks: [],
      lost: [],
    });
  });

  it("with a take-over where the log is claimed, also by those who never say so, and the crash before it", () => {
    expect(merged(claim(1), begin, claim(3), coordinator("TakeOver", 3), coordinator("SendPrepare", 3))).toEqual([
      "Begin 1 preparing",
      "CoordCrash 1",
      "TakeOver 2",
      "CoordCrash 2",
      "TakeOver 3 preparing",
      "SendPrepare 3 preparing",
    ]);
  });

  it("with what a take-over has found, or that it has found nothing", () => {
    const recovered: TraceEvent = { action: "Recovered", epoch: 2 };
    const found = (...events: readonly TraceEvent[]) =>
      mergeTraces([begin, ...events, coordinator("SendDecision", 2)]).traces[0]?.steps[2];
    expect(found(claim(2), recovered)).toEqual({ action: "TakeOver", epoch: 2, value: "nothing" });
    expect(found(claim(2))).toEqual({ action: "TakeOver", epoch: 2 });
    expect(found(claim(2), coordinator("TakeOver", 2), recovered)).toEqual({ action: "TakeOver", epoch: 2, ...state });
  });

  it("without a crash of a coordinator that lives on, even of one that begins when it is replaced already", () => {
    expect(merged(claim(1), claim(2), begin, coordinator("SendPrepare", 1))).toEqual([
      "Begin 1 preparing",
      "TakeOver 2",
      "SendPrepare 1 preparing",
    ]);
  });

  it("with the recovery of a participant where its session begins, and what it has said before that behind it", () => {
    const said = [participant("PartRecover", "a2"), participant("Inquire", "a2")];
    expect(
      merged(welcome("a1"), begin, participant("RecvPrepare", "a1"), ...said, coordinator("RecvVote"), welcome("a2")),
    ).toEqual([
      "Begin 1 preparing",
      "RecvPrepare p2 prepared",
      "RecvVote 1 preparing",
      "PartCrash p2",
      "PartRecover p2 prepared",
      "Inquire p2 prepared",
    ]);
  });

  it("with every process between, and without a step for a session that only begins anew", () => {
    const between = participant("PartRecover", "a2");
    expect(merged(welcome("a1"), begin, welcome("a1"), between, welcome("a3"), coordinator("SendPrepare"))).toEqual([
      "Begin 1 preparing",
      "PartCrash p2",
      "PartRecover p2 prepared",
      "PartCrash p2",
      "PartRecover p2 working",
      "SendPrepare 1 preparing",
    ]);
  });

  it("without transactions that the spec does not model, which are counted", () => {
    expect(merged(begin, coordinator("Resolve"), coordinator("SendDecision"))).toEqual(["1 resolved by an operator"]);
    expect(merged(coordinator("SendDecision"))).toEqual(["1 begun before the trace"]);
    const fight = [start("a1"), start("a2"), begin, welcome("a2"), participant("RecvPrepare", "a1")];
    expect(merged(...fight)).toEqual(["1 two processes with one participant id"]);
  });

  it("never without what a process has reported", () => {
    expect(() => merged(begin, coordinator("TakeOver", 2))).toThrow("TakeOver is reported where there is none");
  });

  it("by the clock", () => {
    const stamped = (at: string, epoch: number) => ({ at, ...claim(epoch) });
    expect(inOrder([stamped("10", 2), stamped("9", 1)])).toMatchObject([claim(1), claim(2)]);
  });
});

describe("a module of traces", () => {
  const steps: readonly Step[] = [
    { action: "Begin", epoch: 1, phase: "init", yes: ["p1", "p2"], ro: [] },
    { action: "RecvPrepare", participant: "p1", state: "prepared" },
  ];
  const trace: Trace = { transaction: "t", participantCount: 2, steps };

  it("has each event once, in TLA+", () => {
    expect(moduleText([trace, { ...trace, steps: steps.toReversed() }])).toBe(`---- MODULE RecordedTraces ----
Events == <<
[action |-> "Begin", epoch |-> 1, phase |-> "init", yes |-> {"p1", "p2"}, ro |-> {}],
[action |-> "RecvPrepare", participant |-> "p1", state |-> "prepared"]
>>

Traces == <<
<<1, 2>>,
<<2, 1>>
>>
====
`);
  });

  it("is rejected with the line, and what came before it", () => {
    expect(rejectionText({ trace, line: 2 })).toBe(`t: line 2 of 2 is not a step of the spec:
          1 [action |-> "Begin", epoch |-> 1, phase |-> "init", yes |-> {"p1", "p2"}, ro |-> {}]
          2 [action |-> "RecvPrepare", participant |-> "p1", state |-> "prepared"]`);
  });
});

describe("specs/TraceTwoPhaseCommit.tla", () => {
  if (missing !== undefined && process.env["CI"] === "true") {
    it("has what it needs", () => expect.fail(`traces cannot be checked: ${missing}`));
  }

  it.skipIf(missing !== undefined)(
    "accepts what simulated worlds do, and rejects each kind of corruption at its line",
    async () => {
      const { traces: all, leftOut } = collect(await recordSimulations(80));
      expect([...leftOut.keys()].filter((why) => why !== "resolved by an operator")).toEqual([]);
      const traces = all.filter(({ participantCount }) => participantCount === 1 || participantCount === 2);
      const corrupted = corrupt(traces, 1);
      expect(new Set(corrupted.map(({ kind }) => kind))).toEqual(new Set(corruptions.map(({ kind }) => kind)));
      const rejections = await checkTraces(tlc as Tlc, [...traces, ...corrupted]);
      expect(rejections.filter(({ trace }) => traces.includes(trace)).map(rejectionText)).toEqual([]);
      const lines = new Map(rejections.map(({ trace, line }) => [trace, line]));
      expect(corrupted.map((trace) => `${trace.kind}: ${lines.get(trace)}`)).toEqual(
        corrupted.map(({ kind, line }) => `${kind}: ${line}`),
      );
    },
  );
});
