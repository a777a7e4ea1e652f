import { stretchRowsMax } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { RuleSet } from "./core/rule-set.ts";
import type { JudgeFailure } from "./errors.ts";
import { replayProgressMs } from "./limits.ts";
import type { Evaluator, VerdictLog, WantedVerdicts } from "./ports.ts";
import { cutVerdict, type Decided, decidesSame, type VerdictRecord } from "./verdict-record.ts";

export type Replay = {
  readonly wanted: WantedVerdicts;
  /** What else is wanted. Undefined: nothing. */
  readonly matches: ((record: VerdictRecord) => boolean) | undefined;
  readonly ruleSet: RuleSet;
  /** Of records that are judged. Undefined: all. */
  readonly limit: number | undefined;
  readonly caller: string;
  readonly breathe: Breathe;
  /** Ends the replay, which throws its reason. */
  readonly signal: AbortSignal;
};

export type ReplayProgress = {
  readonly ruleSetRevision: number;
  readonly judged: number;
  /** Their questions were not kept. */
  readonly skipped: number;
  readonly different: number;
  readonly complete: boolean;
};

export type ReplayMessage =
  | {
      readonly type: "difference";
      readonly record: VerdictRecord;
      readonly verdict: Decided;
      readonly violationsOmitted: number;
    }
  | ({ readonly type: "progress" } & ReplayProgress)
  /** The last one. */
  | { readonly type: "failed"; readonly failure: JudgeFailure };

/** Judges what is written down once more, newest first, one at a time, so that it is one caller among many for the threads. Writes nothing down. */
export async function* replay(
  {
    log,
    evaluator,
    monotonicMs,
  }: { readonly log: VerdictLog; readonly evaluator: Evaluator; readonly monotonicMs: () => DurationMs },
  { wanted, matches, ruleSet, limit = Number.POSITIVE_INFINITY, caller, breathe, signal }: Replay,
): AsyncGenerator<ReplayMessage, void> {
  const count = { judged: 0, skipped: 0, different: 0 };
  const progress = (complete: boolean): ReplayMessage => ({
    type: "progress",
    ruleSetRevision: ruleSet.revision,
    ...count,
    complete,
  });
  let toldMs = monotonicMs();
  for await (const record of recordsOf(log, wanted, breathe)) {
    if (count.judged >= limit) break;
    if (monotonicMs() - toldMs >= replayProgressMs) {
      toldMs = monotonicMs();
      yield progress(false);
    }
    if (record === undefined || (matches !== undefined && !matches(record))) continue;
    if (record.input === undefined) {
      count.skipped += 1;
      continue;
    }
    const judged = await evaluator.judge(ruleSet, [record.input], { caller, signal, promptOnly: false });
    if (!judged.ok) {
      yield { type: "failed", failure: judged.error };
      return;
    }
    const [verdict] = judged.value;
    count.judged += 1;
    if (verdict === undefined || verdict.type === "deferred") continue;
    const cut = cutVerdict(verdict);
    if (decidesSame(record.verdict, cut.verdict)) continue;
    count.different += 1;
    yield { type: "difference", record, ...cut };
  }
  yield progress(true);
}

/** Newest first. Nothing: the log has passed over many. */
async function* recordsOf(
  log: VerdictLog,
  wanted: WantedVerdicts,
  breathe: Breathe,
): AsyncGenerator<VerdictRecord | undefined, void> {
  for (let beforeSequence: number | undefined; ; ) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const { rows, upTo } = await log.list({ beforeSequence, limit: stretchRowsMax, wanted });
    for (const record of rows) {
      const pauseBetween = breathe();
      if (pauseBetween !== undefined) await pauseBetween;
      yield record;
    }
    if (upTo === undefined) return;
    yield undefined;
    beforeSequence = upTo;
  }
}
