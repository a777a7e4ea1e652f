import { compare } from "../kernel/range.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { cloudEvent } from "./core/cloud-event.ts";
import { createCursors } from "./cursors.ts";
import { deadLettersPerCallMax } from "./limits.ts";
import type { DeadLetter, Published, SinkBatch, SinkKind, SinkRecord, SinkStore, Transport } from "./ports.ts";
import { createSink, type Sink, type SinkState, type SinkSurroundings, type SinkTrouble, type SinkWriteFailure } from "./sink.ts";

export type SinkStatus = {
  readonly name: string;
  readonly kind: SinkKind;
  /** "unconfigured": it is kept, and publishes nothing. */
  readonly state: SinkState | "unconfigured";
  readonly cursor: number;
  readonly newest: number;
  /** The age of the first event that is not published. 0 if there is none. */
  readonly lagMs: DurationMs;
  readonly trouble: SinkTrouble | undefined;
  readonly deadLetterCount: number;
};

export type SinksError =
  | { readonly type: "sink-not-found"; readonly sink: string; readonly known: readonly string[] }
  | { readonly type: "sink-state"; readonly sink: string; readonly state: SinkStatus["state"]; readonly cause: string }
  | { readonly type: "beyond-newest"; readonly newest: number }
  | { readonly type: "events-purged"; readonly oldest: number }
  | { readonly type: "request-id-reused"; readonly requestId: string }
  | { readonly type: "storage-unavailable" };

/** What an operator wants of one sink. */
export type SinkCommand = { readonly sink: string; readonly request: RequestKey | undefined };

/** `after`: this sequence. */
export type ResetTarget = { readonly after: number } | "oldest" | "now";

/** `acrossPurged`: what was purged after that place is passed over, and what is kept is published. */
export type ResetCommand = SinkCommand & { readonly to: ResetTarget; readonly acrossPurged?: boolean };

/** Of sequences, both ends included. The first dead letters of it are meant, at most `deadLettersPerCallMax`. */
export type LetterRange = { readonly from: number; readonly to: number };

type RetryCommand = SinkCommand & { readonly range: LetterRange; readonly signal: AbortSignal };

export type ResetAnswer = { readonly cursorBefore: number; readonly cursor: number };
export type DeadLetterAnswer = { readonly done: number; readonly remaining: number };

export type SinkDefinition = {
  readonly name: string;
  readonly filter: string;
  /** Where a sink begins that is not known yet. */
  readonly start: "oldest" | "now";
  readonly transport: Transport;
};

/** The sinks of a store. */
export type Sinks = {
  start(): void;
  stop(graceMs: DurationMs): Promise<void>;
  /** In the order of their names. */
  list(): Promise<readonly SinkStatus[]>;
  /** One of them, with its dead letters. */
  find(name: string): Promise<Result<SinkStatus, SinksError>>;
  deadLetters: SinkStore["deadLetters"];
  reset(command: ResetCommand): Promise<Result<ResetAnswer, SinksError>>;
  pause(command: SinkCommand): Promise<Result<{ readonly cursor: number }, SinksError>>;
  resume(command: SinkCommand): Promise<Result<{ readonly cursor: number }, SinksError>>;
  retry(command: RetryCommand): Promise<Result<DeadLetterAnswer, SinksError>>;
  discard(command: SinkCommand & { readonly range: LetterRange }): Promise<Result<DeadLetterAnswer, SinksError>>;
  /**
   * The oldest event that a sink has not published, as it would be after a crash. What is older need not be kept for sinks. One that is
   * diverged does not count: where it is says nothing of this store. Undefined: none is needed.
   */
  oldestNeeded(): number | undefined;
  /** Those that have not published, or passed over, all up to this sequence, by name. */
  behind(sequence: number): readonly string[];
};

/** Of a sink's record. */
type Place = Pick<SinkRecord, "cursor" | "passesPurgedUpTo">;

type AtWork = { readonly sink: Sink; readonly transport: Transport };

type Remember<Answer> = (answer: Answer) => SinkBatch["request"];

