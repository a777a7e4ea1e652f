import { describe, expect, test } from "vitest";
import { Away, Broken, NotTried } from "../../../../src/cli/participant-check/broken.ts";
import type { Play } from "../../../../src/cli/participant-check/play.ts";
import { countsLine, countsOf, reportJson, verdictLines } from "../../../../src/cli/participant-check/report.ts";
import type { Need, Rule, Verdict } from "../../../../src/cli/participant-check/rule.ts";
import { rules as allRules } from "../../../../src/cli/participant-check/rules.ts";
import { runRules } from "../../../../src/cli/participant-check/run.ts";

const rule = (id: string, run: () => void = () => {}, more: Partial<Rule> = {}): Rule => ({
  id,
  says: `says ${id}`,
  where: "Hello",
  run: async () => run(),
  ...more,
});

const fails = (error: Error) => (): never => {
  throw error;
};

const broken = fails(new Broken("a dog", "a cat"));

/** What was asked of the participant, and the verdicts in short. */
async function run(rules: readonly Rule[], has: readonly Need[] = ["start"], restart: () => void = () => {}) {
  const asked: string[] = [];
  const play = {
    part: () => asked.push("part"),
    settle: async () => void asked.push("settle"),
    restart: async () => {
      asked.push("restart");
      restart();
    },
  } as unknown as Play;
  const told: string[] = [];
  const verdicts = await runRules({ rules, play, has: new Set(has), onVerdict: ({ id }) => told.push(id) });
  expect(told).toEqual(rules.map(({ id }) => id));
  return {
    asked,
    verdicts,
    short: verdicts.map((each) => ("why" in each ? `${each.id}: ${each.why}` : `${each.id} ${each.verdict}`)),
  };
}

describe("the rules", () => {
  test("are many, each with an id of its own, a sentence and a place", () => {
    expect(allRules.length).toBeGreaterThanOrEqual(25);
    expect(new Set(allRules.map(({ id }) => id)).size).toBe(allRules.length);
    for (const { id, says, where } of allRules) {
      expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(says, id).toMatch(/(\.|…)$/);
      expect(where, id).not.toBe("");
    }
  });

  test("that look back come last, behind those that send the participant away", () => {
    const kinds = allRules.map(({ observes, sendsAway }) => (observes ? "observes" : sendsAway ? "sends away" : "asks"));
    expect(kinds.filter((kind, index) => kind !== kinds[index - 1])).toEqual(["asks", "sends away", "observes"]);
  });
});

describe("a run", () => {
  test("ends what a kept rule has left, and goes on with the same participant", async () => {
    const { asked, short } = await run([rule("a"), rule("b")]);
    expect(short).toEqual(["a passed", "b passed"]);
    expect(asked).toEqual(["settle", "settle"]);
  });

  test("begins anew behind a broken rule, so that the next is judged by itself", async () => {
    const { asked, verdicts } = await run([rule("a", broken), rule("b")]);
    expect(verdicts).toMatchObject([{ verdict: "failed", seen: "a dog", right: "a cat" }, { verdict: "passed" }]);
    expect(asked).toEqual(["part", "settle", "restart", "settle"]);
    expect((await run([rule("a", broken), rule("b")], [])).asked).toEqual(["part", "settle", "settle"]);
  });

  test("says what is missing for what it does not try", async () => {
    const needs = [rule("a", broken, { needs: ["start"] }), rule("b", broken, { needs: ["abort-payload"] })];
    const { short, asked } = await run(needs, []);
    expect(short).toEqual([
      "a: needs --start, so that the check can kill the participant and start it",
      "b: needs --abort-payload, work that it refuses",
    ]);
    expect(asked).toEqual([]);
    expect((await run([rule("a", fails(new NotTried("it voted no")))])).short).toEqual(["a: it voted no"]);
  });

  test("brings back whom a rule sends away, or tries nothing more but what looks back", async () => {
    const rules = [rule("a", undefined, { sendsAway: true }), rule("b"), rule("c", undefined, { observes: true })];
    expect(await run(rules)).toMatchObject({
      short: ["a passed", "b passed", "c passed"],
      asked: ["settle", "restart", "settle"],
    });
    const left = await run(rules, []);
    expect(left.short).toEqual(["a passed", "b: the participant stays away (a); --start would bring it back", "c passed"]);
  });

  test("gives up when the participant does not come back", async () => {
    const away = rule("a", fails(new Away("no Hello", "that it connects")));
    expect((await run([away, rule("b"), rule("c")], [])).short).toEqual([
      "a failed",
      "b: the participant did not come back (a)",
      "c: the participant did not come back (a)",
    ]);
    expect((await run([away, away, rule("c")])).short.at(-1)).toBe("c: the participant did not come back (a)");
    expect((await run([away, rule("b"), away, rule("c")])).short.at(-1)).toBe("c passed");
    const { short } = await run([rule("a", broken), rule("b")], ["start"], fails(new Away("a stream that goes on", "its end")));
    expect(short).toEqual(["a failed", "b: the participant cannot be started again: a stream that goes on"]);
  });

  test("ends with a defect of its own, which is no verdict", async () => {
    await expect(run([rule("a", fails(new Error("a defect")))])).rejects.toThrow("a defect");
  });
});

describe("the report", () => {
  const about = { id: "hello-first", says: "It says Hello.", where: "Hello" };
  const verdicts: readonly Verdict[] = [
    { ...about, verdict: "passed" },
    { ...about, verdict: "failed", seen: "Vote ABORT (\u001b[31m\nred)", right: "Hello" },
    { ...about, verdict: "not-tried", why: "needs --start" },
  ];

  test("has a line a rule for people, and more where there is something to do", () => {
    expect(verdicts.flatMap(verdictLines)).toEqual([
      "passed     hello-first                         Hello",
      "FAILED     hello-first                         Hello",
      "           It says Hello.",
      "           seen:  Vote ABORT (\\u001b[31m\\nred)",
      "           right: Hello",
      "not tried  hello-first                         Hello",
      "           needs --start",
    ]);
    expect(countsLine(countsOf(verdicts))).toBe("1 passed, 1 failed, 1 not tried");
  });

  test("has its columns also behind the longest id", () => {
    for (const { id, says, where } of allRules) {
      expect(verdictLines({ id, says, where, verdict: "passed" })[0]).toMatch(/^passed {5}\S+ +\S/);
    }
  });

  test("is one line for programs", () => {
    const text = reportJson("x", verdicts);
    expect(text).not.toContain("\n");
    expect(JSON.parse(text)).toEqual({ participantId: "x", passed: 1, failed: 1, notTried: 1, rules: verdicts });
  });
});
