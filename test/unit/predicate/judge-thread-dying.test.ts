import type { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { startJudgeThread } from "../../../src/predicate/judge-thread.ts";
import { ruleOf, ruleSetOf, sampleCheck } from "../../support/rule-values.ts";
import { ScriptedWorker } from "../../support/scripted-worker.ts";

const set = ruleSetOf(1, ruleOf({ id: "r", expression: "true" }));

function started() {
  const worker = new ScriptedWorker();
  const thread = startJudgeThread(() => worker as unknown as Worker);
  return { thread, worker };
}

test.each([
  [new Error("out of memory"), "the thread died: out of memory"],
  ["out of memory", "the thread died: out of memory"],
])("what a thread that dies was asked is ended, and so is what it is asked later: %s", async (thrown, cause) => {
  const { thread, worker } = started();
  const asked = thread.judge(set, sampleCheck);
  worker.die(thrown);
  const ended = { type: "ended", rule: -1, cause };
  expect([await asked, thread.alive, await thread.judge(set, sampleCheck)]).toEqual([ended, false, ended]);
  expect(worker.asked).toEqual(["rule-set", "judge"]);
});

test("one that is ended says so, and one that stops is there for the next check", async () => {
  const { thread, worker } = started();
  const first = thread.judge(set, sampleCheck);
  thread.stop();
  worker.say({ type: "stopped" });
  const cause = "the thread was ended";
  expect([await first, thread.alive]).toEqual([{ type: "ended", rule: -1, cause }, true]);
  const second = thread.judge(set, sampleCheck);
  const judged = { type: "judged", verdict: { type: "allowed" }, cost: 1 };
  worker.say(judged);
  expect(await second).toEqual(judged);
  // The rule set is there already.
  expect(worker.asked).toEqual(["rule-set", "judge", "judge"]);
  const third = thread.judge(set, sampleCheck);
  await thread.end();
  expect([await third, worker.isTerminated, thread.alive]).toEqual([{ type: "ended", rule: -1, cause }, true, false]);
});
