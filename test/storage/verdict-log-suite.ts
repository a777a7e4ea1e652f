import { afterEach, describe, expect, test } from "vitest";
import type { RuleId, WorkflowId } from "../../src/kernel/ids.ts";
import { ok } from "../../src/kernel/result.ts";
import type { VerdictLog, WantedVerdicts } from "../../src/predicate/ports.ts";
import { checkOf, sampleCheck } from "../support/rule-values.ts";
import { allowed, anyVerdict, checkOfWorkflow, denied, recordAt, violationOf } from "../support/verdict-values.ts";

/** What every verdict log must do. `open` gives a new, empty log. */
export function verdictLogSuite(name: string, open: () => Promise<VerdictLog>): void {
  const opened: VerdictLog[] = [];
  async function logWith(...records: readonly ReturnType<typeof recordAt>[]): Promise<VerdictLog> {
    const log = await open();
    opened.push(log);
    expect(await log.append(records)).toEqual(ok(undefined));
    return log;
  }
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
  });

  const sequences = async (log: VerdictLog, wanted: Partial<WantedVerdicts> = {}, beforeSequence?: number, limit = 100) =>
    (await log.list({ beforeSequence, limit, wanted: { ...anyVerdict, ...wanted } })).rows.map(({ sequence }) => sequence);

  describe(`verdict log: ${name}`, () => {
    test("what is appended is read as it was, newest first", async () => {
      const shadows = [
        { ruleId: "new" as RuleId, shadowVersion: 3, activeVersion: undefined, violation: violationOf("new") },
        { ruleId: "old" as RuleId, shadowVersion: 3, activeVersion: 2, violation: undefined },
      ];
      const unlike = checkOf({ lastEvent: undefined, workflow: { previousState: undefined, type: "" } });
      const records = [
        recordAt(1, denied(violationOf("cold"), violationOf("qc", "läuft ab 🧊"))),
        recordAt(
          2,
          allowed({ warnings: [violationOf("late")], audits: [violationOf("seen")], shadows, shadowsNotJudged: 2 }),
          unlike,
          true,
        ),
        recordAt(3, { type: "invalid-transition", ruleSetRevision: 4, allowedStates: ["ACTIVE"] }, sampleCheck, true),
      ];
      const log = await logWith(...records);
      const { rows, upTo } = await log.list({ beforeSequence: undefined, limit: 9, wanted: anyVerdict });
      expect(rows).toStrictEqual(records.map((record, index) => ({ ...record, sequence: index + 1 })).toReversed());
      expect(upTo).toBeUndefined();
    });

    test("a page goes on before the sequence at which the last one has ended", async () => {
      const log = await logWith(recordAt(1), recordAt(2), recordAt(3));
      const page = await log.list({ beforeSequence: undefined, limit: 2, wanted: anyVerdict });
      expect([page.rows.map(({ sequence }) => sequence), page.upTo]).toEqual([[3, 2], 2]);
      expect(await sequences(log, {}, 2)).toEqual([1]);
      expect(await sequences(log, {}, 1)).toEqual([]);
    });

    test("what is known of the wanted ones leaves the others out", async () => {
      const log = await logWith(
        recordAt(10, denied(violationOf("cold")), checkOfWorkflow("a")),
        recordAt(20, allowed({ warnings: [violationOf("late")] }), checkOfWorkflow("b")),
        recordAt(
          30,
          denied(violationOf("cold"), violationOf("qc")),
          checkOf({ requestedBy: "kurt", authenticatedAs: "k", targetState: "PAUSED" }),
        ),
      );
      expect(await sequences(log, { workflowId: "a" as WorkflowId })).toEqual([1]);
      expect(await sequences(log, { ruleId: "cold" as RuleId })).toEqual([3, 1]);
      expect(await sequences(log, { ruleId: "late" as RuleId })).toEqual([2]);
      expect(await sequences(log, { ruleId: "col" as RuleId })).toEqual([]);
      const within = (ranges: WantedVerdicts["ranges"]) => sequences(log, { ranges });
      expect(await within({ workflowId: { oneOf: ["b"] } })).toEqual([2]);
      expect(await within({ workflowId: { min: "a", max: "b" } })).toEqual([2, 1]);
      expect(await within({ judgement: { oneOf: ["RULE_DENIED"] } })).toEqual([3, 1]);
      expect(await within({ judgedAtMs: { min: 20 } })).toEqual([3, 2]);
      expect(await within({ sequence: { min: 2, max: 2 } })).toEqual([2]);
      expect(await within({ sequence: { oneOf: [1, 3] } })).toEqual([3, 1]);
      expect(await within({ ruleSetRevision: { max: 3 } })).toEqual([]);
      expect(await within({ requestedBy: { oneOf: ["kurt"] } })).toEqual([3]);
      expect(await within({ toState: { oneOf: ["PAUSED"] }, fromState: { oneOf: ["ACTIVE"] } })).toEqual([3]);
      expect(await within({ workflowType: { oneOf: ["other"] } })).toEqual([]);
      // Nothing is looked at for what cannot be.
      for (const ranges of [{ requestedBy: { oneOf: [] } }, { sequence: { min: 3, max: 2 } }])
        expect(await log.list({ beforeSequence: undefined, limit: 9, wanted: { ...anyVerdict, ranges } })).toEqual({
          rows: [],
          upTo: undefined,
          looked: 0,
        });
      expect(await within({ authenticatedAs: { oneOf: ["k"] } })).toEqual([3]);
      expect(await within({ authenticatedAs: { oneOf: [""] } })).toEqual([2, 1]);
      const kurts = { requestedBy: { oneOf: ["kurt"] } };
      expect(await sequences(log, { ruleId: "cold" as RuleId, ranges: kurts })).toEqual([3]);
      expect(await sequences(log, { ruleId: "late" as RuleId, ranges: kurts })).toEqual([]);
      // What the request names and what its filter says are both true of what is wanted.
      expect(await sequences(log, { workflowId: "a" as WorkflowId, ranges: { workflowId: { oneOf: ["b"] } } })).toEqual([]);
    });

    test("the oldest go first, those of an age only, and no sequence comes again", async () => {
      const log = await logWith(recordAt(1), recordAt(2), recordAt(3), recordAt(4));
      expect(await log.drop({ olderThanMs: 3, limit: 1 })).toEqual(ok(1));
      expect(await sequences(log)).toEqual([4, 3, 2]);
      expect(await log.drop({ olderThanMs: 3, limit: 9 })).toEqual(ok(1));
      expect(await sequences(log)).toEqual([4, 3]);
      expect(await log.drop({ olderThanMs: undefined, limit: 1 })).toEqual(ok(1));
      expect(await sequences(log)).toEqual([4]);
      expect(await log.drop({ olderThanMs: undefined, limit: 9 })).toEqual(ok(1));
      expect(await log.append([recordAt(5)])).toEqual(ok(undefined));
      expect(await sequences(log)).toEqual([5]);
    });

    test("what is dropped makes room", async () => {
      const log = await logWith(...Array.from({ length: 200 }, () => recordAt(1, denied(violationOf("cold", "x".repeat(2000))))));
      const full = log.usedBytes();
      expect(full).toBeGreaterThan(400_000);
      await log.drop({ olderThanMs: undefined, limit: 150 });
      expect(log.usedBytes()).toBeLessThan(full / 2);
    });
  });
}
