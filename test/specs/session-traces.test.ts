// What happens around the cores, held against specs/Sessions.tla line by line. `node scripts/verify-code.ts --part traces` does more of it.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTlc, type Tlc, Unavailable } from "../../scripts/verify/tlc.ts";
import { checkSessionTraces, rejectionText } from "../../scripts/verify/traces/sessions/check.ts";
import { chosenEvents } from "../../scripts/verify/traces/sessions/chosen.ts";
import { recordSessions } from "../../scripts/verify/traces/sessions/collect.ts";
import { corruptions, corruptSessions } from "../../scripts/verify/traces/sessions/corrupt.ts";
import { mergeSessions, type Recorded } from "../../scripts/verify/traces/sessions/merge.ts";
import type { Step } from "../../scripts/verify/traces/sessions/steps.ts";
import type { TraceEvent } from "../../src/commit/core/trace.ts";
import { id, tx } from "../unit/commit/support.ts";

const root = join(import.meta.dirname, "../..");
const tlc = await findTlc(join(root, ".cache", "tlc")).catch((error: unknown): Unavailable => {
  if (error instanceof Unavailable) return error;
  throw error;
});
const missing = tlc instanceof Unavailable ? tlc.message : undefined;
if (missing !== undefined) console.warn(`\nSKIPPED: traces of sessions are NOT checked: ${missing}\n`);

const checkSecondsMax = 240;
/** Of which one has what the others lack: a record that is taken up. */
const seeds = [1, 2, 4, 7, 65];

const claim = (epoch: number): TraceEvent => ({ action: "Claim", epoch, coordinatorId: "c", claim: `claim ${epoch}` });
const stream = (action: "OpenSession" | "Welcome", epoch: number, session: number): TraceEvent => ({
  ...{ action, epoch, participant: id("a"), instance: "a1", session },
});
const link = { coordinatorId: "c", epoch: 1, session: 1, participant: id("a"), instance: "a1" };
const state = { phase: "preparing", yes: [id("a")], ro: [], acks: [], lost: [] };
const begin: TraceEvent = { action: "Begin", epoch: 1, transaction: tx("t"), participants: [id("a")], state };
const start = (instance: string): TraceEvent => ({ action: "Start", participant: id("a"), instance });
const promised: TraceEvent = {
  ...{ action: "RecvPrepare", participant: id("a"), instance: "a1" },
  ...{ transaction: tx("t"), state: "prepared" },
};

/** `ForceCommit 2 t1`, `Admit p1 3 2` */
const shown = (step: Step): string =>
  Object.values(step)
    .filter((value) => typeof value !== "object")
    .join(" ");

const merged = (...events: readonly Recorded[]): readonly string[] => mergeSessions("", events).trace.steps.slice(1).map(shown);

describe("what happens around the cores is merged", () => {
  it("with runs and sessions from 2 on, and what a participant has of others left out", () => {
    const other = { ...link, coordinatorId: "another", action: "Admit", claim: "x" } as const;
    expect(
      merged(claim(7), stream("OpenSession", 7, 4), stream("Welcome", 7, 4), other, {
        ...{ ...link, epoch: 7, session: 4, action: "Admit", claim: "claim 7" },
      }),
    ).toEqual(["Claim 2 2", "OpenSession 2 p1 2", "Welcome 2 p1 2", "Admit p1 2 2 2"]);
  });

  it("with the writes of those who died before they could say so, before the next claim", () => {
    const found = { ...begin, action: "TakeOver", epoch: 3, state: { ...state, phase: "committing" } } as TraceEvent;
    expect(merged(claim(1), stream("OpenSession", 1, 1), begin, claim(3), stream("OpenSession", 3, 3), found)).toEqual([
      "Claim 2 2",
      "OpenSession 2 p1 2",
      "Begin 2 t1",
      "Claim 3 3",
      "OpenSession 3 p1 3",
      "ForceCommit 2 t1",
      "Claim 4 4",
      "OpenSession 4 p1 4",
      "TakeUp 4 t1",
    ]);
  });

  it("with a vote where it goes out; else, and if it is found after a crash, in the session in which it was asked for", () => {
    const heard: TraceEvent = { ...link, action: "HearPrepare", transaction: tx("t") };
    const said: TraceEvent = { ...link, session: 2, action: "SayVote", transaction: tx("t"), value: "commit" };
    const found: TraceEvent = { ...promised, action: "PartRecover", instance: "a2" };
    const before = [claim(1), begin, start("a1"), heard];
    const lines = ["Claim 2 2", "Begin 2 t1"];
    expect(merged(...before, promised, said)).toEqual([...lines, "RecvPrepare p1 3 t1 yes"]);
    expect(merged(...before, promised)).toEqual([...lines, "RecvPrepare p1 2 t1 yes"]);
    expect(merged(...before, start("a2"), found)).toEqual([
      ...lines,
      "RecvPrepare p1 2 t1 yes",
      "PartCrash p1",
      "PartRecover p1 t1",
    ]);
  });

  it("where a write became durable, not where it was told, if the log was watched; and told of who wrote it", () => {
    const claimed = { action: "claimed", by: "c1", epoch: 1, claim: "claim 1" } as const;
    const taken = { ...claimed, by: "c2", epoch: 2, claim: "claim 2" } as const;
    const numbered = { action: "numbered", by: "c1", participant: "a", session: 1 } as const;
    expect(merged(claimed, numbered, taken, claim(1), stream("OpenSession", 1, 1), stream("Welcome", 1, 1))).toEqual([
      "Claim 2 2",
      "OpenSession 2 p1 2",
      "Claim 3 3",
      "Welcome 2 p1 2",
    ]);
  });

  it("but for what Sessions does not know, for a reason that is told", () => {
    const aborted: TraceEvent = { ...begin, action: "TimeoutAbort", state: { ...state, phase: "aborting" } } as TraceEvent;
    const { trace, leftOut } = mergeSessions("", [claim(1), begin, aborted]);
    expect(trace.steps.map(({ action }) => action)).toEqual(["World", "Claim"]);
    expect(leftOut).toEqual(new Map([["aborted by their coordinator", 1]]));
  });

  it("of so many transactions as are chosen: of those that most processes had to do with", () => {
    const other = { ...begin, transaction: tx("u") } as TraceEvent;
    const took = { ...other, action: "TakeOver", epoch: 2 } as TraceEvent;
    expect(chosenEvents([claim(1), begin, other, took], 1)).toEqual([claim(1), other, took]);
  });
});

describe("traces of sessions", () => {
  it.skipIf(missing !== undefined)(
    "are behaviours of the spec, and corrupted ones are rejected at their line",
    async () => {
      const traces = (await recordSessions(seeds)).map(({ trace }) => trace);
      const corrupted = corruptSessions(traces, 1);
      expect(corrupted.map(({ kind }) => kind)).toEqual(corruptions.map(({ kind }) => kind));
      const rejected = await checkSessionTraces(tlc as Tlc, [...traces, ...corrupted]);
      const lines = new Map(rejected.map(({ trace, line }) => [trace, line]));
      expect(rejected.filter(({ trace }) => traces.some((each) => each === trace)).map(rejectionText)).toEqual([]);
      expect(corrupted.map((trace) => [trace.kind, lines.get(trace)])).toEqual(corrupted.map(({ kind, line }) => [kind, line]));
    },
    checkSecondsMax * 1000,
  );

  if (missing !== undefined && process.env["CI"] === "true") {
    it("have what they need", () => expect.fail(`traces cannot be checked: ${missing}`));
  }
});
