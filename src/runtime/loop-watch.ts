import { AsyncLocalStorage } from "node:async_hooks";
import { promiseHooks } from "node:v8";
import type { Clock } from "../kernel/clock.ts";
import { loopHoldWarnMs } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import { createRecentDelays } from "./recent-delays.ts";

/** For whom the loop works. What a call or a job leaves for later, a timer or a continuation, is its work too. */
export type Work = { readonly rpc: string; readonly peer?: string } | { readonly job: string };

/** Names who has held the event loop for more than `loopHoldWarnMs`, and measures how late timers are. */
export interface LoopWatch {
  /** Works for it; its synchronous part is timed. */
  run<T>(work: Work, step: () => T): T;
  /** A function that is timed for it; not what it leaves for later. */
  timed<Input, Output>(work: Work, step: (input: Input) => Output): (input: Input) => Output;
  /** A call that is under way until it leaves. */
  enter(work: Work): {
    /** Each step of the handler is work of the call. */
    readonly drive: <H extends Handler>(handler: H) => H;
    readonly leave: () => void;
  };
  /** How late timers were, the 99th percentile of the last half minute to minute, whoever else has asked for it. */
  recentDelayMs(): DurationMs;
  stop(): void;
}

type Handler = AsyncGenerator<unknown, unknown, undefined>;

/** As often as `monitorEventLoopDelay` looks: 100 times a second cost a thousandth of a core. */
export const beatMs: DurationMs = 10;

/** Continuations are watched for so long after a hold that could not be named: whoever did it will do it again. */
export const suspicionMs: DurationMs = 10_000;

/** A caller that holds the loop again and again has one line a second. The metric counts all. */
const warnIntervalMs: DurationMs = 1_000;

/** Calls that have ended since the last beat, of which one may have held the loop. */
const endedCountMax = 16;

type Surroundings = {
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  readonly logger: Record<"warn" | "info", (fields: object, message: string) => void>;
  readonly metrics: { readonly loopDelay: (lateMs: DurationMs) => void; readonly loopHeld: (by: string) => void };
};

/** One for the process, as is the loop. */
export function createLoopWatch({ clock, logger, metrics }: Surroundings): LoopWatch {
  const { monotonicMs } = clock;
  const working = new AsyncLocalStorage<Work>();
  const underWay = new Set<Work>();
  let ended: Work[] = [];
  let namedAtMs = Number.NEGATIVE_INFINITY;
  let warnedAtMs = Number.NEGATIVE_INFINITY;
  let suspicion: { readonly end: () => void } | undefined;
  const recent = createRecentDelays();
  let cancelBeat = beatLater(monotonicMs() + beatMs);

  function ranFor(work: Work, beganAtMs: DurationMs): void {
    const nowMs = monotonicMs();
    const ms = nowMs - beganAtMs;
    // Within it, another step may have been named already.
    if (ms <= loopHoldWarnMs || namedAtMs > beganAtMs) return;
    namedAtMs = nowMs;
    metrics.loopHeld("rpc" in work ? work.rpc : work.job);
    if (nowMs - warnedAtMs < warnIntervalMs) return;
    warnedAtMs = nowMs;
    logger.warn({ ...work, ms: Math.round(ms) }, "the event loop was held");
  }

  function beatLater(dueAtMs: DurationMs): () => void {
    return clock.setTimer(beatMs, () => {
      const nowMs = monotonicMs();
      const lateMs = Math.max(0, nowMs - dueAtMs);
      metrics.loopDelay(lateMs);
      recent.record(lateMs, nowMs);
      if (lateMs > loopHoldWarnMs && namedAtMs < dueAtMs - beatMs) suspect(lateMs);
      ended = [];
      cancelBeat = beatLater(nowMs + beatMs);
    });
  }

  /** Also a machine with more to do than it has cores, or a collection of garbage, holds the loop: so this accuses nobody. */
  function suspect(lateMs: DurationMs): void {
    metrics.loopHeld("unknown");
    if (suspicion !== undefined) return;
    const calls: Record<string, number> = {};
    for (const work of [...underWay, ...ended]) if ("rpc" in work) calls[work.rpc] = (calls[work.rpc] ?? 0) + 1;
    logger.info({ calls, ms: Math.round(lateMs) }, "the event loop was held, by one of these calls, a job, or the machine");
    suspicion = watchContinuations();
  }

  /** Costs a tenth of a microsecond for each `await` of the process, so not always. */
  function watchContinuations(): { readonly end: () => void } {
    let beganAtMs = 0;
    const unhook = promiseHooks.createHook({
      before: () => {
        beganAtMs = monotonicMs();
      },
      after: () => {
        const work = working.getStore();
        if (work !== undefined) ranFor(work, beganAtMs);
      },
    }) as () => void;
    const end = (): void => {
      cancel();
      unhook();
      suspicion = undefined;
    };
    const cancel = clock.setTimer(suspicionMs, end);
    return { end };
  }

  function run<T>(work: Work, step: () => T): T {
    const beganAtMs = monotonicMs();
    try {
      return working.run(work, step);
    } finally {
      ranFor(work, beganAtMs);
    }
  }

  return {
    run,
    timed: (work, step) => (input) => {
      const beganAtMs = monotonicMs();
      try {
        return step(input);
      } finally {
        ranFor(work, beganAtMs);
      }
    },
    enter: (work) => {
      underWay.add(work);
      return {
        drive: <H extends Handler>(handler: H) => driven(handler, (step) => run(work, step)) as H,
        leave: () => {
          underWay.delete(work);
          if (ended.length < endedCountMax) ended.push(work);
        },
      };
    },
    recentDelayMs: recent.p99Ms,
    stop: () => {
      cancelBeat();
      suspicion?.end();
    },
  };
}

function driven(handler: Handler, run: <T>(step: () => T) => T): Handler {
  return {
    next: () => run(() => handler.next()),
    return: (value) => run(() => handler.return(value)),
    throw: (error) => run(() => handler.throw(error)),
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: () => handler[Symbol.asyncDispose](),
  };
}

/** Watches nothing. */
export const unwatched: LoopWatch = {
  run: (_work, step) => step(),
  timed: (_work, step) => step,
  enter: () => ({ drive: (handler) => handler, leave: () => {} }),
  recentDelayMs: () => 0,
  stop: () => {},
};
