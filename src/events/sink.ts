import { backoffMs } from "../kernel/backoff.ts";
import type { Clock } from "../kernel/clock.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { SeldomLog } from "../kernel/seldom.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import type { Cursors } from "./cursors.ts";
import { type DeliveryEnd, deliver } from "./delivery.ts";
import { causeLengthMax, deadLetterCountMax, restGraceMs, retryAfterMaxMs, sinkBackoff } from "./limits.ts";
import type { Connection, EventSource, Outgoing, SinkBatch, SinkRecord, SinkStore, Transport } from "./ports.ts";

export type SinkState =
  /** It publishes, or waits for events. */
  | "delivering"
  /** Something went wrong; it tries again by itself. */
  | "retrying"
  /** By an operator, or since its receiver has said that it is gone for good. */
  | "paused"
  /** What comes next was purged before it was published. */
  | "compacted"
  /** The store has not what was published: it was restored, or is another one. */
  | "diverged"
  /** It has as many dead letters as are kept. */
  | "blocked";

/** What is wrong, for people. */
export type SinkTrouble = { readonly cause: string; readonly atMs: TimeMs };

export type SinkMetrics = {
  readonly published: (sink: string, count: number) => void;
  readonly failed: (sink: string) => void;
  readonly deadLettered: (sink: string) => void;
};

/** One sink at work. */
export type Sink = {
  readonly state: SinkState;
  readonly record: SinkRecord;
  readonly trouble: SinkTrouble | undefined;
  start(): void;
  /**
   * Brings it to rest, writes with what is made of its record then, and lets it work again. One after the other. If it cannot be written,
   * nothing has changed.
   */
  change(
    make: (record: SinkRecord) => { readonly record: SinkRecord } & Omit<SinkBatch, "puts">,
  ): Promise<Result<SinkRecord, SinkWriteFailure>>;
  /** Its dead letters are fewer. */
  unblock(): void;
  /** What is under way may end within the time; then it is published again after a restart. */
  stop(graceMs: DurationMs): Promise<void>;
};

export type SinkWriteFailure = Exclude<Awaited<ReturnType<SinkStore["apply"]>>, { readonly ok: true }>["error"];

export type SinkSurroundings = {
  readonly source: EventSource;
  readonly store: SinkStore;
  readonly cursors: Cursors;
  readonly clock: Pick<Clock, "nowMs" | "setTimer">;
  readonly random: () => number;
  readonly turns: Turns;
  readonly log: SeldomLog;
  readonly metrics: SinkMetrics;
};

