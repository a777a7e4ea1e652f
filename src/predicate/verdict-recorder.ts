import type { Clock } from "../kernel/clock.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import { dataBytes } from "./core/costs.ts";
import type { Check, Verdict } from "./core/types.ts";
import { inSlices } from "./in-slices.ts";
import {
  verdictAgeLookMs,
  verdictBatchBytesMax,
  verdictBatchCountMax,
  verdictDropCount,
  verdictGatherMs,
  verdictQueueBytesMax,
} from "./limits.ts";
import type { VerdictLog } from "./ports.ts";
import { type Decided, isFinding, recordSteps, wasAsked } from "./verdict-record.ts";

/** Writes down what was decided, beside the judging: whatever becomes of the log, judging does not hear of it. */
export interface VerdictRecorder {
  /** Never waits, never throws. Of each check its verdict. */
  judged(checks: readonly Check[], verdicts: readonly Verdict[]): void;
  /** Writes what is queued. The log is the caller's. */
  close(): Promise<void>;
}

/** What is not written down, and why. */
export type Dropped = (why: "queue-full" | "not-written", count: number) => void;

type Waiting = { readonly check: Check; readonly verdict: Decided; readonly judgedAtMs: TimeMs; readonly bytes: number };

/** What an entry takes besides its data: objects, and some texts. */
const entryBytes = 1_000;

export function createVerdictRecorder({
  log,
  all,
  keepInput,
  bytesMax,
  retentionMs,
  clock,
  turns,
  logger,
  onDropped,
}: {
  readonly log: VerdictLog;
  /** Also what nobody has said anything about. */
  readonly all: boolean;
  readonly keepInput: boolean;
  /** Of the log. */
  readonly bytesMax: number;
  readonly retentionMs: DurationMs;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly logger: Parameters<typeof createSeldomLog>[0];
  readonly onDropped: Dropped;
}): VerdictRecorder {
  const seldom = createSeldomLog(logger, clock.monotonicMs);
  let queue: Waiting[] = [];
  /** Also of those that are being written. */
  let queuedBytes = 0;
  let cancelGathering: (() => void) | undefined;
  let writing: Promise<void> | undefined;
  let closed = false;
  let cancelLooking = lookLater();

  function enqueue(check: Check, verdict: Decided): void {
    const bytes = entryBytes + dataBytes(check) + saidBytes(verdict);
    if (queuedBytes + bytes > verdictQueueBytesMax) {
      drop("queue-full", 1, "more is judged than can be written down");
      return;
    }
    queue.push({ check, verdict, judgedAtMs: clock.nowMs(), bytes });
    queuedBytes += bytes;
    if (writing === undefined) cancelGathering ??= clock.setTimer(verdictGatherMs, () => void write());
  }

  function drop(why: Parameters<Dropped>[0], count: number, cause: string): void {
    onDropped(why, count);
    seldom.warn("", { cause }, "verdicts are not written down; judging goes on");
  }

  function write(): Promise<void> {
    cancelGathering?.();
    cancelGathering = undefined;
    if (queue.length > 0) writing ??= writeAll();
    return writing ?? Promise.resolve();
  }

  async function writeAll(): Promise<void> {
    const breathe = turns();
    while (queue.length > 0) {
      const batch = takeBatch();
      try {
        const records: Parameters<VerdictLog["append"]>[0][number][] = [];
        for (const { check, verdict, judgedAtMs } of batch) {
          records.push(await inSlices(recordSteps(check, verdict, { judgedAtMs, keepInput }), breathe));
        }
        const written = await log.append(records);
        if (!written.ok) drop("not-written", batch.length, written.error.type === "conflict" ? "conflict" : written.error.cause);
      } catch (error) {
        drop("not-written", batch.length, String(error));
      }
      for (const { bytes } of batch) queuedBytes -= bytes;
      await trim("too-much");
    }
    // At once: what comes now would be seen by nobody, and set no timer.
    writing = undefined;
  }

  function takeBatch(): readonly Waiting[] {
    let bytes = 0;
    const count = queue.findIndex((each) => {
      bytes += each.bytes;
      return bytes > verdictBatchBytesMax;
    });
    const end = Math.min(verdictBatchCountMax, count < 0 ? queue.length : Math.max(1, count));
    const batch = queue.slice(0, end);
    queue = queue.slice(end);
    return batch;
  }

  /** A log that cannot be written says so when verdicts come. */
  async function trim(what: "too-old" | "too-much"): Promise<void> {
    const isDone = (): boolean => what === "too-much" && log.usedBytes() <= bytesMax;
    try {
      const olderThanMs = what === "too-old" ? log.keptBeforeMs(retentionMs) : undefined;
      while (!isDone()) {
        const dropped = await log.drop({ olderThanMs, limit: verdictDropCount });
        if (!dropped.ok || dropped.value < verdictDropCount) return;
      }
    } catch (error) {
      seldom.warn("trim", { err: error }, "old verdicts cannot be dropped");
    }
  }

  function lookLater(): () => void {
    return clock.setTimer(verdictAgeLookMs, async () => {
      await trim("too-old");
      if (!closed) cancelLooking = lookLater();
    });
  }

  return {
    judged(checks, verdicts) {
      for (const [index, verdict] of verdicts.entries()) {
        const check = checks[index];
        if (verdict.type === "deferred" || check === undefined || !(all || isFinding(verdict))) continue;
        enqueue(check, verdict);
      }
    },
    async close() {
      closed = true;
      cancelLooking();
      await write();
      // Those that came while the last ones were on their way.
      await write();
    },
  };
}

function saidBytes(verdict: Decided): number {
  if (!wasAsked(verdict)) return 0;
  const { warnings, audits, shadows } = verdict;
  const violations = verdict.type === "rule-denied" ? verdict.violations : [];
  const said = [...violations, ...warnings, ...audits, ...shadows.flatMap(({ violation }) => violation ?? [])];
  return said.reduce((sum, { message }) => sum + message.length + entryBytes / 4, 0);
}
