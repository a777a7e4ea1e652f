/** A judge's thread: one check after the other, by compiled rule sets. Started by judge-thread.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../kernel/assert.ts";
import { type CompiledRule, compileStored, createRuleSet, judge, type RuleSet } from "./core/judge.ts";
import { checkCostMax } from "./core/limits.ts";
import type { Rule } from "./core/types.ts";
import { type JudgeReply, type JudgeRequest, keepRuleSet, shared } from "./judge-messages.ts";

const port = parentPort;
assert(port !== null, "a judge runs in a worker thread");
const state = new Int32Array(workerData as SharedArrayBuffer);
const ruleSets = new Map<number, RuleSet>();
/** By rule, in its newest version. A version never changes, so it is compiled once. */
let compiled: ReadonlyMap<string, CompiledRule> = new Map();

function compileOnce(rule: Rule): CompiledRule {
  const known = compiled.get(rule.id);
  return known?.rule.version === rule.version ? known : compileStored(rule);
}

function handle(request: JudgeRequest): JudgeReply | undefined {
  if (request.type === "rule-set") {
    const active = request.rules.map(compileOnce);
    compiled = new Map(active.map((each) => [each.rule.id, each]));
    keepRuleSet(ruleSets, request.revision, createRuleSet(request.revision, active));
    return undefined;
  }
  const ruleSet = ruleSets.get(request.revision);
  assert(ruleSet !== undefined, "a rule set is sent before it is asked for");
  const purse = {
    left: checkCostMax,
    stopped: () => Atomics.load(state, shared.stop) === 1,
    onRule: (index: number) => Atomics.store(state, shared.rule, index),
  };
  const verdict = judge(ruleSet, request.check, purse);
  return purse.stopped() ? { type: "stopped" } : { type: "judged", verdict, cost: checkCostMax - purse.left };
}

port.on("message", (request: JudgeRequest) => {
  const reply = handle(request);
  if (reply !== undefined) port.postMessage(reply);
});