export function createSink(options: {
  readonly stored: SinkRecord;
  readonly filter: string;
  readonly transport: Transport;
  readonly surroundings: SinkSurroundings;
}): Sink {
  const { filter, transport } = options;
  const { source, store, cursors, clock, random, turns, log, metrics } = options.surroundings;
  const { name } = options.stored;
  let record = options.stored;
  let state: SinkState = record.isPaused ? "paused" : "delivering";
  let trouble: SinkTrouble | undefined;
  let failures = 0;
  /** Of the event that comes next, how often its receiver has not taken it. */
  let tries = { cursor: 0, count: 0 };
  /** Up to here events go one by one: one of a batch was refused. */
  let singlyUpTo = 0;
  let working: { readonly ending: AbortController; readonly ended: Promise<void> } | undefined;
  let connection: Connection | undefined;
  let changing: Promise<unknown> = Promise.resolve();
  let isStopped = false;

  function start(): void {
    if (isStopped || working !== undefined) return;
    const ending = new AbortController();
    working = { ending, ended: work(ending.signal) };
  }

  /** What is under way may end by itself within the grace. */
  async function bringToRest(graceMs: DurationMs): Promise<void> {
    if (working === undefined) return;
    working.ending.abort();
    const cancel = clock.setTimer(graceMs, () => void connection?.close());
    await working.ended;
    cancel();
    working = undefined;
  }

  async function work(signal: AbortSignal): Promise<void> {
    if (record.isPaused) return rest("paused", trouble?.cause);
    let mayGoOn = false;
    while (!signal.aborted) {
      let pauseMs: DurationMs | undefined;
      try {
        mayGoOn ||= await mayBegin();
        pauseMs = mayGoOn ? await after(await once(signal)) : undefined;
      } catch (error) {
        // A store that cannot be read, or a defect: neither must end it for good.
        pauseMs = failed(messageOf(error));
      }
      if (pauseMs === undefined) return;
      if (pauseMs > 0) await pause(pauseMs, signal);
    }
  }

  async function mayBegin(): Promise<boolean> {
    const diverged = await whyDiverged();
    if (diverged === undefined) return !(await isBlocked());
    log.error(name, { sink: name, cause: diverged }, "a sink has stopped; reset it to go on");
    rest("diverged", diverged);
    return false;
  }

  /** One connection, until something goes wrong. */
  async function once(signal: AbortSignal): Promise<DeliveryEnd> {
    const opened = await transport.open({ cursor: record.cursor, signal });
    if (!opened.ok) return { type: "failed", cause: opened.error.cause };
    connection = opened.value;
    if (connection.isProof) recovered();
    try {
      return await deliver({
        source,
        connection,
        filter,
        afterSequence: record.cursor,
        passesPurgedUpTo: record.passesPurgedUpTo,
        windowMax: transport.windowMax,
        batchCountMax: record.cursor < singlyUpTo ? 1 : transport.batchCountMax,
        breathe: turns(signal),
        signal,
        onAcknowledged,
        onDone,
      });
    } finally {
      await connection.close();
      connection = undefined;
    }
  }

  function onAcknowledged(count: number): void {
    metrics.published(name, count);
    recovered();
  }

  function onDone(cursor: number, last: Outgoing | undefined): void {
    moveTo(cursor, last);
    cursors.moved(record);
  }

  function moveTo(cursor: number, last: Outgoing | undefined): void {
    record = { ...record, cursor, last: last ? { sequence: last.event.sequence, eventId: last.event.id } : record.last };
  }

  function recovered(): void {
    if (state === "retrying") log.info(name, { sink: name }, "a sink delivers again");
    state = "delivering";
    trouble = undefined;
    failures = 0;
  }

  /** How long to wait before the next try. Undefined: there is none, until somebody changes something. */
  async function after(end: DeliveryEnd): Promise<DurationMs | undefined> {
    switch (end.type) {
      case "stopped":
        return undefined;
      case "purged": {
        const { cursor } = record;
        const lost = `of the events from ${cursor + 1} to ${end.oldest - 1} some were purged before they were published`;
        const cause = `${lost}; to publish those that are kept: concord sink reset ${name} --to ${cursor} --across-purged`;
        log.error(name, { sink: name, cause }, "a sink has stopped; reset it to go on");
        rest("compacted", cause);
        return undefined;
      }
      case "gone":
        return pauseForGood(end.cause);
      case "refused":
        return notTaken(end.events, end.cause, transport.refusalsMax);
      case "failed":
        if (end.answered === undefined) return failed(end.cause, end.retryAfterMs);
        return notTaken(end.answered, end.cause, transport.failuresMax, end.retryAfterMs);
    }
  }

  /** The receiver has said so itself. After so many times somebody else has to look at it, and the others go on. */
  async function notTaken(
    events: readonly Outgoing[],
    cause: string,
    triesMax = Number.POSITIVE_INFINITY,
    retryAfterMs: DurationMs = 0,
  ): Promise<DurationMs | undefined> {
    const [first, ...others] = events;
    const { cursor } = record;
    tries = { cursor, count: tries.cursor === cursor ? tries.count + 1 : 1 };
    if (first === undefined || tries.count < triesMax) return failed(cause, retryAfterMs);
    const last = others.at(-1);
    if (last === undefined) return bury(first, cause);
    // Which one of them it is shows when they go one by one.
    singlyUpTo = last.event.sequence;
    return 0;
  }

  function failed(cause: string, retryAfterMs: DurationMs = 0): DurationMs {
    failures += 1;
    metrics.failed(name);
    rest("retrying", cause);
    log.warn(name, { sink: name, cause: trouble?.cause, cursor: record.cursor }, "a sink cannot deliver; it tries again");
    return Math.max(backoffMs(sinkBackoff, failures, random()), Math.min(retryAfterMs, retryAfterMaxMs));
  }

  /** It becomes a dead letter, which is durable before the cursor passes it. */
  async function bury({ event, body }: Outgoing, cause: string): Promise<DurationMs | undefined> {
    const letter = { sink: name, event, cause: cut(cause), tries: tries.count, refusedAtMs: clock.nowMs() };
    const passed = { ...record, cursor: event.sequence };
    const written = await cursors.apply({ puts: [passed], deadLetters: [letter] });
    if (!written.ok) return failed(`a dead letter cannot be stored: ${JSON.stringify(written.error)}`);
    moveTo(event.sequence, { event, body });
    metrics.deadLettered(name);
    log.warn(
      name,
      { sink: name, sequence: event.sequence, workflow: event.workflowId, cause: letter.cause },
      "an event became a dead letter",
    );
    return (await isBlocked()) ? undefined : 0;
  }

  async function isBlocked(): Promise<boolean> {
    if ((await store.deadLetterCount(name)) < deadLetterCountMax) return false;
    const cause = `${deadLetterCountMax} events were refused and are kept, as many as may be: retry or discard them`;
    log.error(name, { sink: name, cause }, "a sink has stopped");
    rest("blocked", cause);
    return true;
  }

  async function pauseForGood(cause: string): Promise<undefined> {
    record = { ...record, isPaused: true };
    cursors.moved(record);
    log.error(name, { sink: name, cause }, "a sink is paused: its receiver is gone for good; resume it to go on");
    rest("paused", cause);
  }

  function rest(now: SinkState, cause: string | undefined): void {
    state = now;
    trouble = cause === undefined ? undefined : { cause: cut(cause), atMs: clock.nowMs() };
  }

  /** A store was restored. To go on would leave out, or contradict, what was published; or what was published is not there any more. */
  async function whyDiverged(): Promise<string | undefined> {
    const { newest } = await source.sequences();
    const { cursor, last } = record;
    if (cursor > newest) return `events up to ${cursor} were published, but the newest in the store is ${newest}`;
    const kept = await source.keptBeforeLoss(cursor);
    if (kept !== undefined) return `events up to ${cursor} were published, but those after ${kept} were lost in a restore`;
    const stored = last && (await source.first(last.sequence - 1));
    if (stored?.sequence !== last?.sequence || stored?.id === last?.eventId) return undefined;
    return `event ${last?.eventId} was published as number ${last?.sequence}, where the store has ${stored?.id}`;
  }

  function pause(delayMs: DurationMs, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = clock.setTimer(delayMs, end);
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }

  /** Though its write has failed. Then who asks again is answered from the store, and what that answer says must be so. */
  async function isStored(request: SinkBatch["request"], { type }: SinkWriteFailure): Promise<boolean> {
    if (request === undefined || type === "conflict") return false;
    return store.answer(request.id).then(
      (answer) => answer !== undefined,
      () => false,
    );
  }

  async function change(make: Parameters<Sink["change"]>[0]): Promise<Result<SinkRecord, SinkWriteFailure>> {
    await bringToRest(restGraceMs);
    const { record: changed, ...batch } = make(record);
    const written = await cursors.apply({ ...batch, puts: [changed] });
    if (written.ok || (await isStored(batch.request, written.error))) {
      record = changed;
      state = "delivering";
      trouble = undefined;
      failures = 0;
    } else cursors.moved(record);
    start();
    return written.ok ? ok(record) : err(written.error);
  }

  return {
    get state() {
      return state;
    },
    get record() {
      return record;
    },
    get trouble() {
      return trouble;
    },
    start,
    change: (make) => {
      const changed = changing.then(() => change(make));
      changing = changed.catch(() => undefined);
      return changed;
    },
    unblock: () => {
      if (state !== "blocked") return;
      changing = changing.then(() => bringToRest(restGraceMs)).then(start);
    },
    stop: async (graceMs) => {
      isStopped = true;
      await changing;
      await bringToRest(graceMs);
    },
  };
}

const cut = (text: string): string => (text.length > causeLengthMax ? `${text.slice(0, causeLengthMax)}…` : text);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