export async function createSinks(options: {
  readonly definitions: readonly SinkDefinition[];
  readonly surroundings: Omit<SinkSurroundings, "cursors">;
}): Promise<Sinks> {
  const { definitions } = options;
  const { source, store, clock, log } = options.surroundings;
  const cursors = createCursors({ store, clock, log });
  const surroundings = { ...options.surroundings, cursors };
  const known = new Map((await store.sinks()).map((record) => [record.name, record]));
  const { oldest, newest } = await source.sequences();
  const records = definitions.map(({ name, start, transport }): SinkRecord => {
    const { kind } = transport;
    const first = { name, cursor: start === "now" ? newest : beforeOldest(oldest), isPaused: false, last: undefined };
    return { ...first, ...known.get(name), kind };
  });
  const written = await cursors.apply({ puts: records });
  if (!written.ok) log.error("", { cause: written.error }, "where sinks begin cannot be stored");
  const atWork = definitions.map(({ filter, transport }, index): AtWork => {
    const stored = records[index] as SinkRecord;
    return { transport, sink: createSink({ stored, filter, transport, surroundings }) };
  });
  const byName = new Map(atWork.map((each) => [each.sink.record.name, each]));
  const underWay = new Map<string, { readonly digest: string; readonly answer: Promise<Result<unknown, SinksError>> }>();

  async function statusOf({
    record,
    state,
    trouble,
  }: Pick<Sink, "record" | "trouble"> & Pick<SinkStatus, "state">): Promise<SinkStatus> {
    const { newest } = await source.sequences();
    const next = record.cursor < newest ? await source.first(record.cursor) : undefined;
    return {
      name: record.name,
      kind: record.kind,
      state,
      cursor: record.cursor,
      newest,
      lagMs: next === undefined ? 0 : Math.max(0, clock.nowMs() - next.occurredAtMs),
      trouble,
      deadLetterCount: await store.deadLetterCount(record.name),
    };
  }

  async function list(): Promise<readonly SinkStatus[]> {
    const left = (await store.sinks()).filter(({ name }) => !byName.has(name));
    const unconfigured = left.map((record) => ({ record, state: "unconfigured" as const, trouble: undefined }));
    const all = await Promise.all([...atWork.map(({ sink }) => sink), ...unconfigured].map(statusOf));
    return all.sort((a, b) => compare(a.name, b.name));
  }

  async function find(name: string): Promise<Result<SinkStatus, SinksError>> {
    const all = await list();
    const found = all.find((status) => status.name === name);
    return found ? ok(found) : err({ type: "sink-not-found", sink: name, known: all.map((status) => status.name) });
  }

  async function working(name: string): Promise<Result<AtWork, SinksError>> {
    const found = byName.get(name);
    if (found !== undefined) return ok(found);
    const status = await find(name);
    if (!status.ok) return status;
    const cause = "it is not in the file of --sinks any more";
    return err({ type: "sink-state", sink: name, state: "unconfigured", cause });
  }

  /** A repeat is answered as the first time; the answer is stored with the change, so that one is never without the other. */
  async function once<Answer>(
    { request }: SinkCommand,
    run: (remember: Remember<Answer>) => Promise<Result<Answer, SinksError>>,
  ): Promise<Result<Answer, SinksError>> {
    if (request === undefined) return run(() => undefined);
    const reused = err({ type: "request-id-reused", requestId: request.id } as const);
    const joined = underWay.get(request.id);
    if (joined !== undefined)
      return joined.digest === request.digest ? (joined.answer as Promise<Result<Answer, SinksError>>) : reused;
    const answer = answered<Answer>(request, () =>
      run((remembered) => ({ ...request, answer: JSON.stringify(remembered), atMs: clock.nowMs() })),
    );
    underWay.set(request.id, { digest: request.digest, answer });
    try {
      return await answer;
    } finally {
      underWay.delete(request.id);
    }
  }

  async function answered<Answer>(
    request: RequestKey,
    run: () => Promise<Result<Answer, SinksError>>,
  ): Promise<Result<Answer, SinksError>> {
    const stored = await store.answer(request.id);
    if (stored === undefined) return run();
    if (stored.digest !== request.digest) return err({ type: "request-id-reused", requestId: request.id });
    return ok(JSON.parse(stored.answer) as Answer);
  }

  /** Where a sink is to go on. */
  async function placeOf({ to, acrossPurged = false }: ResetCommand): Promise<Result<Place, SinksError>> {
    const { oldest, newest } = await source.sequences();
    const purgedUpTo = beforeOldest(oldest);
    const placeAt = (cursor: number) => ok({ cursor, ...(cursor < purgedUpTo && { passesPurgedUpTo: purgedUpTo }) });
    if (to === "now") return placeAt(newest);
    if (to === "oldest") return placeAt(acrossPurged ? 0 : purgedUpTo);
    if (to.after > newest) return err({ type: "beyond-newest", newest });
    return to.after < purgedUpTo && !acrossPurged ? err({ type: "events-purged", oldest }) : placeAt(to.after);
  }

  const changeOf = async (
    command: SinkCommand,
    make: (record: SinkRecord, remember: Remember<{ readonly cursor: number }>) => { readonly record: SinkRecord } & SinkBatch,
    mayBe: (sink: Sink) => string | undefined = () => undefined,
  ): Promise<Result<{ readonly cursor: number }, SinksError>> =>
    once<{ readonly cursor: number }>(command, async (remember) => {
      const found = await working(command.sink);
      if (!found.ok) return found;
      const { sink } = found.value;
      const cause = mayBe(sink);
      if (cause !== undefined) return err({ type: "sink-state", sink: command.sink, state: sink.state, cause });
      const changed = await sink.change((record) => make(record, remember));
      return changed.ok ? ok({ cursor: changed.value.cursor }) : err(writeError(changed.error));
    });

  async function* lettersOf(
    sink: string,
    { from, to }: LetterRange,
    atOnceMax = deadLettersPerCallMax,
  ): AsyncGenerator<DeadLetter, void> {
    let left = deadLettersPerCallMax;
    for (let afterSequence: number | undefined = Math.max(0, from - 1); afterSequence !== undefined && left > 0; ) {
      const { rows, upTo } = await store.deadLetters({ sink, afterSequence, limit: Math.min(left, atOnceMax) });
      for (const letter of rows) {
        if (letter.event.sequence > to) return;
        yield letter;
        left -= 1;
      }
      afterSequence = upTo;
    }
  }

  async function retryOne(transport: Transport, cursor: number, { event }: DeadLetter, signal: AbortSignal): Promise<Published> {
    const opened = await transport.open({ cursor, signal });
    if (!opened.ok) return { type: "failed", ...opened.error };
    try {
      return await opened.value.publish([{ event, body: cloudEvent(source.storeId, event) }]);
    } finally {
      await opened.value.close();
    }
  }

  /** One after the other; says how many have arrived. */
  async function retryLetters({ sink, transport }: AtWork, { range, signal }: RetryCommand): Promise<Result<number, SinksError>> {
    let done = 0;
    try {
      // Each is read when it is its turn: others may have been discarded meanwhile.
      for await (const letter of lettersOf(sink.record.name, range, 1)) {
        signal.throwIfAborted();
        const published = await retryOne(transport, sink.record.cursor, letter, signal);
        const isDone = published.type === "acknowledged";
        const written = await store.apply(
          isDone
            ? { dropped: { sink: letter.sink, sequences: [letter.event.sequence] } }
            : { retried: { ...letter, cause: published.cause, tries: letter.tries + 1, refusedAtMs: clock.nowMs() } },
        );
        if (!written.ok) return err(writeError(written.error));
        if (isDone) done += 1;
        // Nobody is there: the next ones would fare the same.
        if (published.type === "failed") break;
      }
      return ok(done);
    } finally {
      // Also whoever left has made room.
      sink.unblock();
    }
  }

  return {
    start: () => {
      for (const { sink } of atWork) sink.start();
    },
    stop: async (graceMs) => {
      await Promise.all(atWork.map(({ sink }) => sink.stop(graceMs)));
      await cursors.close();
    },
    list,
    find,
    deadLetters: store.deadLetters,
    reset: (command) =>
      once<ResetAnswer>(command, async (remember) => {
        const found = await working(command.sink);
        if (!found.ok) return found;
        const place = await placeOf(command);
        if (!place.ok) return place;
        let answer: ResetAnswer = { cursorBefore: 0, cursor: place.value.cursor };
        const changed = await found.value.sink.change(({ passesPurgedUpTo: _before, ...record }) => {
          answer = { ...answer, cursorBefore: record.cursor };
          const request = remember(answer);
          // It is a decision about the store as it is now.
          return { record: { ...record, ...place.value, last: undefined }, ...(request && { request }) };
        });
        return changed.ok ? ok(answer) : err(writeError(changed.error));
      }),
    pause: (command) => changeOf(command, (record, remember) => withAnswer({ ...record, isPaused: true }, remember)),
    resume: (command) =>
      changeOf(
        command,
        (record, remember) => withAnswer({ ...record, isPaused: false }, remember),
        ({ state, trouble }) => (state === "compacted" || state === "diverged" ? `${trouble?.cause}; reset it` : undefined),
      ),
    retry: (command) =>
      once<DeadLetterAnswer>(command, async (remember) => {
        const found = await working(command.sink);
        if (!found.ok) return found;
        const done = await retryLetters(found.value, command);
        if (!done.ok) return done;
        const answer = { done: done.value, remaining: await store.deadLetterCount(command.sink) };
        const request = remember(answer);
        const written = request === undefined ? ok(undefined) : await store.apply({ request });
        return written.ok ? ok(answer) : err(writeError(written.error));
      }),
    discard: (command) =>
      once<DeadLetterAnswer>(command, async (remember) => {
        const found = await find(command.sink);
        if (!found.ok) return found;
        const letters = await Array.fromAsync(lettersOf(command.sink, command.range));
        const sequences = letters.map(({ event }) => event.sequence);
        const answer = { done: sequences.length, remaining: found.value.deadLetterCount - sequences.length };
        const request = remember(answer);
        const written = await store.apply({ dropped: { sink: command.sink, sequences }, ...(request && { request }) });
        byName.get(command.sink)?.sink.unblock();
        return written.ok ? ok(answer) : err(writeError(written.error));
      }),
    oldestNeeded: () => {
      const needed = atWork
        .filter(({ sink }) => sink.state !== "diverged")
        .map(({ sink }) => (cursors.stored(sink.record.name) ?? 0) + 1);
      return needed.length === 0 ? undefined : Math.min(...needed);
    },
    behind: (sequence) =>
      atWork.flatMap(({ sink: { state, record } }) => (state !== "diverged" && record.cursor < sequence ? [record.name] : [])),
  };
}

const beforeOldest = (oldest: number): number => Math.max(0, oldest - 1);

function withAnswer(record: SinkRecord, remember: Remember<{ readonly cursor: number }>) {
  const request = remember({ cursor: record.cursor });
  return { record, ...(request && { request }) };
}

/** A request id that is stored meanwhile was another process's, which there is none of. */
const writeError = (_failure: SinkWriteFailure): SinksError => ({ type: "storage-unavailable" });
