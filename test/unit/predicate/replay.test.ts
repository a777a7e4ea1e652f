import { describe, expect, test } from "vitest";
import { err, ok } from "../../../src/kernel/result.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import type { RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Evaluator } from "../../../src/predicate/ports.ts";
import { type Replay, replay } from "../../../src/predicate/replay.ts";
import { createMemoryVerdictLog } from "../../../src/storage/memory/verdict-log.ts";
import { checkOf, ruleOf, ruleSetOf, type sampleCheck, simpleEvaluator } from "../../support/rule-values.ts";
import { anyVerdict, recordAt } from "../../support/verdict-values.ts";
import { collect, handTurned } from "../commit/support.ts";

const cold = ruleOf({ id: "cold", expression: "workflow.metadata.temperature < 8" });
const colder = ruleOf({ id: "cold", version: 2, expression: "workflow.metadata.temperature < 7" });
const [before, after] = [ruleSetOf(1, cold), ruleSetOf(2, colder)];
const at = (temperature: number) => checkOf({ workflow: { metadata: { temperature } } });

async function logOf(ruleSet: RuleSet, checks: readonly (typeof sampleCheck)[], keepInput = true) {
  const log = createMemoryVerdictLog();
  await log.append(
    checks.map((check, index) => {
      const verdict = judge(ruleSet, check);
      if (verdict.type === "deferred") throw new Error("judge puts nothing off");
      return recordAt(index, verdict, check, keepInput);
    }),
  );
  return log;
}

function run(
  log: Awaited<ReturnType<typeof logOf>>,
  changes: Partial<Replay> = {},
  { evaluator = simpleEvaluator, monotonicMs = () => 0 }: { evaluator?: Evaluator; monotonicMs?: () => number } = {},
) {
  const { signal } = new AbortController();
  const asked = { wanted: anyVerdict, matches: undefined, ruleSet: after, limit: undefined, caller: "c", signal };
  return replay({ log, evaluator, monotonicMs }, { ...asked, breathe: () => undefined, ...changes });
}

describe("a replay", () => {
  test("tells each verdict that would be another, newest first, and how many there were", async () => {
    const log = await logOf(before, [at(7.5), at(6), at(9), at(7.2)]);
    expect(await collect(run(log))).toMatchObject([
      {
        type: "difference",
        record: { sequence: 4, verdict: { type: "allowed" } },
        verdict: { type: "rule-denied", ruleSetRevision: 2 },
      },
      { type: "difference", record: { sequence: 1 }, verdict: { violations: [{ ruleId: "cold", ruleVersion: 2 }] } },
      { type: "progress", ruleSetRevision: 2, judged: 4, skipped: 0, different: 2, complete: true },
    ]);
  });

  test("under the rule set that has judged finds no difference, for the same question has the same verdict", async () => {
    const log = await logOf(before, [at(7.5), at(6), at(9), checkOf({ targetState: "CREATED" })]);
    expect(await collect(run(log, { ruleSet: before }))).toEqual([
      { type: "progress", ruleSetRevision: 1, judged: 4, skipped: 0, different: 0, complete: true },
    ]);
  });

  test("counts what has no question, and looks at what is wanted only", async () => {
    const log = await logOf(before, [at(7.5), at(7.5)], false);
    expect(await collect(run(log))).toMatchObject([{ judged: 0, skipped: 2, different: 0, complete: true }]);
    const matches = ({ sequence }: { readonly sequence: number }) => sequence === 1;
    expect(await collect(run(log, { matches }))).toMatchObject([{ skipped: 1 }]);
    const wanted = { ...anyVerdict, ranges: { sequence: { min: 3 } } };
    expect(await collect(run(log, { wanted }))).toMatchObject([{ skipped: 0 }]);
  });

  test("takes its turn before it reads, and before each record that it judges", async () => {
    const log = await logOf(before, [at(7.5), at(7.5)]);
    const hand = handTurned();
    const told: string[] = [];
    const replayed = (async () => {
      for await (const { type } of run(log, { breathe: hand.turns() })) told.push(type);
    })();
    const seen: number[] = [];
    for (let turns = 0; turns < 3; turns += 1) {
      seen.push(told.length);
      await hand.turn();
    }
    await replayed;
    expect([seen, told]).toEqual([
      [0, 0, 1],
      ["difference", "difference", "progress"],
    ]);
  });

  test("judges no more than it shall", async () => {
    const log = await logOf(before, [at(7.5), at(7.5), at(7.5)]);
    expect((await collect(run(log, { limit: 2 }))).at(-1)).toMatchObject({ judged: 2, different: 2, complete: true });
  });

  test("goes through more than one stretch, and tells each second how far it has come", async () => {
    const log = await logOf(
      before,
      Array.from({ length: 300 }, () => at(6)),
    );
    let nowMs = 0;
    const monotonicMs = () => (nowMs += 4);
    const messages = await collect(run(log, {}, { monotonicMs }));
    expect(messages.length).toBeGreaterThan(1);
    expect(messages[0]).toMatchObject({ type: "progress", complete: false });
    expect(messages.at(-1)).toMatchObject({ judged: 300, complete: true });
  });

  test("ends where there is no verdict", async () => {
    const log = await logOf(before, [at(7.5)]);
    const failure = { type: "overloaded", what: "checks", limit: 1 } as const;
    const evaluator = { ...simpleEvaluator, judge: async () => err(failure) };
    expect(await collect(run(log, {}, { evaluator }))).toEqual([{ type: "failed", failure }]);
    const deferring = { ...simpleEvaluator, judge: async () => ok([{ type: "deferred", ruleSetRevision: 2 } as const]) };
    expect(await collect(run(log, {}, { evaluator: deferring }))).toMatchObject([{ judged: 1, different: 0 }]);
  });

  test("ends with its caller", async () => {
    const log = await logOf(before, [at(7.5), at(7.5)]);
    const controller = new AbortController();
    const breathe = () => {
      controller.signal.throwIfAborted();
      return undefined;
    };
    const messages = run(log, { breathe, signal: controller.signal });
    await messages.next();
    controller.abort(new Error("the caller has left"));
    await expect(messages.next()).rejects.toThrow("the caller has left");
  });
});
