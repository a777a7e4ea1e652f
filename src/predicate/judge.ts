/** A judge's thread: one check after the other, by compiled rule sets. Started by judge-thread.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../kernel/assert.ts";
import { lastOf } from "./core/compile-rule.ts";
import { explainCheck, explainedCostMax } from "./core/explain-check.ts";
import { judge } from "./core/judge.ts";
import { checkCostMax } from "./core/limits.ts";
import { compileContents, type RuleSet } from "./core/rule-set.ts";
import { type JudgeReply, type JudgeRequest, keepRuleSet, shared } from "./judge-messages.ts";

const port = parentPort;
assert(port !== null, "a judge runs in a worker thread");
const state = new Int32Array(workerData as SharedArrayBuffer);
const ruleSets = new Map<number, RuleSet>();
let newest: RuleSet | undefined;

function handle(request: JudgeRequest): JudgeReply | undefined {
  if (request.type === "rule-set") {
    newest = lastOf(compileContents(request.contents, newest)).ruleSet;
    keepRuleSet(ruleSets, newest.revision, newest);
    return undefined;
  }
  const ruleSet = ruleSets.get(request.revision);
  assert(ruleSet !== undefined, "a rule set is sent before it is asked for");
  const watched = {
    stopped: () => Atomics.load(state, shared.stop) === 1,
    onRule: (index: number) => Atomics.store(state, shared.rule, index),
  };
  const purse = { left: checkCostMax, shadowsMax: request.shadowsMax, ...watched };
  const verdict = judge(ruleSet, request.check, purse);
  const cost = checkCostMax - Math.max(0, purse.left);
  if (watched.stopped()) return { type: "stopped" };
  if (request.explained === undefined) return { type: "judged", verdict, cost };
  const room = { left: explainedCostMax, ...watched };
  const explanation = explainCheck(ruleSet, request.check, request.explained, room);
  const costOfAll = cost + explainedCostMax - Math.max(0, room.left);
  // What took too long to explain is judged all the same.
  return { type: "judged", verdict, explanation, cost: costOfAll };
}

port.on("message", (request: JudgeRequest) => {
  const reply = handle(request);
  if (reply !== undefined) port.postMessage(reply);
});
