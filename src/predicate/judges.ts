import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import type { RuleId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { createAskedRoom } from "./asked-room.ts";
import { createCallerTurns } from "./caller-turns.ts";
import { dataBytes } from "./core/costs.ts";
import type { ExplainedVerdict } from "./core/explain-check.ts";
import { failureOf } from "./core/judge.ts";
import { callCostMax, checkCostMax, threadShadowCostMax } from "./core/limits.ts";
import { applyingTo, type RuleSet } from "./core/rule-set.ts";
import type { Check, Findings, Verdict } from "./core/types.ts";
import type { JudgeFailure } from "./errors.ts";
import type { Explained } from "./judge-messages.ts";
import type { Judged, JudgeThread } from "./judge-thread.ts";
import { checkTickMs, checkTicksMax, stopGraceMs } from "./limits.ts";

/**
 * Judges what takes long, on threads, one check at a time on each. Callers take turns, and the calls of each, so that one with many calls,
 * or with a batch, delays another by one check. What waits is bounded in count and bytes. A caller that leaves takes its checks along, also those under way.
 */
export interface Judges {
  /** Lets the threads compile it before it is asked for. */
  prepare(ruleSet: RuleSet): void;
  /** In the order of the checks, which all have rules that apply. Rejects with the signal's reason. */
  judge(
    ruleSet: RuleSet,
    checks: readonly Check[],
    options: Omit<Asking, "explained">,
  ): Promise<Result<readonly Verdict[], JudgeFailure>>;
  /** One check, which has rules that apply, with what the parts of these have come to. It may cost as much as a call. */
  explain(
    ruleSet: RuleSet,
    check: Check,
    options: Omit<Asking, "costMax" | "explained"> & { readonly ruleIds: readonly RuleId[] },
  ): Promise<Result<ExplainedVerdict, JudgeFailure>>;
  /** Ends the threads, whatever they do. */
  close(): Promise<void>;
}

/** What one call has asked. */
type Call = {
  readonly caller: string;
  readonly ruleSet: RuleSet;
  readonly checks: readonly Check[];
  readonly explained: Explained;
  readonly verdicts: ExplainedVerdict[];
  /** Which check is judged next. */
  next: number;
  unanswered: number;
  costLeft: number;
  /** Each ends a check under way. */
  readonly stops: Set<() => void>;
  readonly outcome: PromiseWithResolvers<Result<readonly ExplainedVerdict[], JudgeFailure>>;
};

/** Of a check that was ended: what it would have found is lost. */
const unfinished: Findings = { warnings: [], audits: [], shadows: [], shadowsNotJudged: 0, cost: checkCostMax };

type Asking = {
  readonly caller: string;
  readonly signal: AbortSignal;
  readonly costMax: number;
  readonly explained: Explained;
};

/** Where a thread is, or will be when it is needed. */
type Seat = { thread: JudgeThread | undefined; busy: boolean };

export function createJudges({
  threadCount,
  startThread,
  clock,
  onJudged,
  onReplaced,
}: {
  readonly threadCount: number;
  readonly startThread: () => JudgeThread;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  /** Told how long a check took, from when a thread was asked. */
  readonly onJudged?: (tookMs: DurationMs) => void;
  /** Told of each thread that follows one that has ended. */
  readonly onReplaced?: () => void;
}): Judges {
  const seats = Array.from({ length: threadCount }, (): Seat => ({ thread: undefined, busy: false }));
  let newest: RuleSet | undefined;
  /** Those with checks that wait. */
  const waiting = createCallerTurns<Call>();
  const room = createAskedRoom();

  function threadAt(seat: Seat): JudgeThread {
    if (seat.thread?.alive) return seat.thread;
    if (seat.thread !== undefined) onReplaced?.();
    seat.thread = startThread();
    if (newest !== undefined) seat.thread.prepare(newest);
    return seat.thread;
  }

  function dispatch(): void {
    for (const seat of seats) {
      if (seat.busy) continue;
      const call = waiting.next();
      if (call === undefined) return;
      const index = call.next;
      call.next += 1;
      if (call.next < call.checks.length) waiting.enter(call);
      const thread = threadAt(seat);
      seat.busy = true;
      void run(thread, call, index).then(() => {
        seat.busy = false;
        dispatch();
      });
    }
  }

  async function run(thread: JudgeThread, call: Call, index: number): Promise<void> {
    const check = call.checks[index];
    assert(check !== undefined, "a call waits as long as it has checks");
    let isLate = false;
    let cancel = (): void => {};
    const stop = (): void => {
      cancel();
      thread.stop();
      // A thread that still compiles will look when it begins.
      cancel = clock.setTimer(stopGraceMs, () => (thread.rule < 0 ? stop() : void thread.end()));
    };
    // A process that was stopped, or a busy loop, makes one tick late, not all of them: its threads were stopped, too.
    const watch = (ticksLeft: number): void => {
      cancel = clock.setTimer(checkTickMs, () => {
        if (thread.rule < 0) watch(checkTicksMax);
        else if (ticksLeft > 1) watch(ticksLeft - 1);
        else {
          isLate = true;
          stop();
        }
      });
    };
    watch(checkTicksMax);
    call.stops.add(stop);
    const startedMs = clock.monotonicMs();
    const judged = await thread.judge(
      call.ruleSet,
      check,
      call.explained,
      Math.min(threadShadowCostMax, callCostMax / call.checks.length),
    );
    onJudged?.(clock.monotonicMs() - startedMs);
    call.stops.delete(stop);
    cancel();
    answer(
      call,
      index,
      check,
      isLate && judged.type === "ended" ? { ...judged, cause: `it took longer than ${checkTicksMax * checkTickMs} ms` } : judged,
    );
  }

  function answer(call: Call, index: number, check: Check, judged: Judged): void {
    if (judged.type === "judged") {
      call.verdicts[index] = judged;
      call.costLeft -= judged.cost;
    } else {
      const culprit = applyingTo(call.ruleSet, check).rules[judged.rule];
      if (culprit === undefined) {
        call.outcome.reject(new Error(judged.cause));
        return;
      }
      const violations = [failureOf(culprit.rule, judged.cause)];
      call.verdicts[index] = {
        verdict: { type: "rule-denied", ruleSetRevision: call.ruleSet.revision, violations, ...unfinished },
      };
    }
    call.unanswered -= 1;
    if (call.costLeft < 0) call.outcome.resolve(err({ type: "call-cost-limit", limit: callCostMax }));
    else if (call.unanswered === 0) call.outcome.resolve(ok(call.verdicts));
  }

  async function ask(
    ruleSet: RuleSet,
    checks: readonly Check[],
    { caller, signal, costMax, explained }: Asking,
  ): Promise<Result<readonly ExplainedVerdict[], JudgeFailure>> {
    signal.throwIfAborted();
    const asked = { count: checks.length, bytes: checks.reduce((sum, check) => sum + dataBytes(check), 0) };
    const refusal = room.take(caller, asked);
    if (refusal !== undefined) return err(refusal);
    const outcome: Call["outcome"] = Promise.withResolvers();
    const call: Call = {
      caller,
      ruleSet,
      checks,
      explained,
      verdicts: [],
      next: 0,
      unanswered: checks.length,
      costLeft: costMax,
      stops: new Set(),
      outcome,
    };
    const leave = (): void => outcome.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      waiting.enter(call);
      dispatch();
      return await outcome.promise;
    } finally {
      signal.removeEventListener("abort", leave);
      room.giveBack(caller, asked);
      waiting.leave(call);
      for (const stop of call.stops) stop();
    }
  }

  return {
    prepare(ruleSet) {
      newest = ruleSet;
      if (ruleSet.contents.active.length > 0) for (const seat of seats) threadAt(seat).prepare(ruleSet);
    },
    async judge(ruleSet, checks, options) {
      const judged = await ask(ruleSet, checks, { ...options, explained: undefined });
      return judged.ok ? ok(judged.value.map(({ verdict }) => verdict)) : judged;
    },
    async explain(ruleSet, check, { ruleIds, ...options }) {
      const judged = await ask(ruleSet, [check], { ...options, costMax: callCostMax, explained: ruleIds });
      if (!judged.ok) return judged;
      const [explained] = judged.value;
      assert(explained !== undefined, "each check has its answer");
      return ok(explained);
    },
    async close() {
      waiting.clear();
      await Promise.all(seats.map(({ thread }) => thread?.end()));
    },
  };
}
