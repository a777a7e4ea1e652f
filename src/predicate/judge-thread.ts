import { Worker, type WorkerOptions } from "node:worker_threads";
import { assert } from "../kernel/assert.ts";
import { threadShadowCostMax } from "./core/limits.ts";
import type { RuleSet } from "./core/rule-set.ts";
import type { Check } from "./core/types.ts";
import {
  type Explained,
  type JudgedCheck,
  type JudgeReply,
  type JudgeRequest,
  keepRuleSet,
  shared,
  sharedBytes,
} from "./judge-messages.ts";

export type Judged =
  | ({ readonly type: "judged" } & JudgedCheck)
  /** By `stop` or `end`, or by a thread that died. `rule`: see `JudgeThread.rule`. */
  | { readonly type: "ended"; readonly rule: number; readonly cause: string };

/** The main thread's end of a judge. One check at a time. Never rejects: a thread that died has ended what it was asked. */
export interface JudgeThread {
  readonly alive: boolean;
  /** Which of the rules that apply it is asking. -1: none yet, it may still be compiling. */
  readonly rule: number;
  /** Lets it compile the rules before they are asked. */
  prepare(ruleSet: RuleSet): void;
  judge(ruleSet: RuleSet, check: Check, explained?: Explained, shadowsMax?: number): Promise<Judged>;
  /** Asks it to end the check under way. It does so within milliseconds, unless one step of the evaluation is that long. */
  stop(): void;
  /** Ends the thread, whatever it does. */
  end(): Promise<void>;
}

/** Runs from src as TypeScript and from dist as JavaScript. */
const judgeUrl = new URL(import.meta.url.endsWith(".ts") ? "./judge.ts" : "./judge.js", import.meta.url);

/** As many of the longest rules as there may be take 1 GB, compiled. What needs more ends its thread, not the process. */
const heapMbMax = 2048;

/** Of a check little is kept. Else each judge would let as much garbage lie as the main thread may. */
const youngMbMax = 6;

/** With another `start` a test is the thread. */
export function startJudgeThread(start = (url: URL, options: WorkerOptions): Worker => new Worker(url, options)): JudgeThread {
  const state = new Int32Array(new SharedArrayBuffer(sharedBytes));
  const worker = start(judgeUrl, {
    workerData: state.buffer,
    resourceLimits: { maxOldGenerationSizeMb: heapMbMax, maxYoungGenerationSizeMb: youngMbMax },
    name: "judge",
  });
  // It has nothing to finish when the process ends.
  worker.unref();
  const known = new Map<number, RuleSet>();
  let alive = true;
  let cause = "the thread was ended";
  let awaiting: ((judged: Judged) => void) | undefined;

  const post = (request: JudgeRequest): void => worker.postMessage(request);
  const settle = (judged: Judged): void => {
    const settled = awaiting;
    awaiting = undefined;
    settled?.(judged);
  };
  const ended = (): Judged => ({ type: "ended", rule: Atomics.load(state, shared.rule), cause });

  worker.on("message", (reply: JudgeReply) => settle(reply.type === "judged" ? reply : ended()));
  worker.on("error", (error) => {
    cause = `the thread died: ${error instanceof Error ? error.message : String(error)}`;
  });
  worker.on("exit", () => {
    alive = false;
    settle(ended());
  });

  function prepare(ruleSet: RuleSet): void {
    if (known.get(ruleSet.revision) === ruleSet) return;
    // Tests are run by asking, and are nothing that judges.
    post({ type: "rule-set", contents: { ...ruleSet.contents, tests: [] } });
    keepRuleSet(known, ruleSet.revision, ruleSet);
  }

  return {
    get alive() {
      return alive;
    },
    get rule() {
      return Atomics.load(state, shared.rule);
    },
    prepare,
    judge: (ruleSet, check, explained, shadowsMax = threadShadowCostMax) => {
      assert(awaiting === undefined, "one check at a time");
      return new Promise((resolve) => {
        awaiting = resolve;
        Atomics.store(state, shared.stop, 0);
        Atomics.store(state, shared.rule, -1);
        if (!alive) return settle(ended());
        prepare(ruleSet);
        post({ type: "judge", revision: ruleSet.revision, check, explained, shadowsMax });
      });
    },
    stop: () => void Atomics.store(state, shared.stop, 1),
    end: async () => {
      await worker.terminate();
    },
  };
}
