import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cursorSaveMs, deadLetterCountMax, deadLettersPerCallMax, restGraceMs } from "../../../src/events/limits.ts";
import type { Connection, Outgoing, Published, SinkBatch, SinkStore, Transport } from "../../../src/events/ports.ts";
import type { Sinks } from "../../../src/events/sinks.ts";
import type { RequestId } from "../../../src/kernel/ids.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { createMemorySinkStore } from "../../../src/storage/memory/sink-store.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { fakeClock, settled } from "../../support/fake-clock.ts";
import { deadLetter, sourceEvent } from "../../support/sink-values.ts";
import {
  createReceiver,
  definition,
  happen,
  hurriedClock,
  type Reaction,
  sinksOver,
  storeWith,
} from "../../support/sink-world.ts";
import { until } from "../../support/until.ts";

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
const firstOf = (sequences: readonly number[]): readonly number[] => [...new Set(sequences)];

async function only(sinks: Sinks) {
  const [status] = await sinks.list();
  if (status === undefined) throw new Error("no sink");
  return status;
}

const inState = (sinks: Sinks, state: string) => until(async () => (await only(sinks)).state === state, `the sink is ${state}`);
const cursorAt = (sinks: Sinks, cursor: number) =>
  until(async () => (await only(sinks)).cursor === cursor, `the cursor is ${cursor}`);

/** A store from which a process can be torn: what it writes then is lost. */
function tearable(store: SinkStore) {
  let isTorn = false;
  const lost = { ok: false, error: { type: "storage-unavailable", cause: "torn", outcomeUnknown: false } } as const;
  return {
    store: { ...store, apply: async (batch) => (isTorn ? lost : store.apply(batch)) } satisfies SinkStore,
    tear: () => {
      isTorn = true;
    },
  };
}

/** Writes whatever it is given, and says of some of it that it does not know. */
function answeringLost(store: SinkStore, isMeant: (batch: SinkBatch) => boolean): SinkStore {
  const unknown = { ok: false, error: { type: "storage-unavailable", cause: "EIO", outcomeUnknown: true } } as const;
  const apply: SinkStore["apply"] = async (batch) => {
    const written = await store.apply(batch);
    return isMeant(batch) ? unknown : written;
  };
  return { ...store, apply };
}

describe("whatever a receiver misses, and whenever the process is killed", () => {
  const reaction = fc.oneof(
    { weight: 8, arbitrary: fc.constant<Reaction>("takes") },
    { weight: 1, arbitrary: fc.constant<Reaction>("takes-unheard") },
    { weight: 1, arbitrary: fc.constant<Reaction>("misses") },
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("happen" as const), count: fc.integer({ min: 1, max: 30 }) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("wait" as const), turns: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("kill" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("stop" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("outage" as const), turns: fc.integer({ min: 1, max: 10 }) }) },
  );

  test("each event arrives, first in the order of its sequence, never before it is committed, and the cursor is never ahead", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), fc.infiniteStream(reaction), async (steps, reactions) => {
        const events = createMemoryWorkflowStore();
        const durable = createMemorySinkStore();
        let committed = 0;
        const problems: string[] = [];
        const receiver = createReceiver((batch) => {
          for (const { event } of batch) if (event.sequence > committed) problems.push(`${event.sequence} is not committed`);
          return reactions.next().value;
        });
        const watched: SinkStore = {
          ...durable,
          apply: async (batch) => {
            for (const { cursor } of batch.puts ?? []) {
              const arrived = new Set(receiver.arrived);
              if (!upTo(cursor).every((sequence) => arrived.has(sequence))) problems.push(`cursor ${cursor} is ahead`);
            }
            return durable.apply(batch);
          },
        };
        let process = tearable(watched);
        const begin = async () => {
          process = tearable(watched);
          const begun = await sinksOver({ events, store: process.store, definitions: [definition(receiver.transport)] });
          begun.start();
          return begun;
        };
        let sinks = await begin();
        for (const each of steps) {
          switch (each.type) {
            case "happen":
              committed += each.count;
              await happen(events, each.count);
              break;
            case "wait":
              for (let turn = 0; turn < each.turns; turn += 1) await new Promise(setImmediate);
              break;
            case "outage":
              receiver.setUp(false);
              for (let turn = 0; turn < each.turns; turn += 1) await new Promise(setImmediate);
              receiver.setUp(true);
              break;
            case "kill":
              process.tear();
              await sinks.stop(0);
              sinks = await begin();
              break;
            case "stop":
              await sinks.stop(0);
              sinks = await begin();
              break;
          }
        }
        await cursorAt(sinks, committed);
        await sinks.stop(0);
        expect(problems).toEqual([]);
        expect(firstOf(receiver.arrived)).toEqual(upTo(committed));
        expect((await durable.sinks())[0]?.cursor).toBe(committed);
      }),
      { numRuns: 60 },
    );
  });
});

test("events that the filter leaves out are not published, and the cursor passes them", async () => {
  const events = await storeWith(4);
  await happen(events, 2, { type: "FAILED" });
  await happen(events, 3);
  const receiver = createReceiver(() => "takes");
  const definitions = [definition(receiver.transport, { filter: 'event.type == "FAILED"' })];
  const sinks = await sinksOver({ events, store: createMemorySinkStore(), definitions });
  sinks.start();
  await cursorAt(sinks, 9);
  expect(receiver.arrived).toEqual([5, 6]);
  await sinks.stop(0);
});

test("a sink lags by the age of the first event that it has not published, and by nothing when there is none", async () => {
  const events = await storeWith(3);
  const receiver = createReceiver(() => "takes");
  receiver.setUp(false);
  const sinks = await sinksOver({ events, store: createMemorySinkStore(), definitions: [definition(receiver.transport)] });
  sinks.start();
  // The events of these tests are as old as the clocks of computers.
  expect((await only(sinks)).lagMs).toBeGreaterThan(1_000_000_000);
  receiver.setUp(true);
  await cursorAt(sinks, 3);
  expect((await only(sinks)).lagMs).toBe(0);
  await sinks.stop(0);
});

test("a new sink that starts now publishes nothing of before; where it began is remembered", async () => {
  const events = await storeWith(5);
  const store = createMemorySinkStore();
  const receiver = createReceiver(() => "takes");
  const definitions = [definition(receiver.transport, { start: "now" })];
  const first = await sinksOver({ events, store, definitions });
  await first.stop(0);
  await happen(events, 2);
  const second = await sinksOver({ events, store, definitions });
  second.start();
  await cursorAt(second, 7);
  expect(receiver.arrived).toEqual([6, 7]);
  await second.stop(0);
});

describe("an event that is refused", () => {
  const refuses = (...bad: readonly number[]) =>
    createReceiver(
      (batch: readonly Outgoing[]): Reaction =>
        batch.some(({ event }) => bad.includes(event.sequence)) ? { type: "refused", cause: "HTTP 422: no" } : "takes",
    );

  test("is tried again, becomes a dead letter, and the others go on in order, each once", async () => {
    const events = await storeWith(9);
    const store = createMemorySinkStore();
    const receiver = refuses(3, 8);
    const sinks = await sinksOver({ events, store, definitions: [definition(receiver.transport, {})] });
    sinks.start();
    await cursorAt(sinks, 9);
    expect(firstOf(receiver.arrived)).toEqual([1, 2, 4, 5, 6, 7, 9]);
    const { rows } = await sinks.deadLetters({ sink: "bus", afterSequence: 0, limit: 10 });
    expect(rows.map(({ event, cause, tries }) => [event.sequence, cause, tries])).toEqual([
      [3, "HTTP 422: no", expect.any(Number)],
      [8, "HTTP 422: no", expect.any(Number)],
    ]);
    for (const { tries } of rows) expect(tries).toBeGreaterThanOrEqual(2);
    await sinks.stop(0);
  });

  test("is published by a retry once its receiver takes it, and is a dead letter until then", async () => {
    const events = await storeWith(4);
    const store = createMemorySinkStore();
    const bad = new Set([2, 3]);
    const receiver = createReceiver(
      ([first]) => (first && bad.has(first.event.sequence) ? { type: "refused", cause: "no" } : "takes"),
      { batchCountMax: 1 },
    );
    const sinks = await sinksOver({ events, store, definitions: [definition(receiver.transport)] });
    sinks.start();
    await cursorAt(sinks, 4);
    bad.delete(3);
    const { signal } = new AbortController();
    const command = { sink: "bus", range: { from: 1, to: 9 }, signal, request: { id: "r" as RequestId, digest: "d" } };
    expect(await sinks.retry(command)).toEqual({ ok: true, value: { done: 1, remaining: 1 } });
    expect(await sinks.retry(command), "the same request").toEqual({ ok: true, value: { done: 1, remaining: 1 } });
    const { rows } = await sinks.deadLetters({ sink: "bus", afterSequence: 0, limit: 10 });
    expect(rows.map(({ event, tries }) => [event.sequence, tries])).toEqual([[2, 3]]);
    expect(firstOf(receiver.arrived)).toEqual([1, 4, 3]);
    expect(await sinks.discard({ sink: "bus", range: { from: 2, to: 2 }, request: undefined })).toMatchObject({
      value: { done: 1, remaining: 0 },
    });
    await sinks.stop(0);
  });

  test("and is discarded while it is retried stays discarded, and those behind it are not published", async () => {
    const store = createMemorySinkStore();
    await store.apply({
      puts: [{ name: "bus", kind: "webhook", cursor: 9, isPaused: false, last: undefined }],
      deadLetters: [1, 2].map((sequence) => deadLetter({ event: { ...sourceEvent, sequence } })),
    });
    const answers: ((published: Published) => void)[] = [];
    const connection: Connection = {
      publish: () =>
        new Promise((answer) => {
          if (answers.push(answer) > 1) answer({ type: "acknowledged" });
        }),
      broken: new Promise<string>(() => {}),
      isProof: false,
      close: async () => {},
    };
    const { transport } = createReceiver(() => "takes", { open: async () => ok(connection) });
    const sinks = await sinksOver({ events: await storeWith(9), store, definitions: [definition(transport)] });
    const command = { sink: "bus", range: { from: 1, to: 2 }, request: undefined };
    const retried = sinks.retry({ ...command, signal: new AbortController().signal });
    await until(() => answers.length === 1, "it is under way");
    expect(await sinks.discard(command)).toEqual(ok({ done: 2, remaining: 0 }));
    answers[0]?.({ type: "refused", cause: "no" });
    expect(await retried).toEqual(ok({ done: 0, remaining: 0 }));
    expect(answers).toHaveLength(1);
    await sinks.stop(0);
  });

  test("of a range are those from its first to its last", async () => {
    const store = createMemorySinkStore();
    await store.apply({
      puts: [{ name: "bus", kind: "webhook", cursor: 9, isPaused: false, last: undefined }],
      deadLetters: upTo(6).map((sequence) => deadLetter({ event: { ...sourceEvent, sequence } })),
    });
    const definitions = [definition(createReceiver(() => "takes").transport)];
    const sinks = await sinksOver({ events: await storeWith(9), store, definitions });
    const discard = (from: number, to: number) => sinks.discard({ sink: "bus", range: { from, to }, request: undefined });
    const left = async () =>
      (await sinks.deadLetters({ sink: "bus", afterSequence: 0, limit: 10 })).rows.map(({ event }) => event.sequence);
    expect([await discard(3, 4), await left()]).toMatchObject([{ value: { done: 2, remaining: 4 } }, [1, 2, 5, 6]]);
    expect([await discard(0, 1), await left()]).toMatchObject([{ value: { done: 1, remaining: 3 } }, [2, 5, 6]]);
    expect([await discard(6, 9), await left()]).toMatchObject([{ value: { done: 1, remaining: 2 } }, [2, 5]]);
    await sinks.stop(0);
  });

  test("are discarded so many a call, however they come from the store", async () => {
    const memory = createMemorySinkStore();
    const count = deadLettersPerCallMax + 20;
    await memory.apply({
      puts: [{ name: "bus", kind: "webhook", cursor: count, isPaused: false, last: undefined }],
      deadLetters: upTo(count).map((sequence) => deadLetter({ event: { ...sourceEvent, sequence } })),
    });
    const store: SinkStore = {
      ...memory,
      deadLetters: ({ limit, ...page }) => memory.deadLetters({ ...page, limit: Math.min(limit, 60) }),
    };
    const definitions = [definition(createReceiver(() => "takes").transport)];
    const sinks = await sinksOver({ events: await storeWith(count), store, definitions });
    const all = { sink: "bus", range: { from: 1, to: count }, request: undefined };
    expect(await sinks.discard(all)).toMatchObject({ value: { done: deadLettersPerCallMax, remaining: 20 } });
    expect(await sinks.discard(all)).toMatchObject({ value: { done: 20, remaining: 0 } });
    await sinks.stop(0);
  });

  test("by a receiver that refuses everything, blocks the sink when there are as many dead letters as are kept", async () => {
    const events = await storeWith(deadLetterCountMax + 5);
    const store = createMemorySinkStore();
    const fullBut = deadLetterCountMax - 2;
    await store.apply({
      puts: [{ name: "bus", kind: "webhook", cursor: fullBut, isPaused: false, last: undefined }],
      deadLetters: Array.from({ length: fullBut }, (_, index) => deadLetter({ event: { ...sourceEvent, sequence: index + 1 } })),
    });
    let isOpen = false;
    const receiver = createReceiver(() => (isOpen ? "takes" : { type: "refused", cause: "no" }), { windowMax: 1 });
    const sinks = await sinksOver({ events, store, definitions: [definition(receiver.transport)] });
    sinks.start();
    await inState(sinks, "blocked");
    expect(await only(sinks)).toMatchObject({ cursor: deadLetterCountMax, deadLetterCount: deadLetterCountMax });
    isOpen = true;
    await sinks.discard({ sink: "bus", range: { from: 1, to: 1 }, request: undefined });
    await cursorAt(sinks, deadLetterCountMax + 5);
    expect(receiver.arrived).toEqual([1, 2, 3, 4, 5].map((each) => deadLetterCountMax + each));
    await sinks.stop(0);
  });
});

describe("who makes room in a sink that is blocked lets it go on", () => {
  async function blocked(overlay: (store: SinkStore) => SinkStore = (store) => store) {
    const memory = createMemorySinkStore();
    const cursor = deadLetterCountMax;
    await memory.apply({
      puts: [{ name: "bus", kind: "webhook", cursor, isPaused: false, last: undefined }],
      deadLetters: upTo(cursor).map((sequence) => deadLetter({ event: { ...sourceEvent, sequence } })),
    });
    const left = new AbortController();
    const receiver = createReceiver(() => {
      left.abort(new Error("left"));
      return "takes";
    });
    const definitions = [definition(receiver.transport)];
    const sinks = await sinksOver({ events: await storeWith(cursor + 1), store: overlay(memory), definitions });
    sinks.start();
    await inState(sinks, "blocked");
    return { sinks, left, command: { sink: "bus", range: { from: 1, to: 2 }, request: undefined } };
  }

  test("though the caller left before all that was to be retried was", async () => {
    const { sinks, left, command } = await blocked();
    await expect(sinks.retry({ ...command, signal: left.signal })).rejects.toThrow("left");
    await cursorAt(sinks, deadLetterCountMax + 1);
    await sinks.stop(0);
  });

  test("though nobody knew whether the letters are gone, and then they were", async () => {
    const { sinks, command } = await blocked((store) => answeringLost(store, ({ dropped }) => dropped !== undefined));
    expect(await sinks.discard(command)).toEqual({ ok: false, error: { type: "storage-unavailable" } });
    await cursorAt(sinks, deadLetterCountMax + 1);
    await sinks.stop(0);
  });
});

test.each([1, 2])(
  "a receiver that answers event %d with failures is tried as often as it may be, then that is a dead letter",
  async (wrong) => {
    const events = await storeWith(3);
    let asked = 0;
    const receiver = createReceiver(
      ([first]) => {
        if (first?.event.sequence !== wrong) return "takes";
        asked += 1;
        return { type: "failed", cause: "HTTP 500", answered: true };
      },
      { batchCountMax: 1, windowMax: 1, failuresMax: 5 },
    );
    const sinks = await sinksOver({ events, store: createMemorySinkStore(), definitions: [definition(receiver.transport)] });
    sinks.start();
    await cursorAt(sinks, 3);
    const { rows } = await sinks.deadLetters({ sink: "bus", afterSequence: 0, limit: 10 });
    expect(rows).toMatchObject([{ event: { sequence: wrong }, cause: "HTTP 500", tries: 5 }]);
    expect(asked).toBe(5);
    await sinks.stop(0);
  },
);

test("a receiver that is gone for good pauses the sink, also over a restart, until it is resumed", async () => {
  const events = await storeWith(3);
  const store = createMemorySinkStore();
  let isGone = true;
  const receiver = createReceiver(() => (isGone ? { type: "gone", cause: "HTTP 410" } : "takes"));
  const definitions = [definition(receiver.transport)];
  const first = await sinksOver({ events, store, definitions });
  first.start();
  await inState(first, "paused");
  expect((await only(first)).trouble?.cause).toBe("HTTP 410");
  await first.stop(0);
  // It is paused still, though its receiver is back: nobody asks it.
  isGone = false;
  const second = await sinksOver({ events, store, definitions });
  expect((await only(second)).state).toBe("paused");
  second.start();
  await settled();
  expect([(await only(second)).state, receiver.arrived]).toEqual(["paused", []]);
  expect(await second.resume({ sink: "bus", request: undefined })).toEqual({ ok: true, value: { cursor: 0 } });
  await cursorAt(second, 3);
  await second.stop(0);
});

test("between tries the pause grows to ten seconds; a receiver may ask for more patience, up to ten minutes", async () => {
  const pauses: number[] = [];
  const clock = {
    ...hurriedClock,
    setTimer: (delayMs: number, run: () => void) => {
      if (delayMs !== cursorSaveMs && delayMs !== restGraceMs) pauses.push(delayMs);
      return hurriedClock.setTimer(delayMs, run);
    },
  };
  const events = await storeWith(1);
  const asked = [undefined, 3_000, 86_400_000];
  let count = 0;
  const receiver = createReceiver(() => {
    count += 1;
    const retryAfterMs = count > 9 ? asked[count - 10] : undefined;
    return count > 12 ? "takes" : { type: "failed", cause: "HTTP 503", ...(retryAfterMs !== undefined && { retryAfterMs }) };
  });
  const sinks = await sinksOver({ events, store: createMemorySinkStore(), definitions: [definition(receiver.transport)], clock });
  sinks.start();
  await cursorAt(sinks, 1);
  // Half of it is jitter, for which the dice say 0. The third, 200 ms, looks like the time until cursors are stored, and is left out.
  expect(pauses).toEqual([50, 100, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000, 600_000]);
  await sinks.stop(0);
});

test("a connection is closed before the next one is opened, or two would publish at a time", async () => {
  const closing = Promise.withResolvers<void>();
  let opened = 0;
  const receiver = createReceiver(() => (opened === 1 ? "misses" : "takes"));
  const open: Transport["open"] = async (options) => {
    opened += 1;
    const connection = await receiver.transport.open(options);
    if (opened === 1 && connection.ok) return ok({ ...connection.value, close: () => closing.promise });
    return connection;
  };
  const definitions = [definition({ ...receiver.transport, open })];
  const sinks = await sinksOver({ events: await storeWith(1), store: createMemorySinkStore(), definitions });
  sinks.start();
  for (let turn = 0; turn < 30; turn += 1) await new Promise(setImmediate);
  expect(opened).toBe(1);
  closing.resolve();
  await cursorAt(sinks, 1);
  expect(opened).toBe(2);
  await sinks.stop(0);
});

test("a pause leaves nothing behind at what could have ended it, however long a receiver is away", async () => {
  const listeners: number[] = [];
  const receiver = createReceiver(() => "takes");
  const open: Transport["open"] = async (options) => {
    listeners.push(getEventListeners(options.signal, "abort").length);
    return listeners.length < 9 ? err({ cause: "nobody is there" }) : receiver.transport.open(options);
  };
  const definitions = [definition({ ...receiver.transport, open })];
  const sinks = await sinksOver({ events: await storeWith(1), store: createMemorySinkStore(), definitions });
  sinks.start();
  await cursorAt(sinks, 1);
  expect(listeners).toEqual(Array(9).fill(listeners[0]));
  await sinks.stop(0);
});

test("a store that cannot be read for a while holds a sink up, and does not end it", async () => {
  const events = await storeWith(3);
  let isReadable = false;
  const flaky = {
    ...events,
    sequences: async () => {
      if (!isReadable) throw new Error("not readable now");
      return events.sequences();
    },
  };
  const store = createMemorySinkStore();
  const receiver = createReceiver(() => "takes");
  isReadable = true;
  const sinks = await sinksOver({ events: flaky, store, definitions: [definition(receiver.transport)] });
  isReadable = false;
  sinks.start();
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  isReadable = true;
  expect(await only(sinks)).toMatchObject({ state: "retrying", trouble: { cause: expect.stringContaining("not readable now") } });
  await cursorAt(sinks, 3);
  expect(receiver.arrived).toEqual([1, 2, 3]);
  expect(await only(sinks)).toMatchObject({ state: "delivering", trouble: undefined });
  await sinks.stop(0);
});

describe("a sink that has stopped for what only an operator can judge", () => {
  test("is compacted when its next event was purged, says so, and goes on by a reset", async () => {
    const events = await storeWith(9);
    const store = createMemorySinkStore();
    const receiver = createReceiver(() => "takes");
    await store.apply({ puts: [{ name: "bus", kind: "webhook", cursor: 2, isPaused: false, last: undefined }] });
    const purged = {
      ...events,
      sequences: async () => ({ oldest: 6, newest: 9 }),
      listEvents: async (page: Parameters<typeof events.listEvents>[0]) =>
        events.listEvents({ ...page, afterSequence: Math.max(5, page.afterSequence) }),
    };
    const sinks = await sinksOver({ events: purged, store, definitions: [definition(receiver.transport)] });
    sinks.start();
    await inState(sinks, "compacted");
    expect((await only(sinks)).trouble?.cause).toContain("events from 3 to 5 some were purged");
    expect([sinks.oldestNeeded(), sinks.behind(2), sinks.behind(3)]).toEqual([3, [], ["bus"]]);
    expect(await sinks.resume({ sink: "bus", request: undefined })).toMatchObject({
      error: { type: "sink-state", state: "compacted" },
    });
    expect(await sinks.reset({ sink: "bus", to: { after: 4 }, request: undefined })).toEqual({
      ok: false,
      error: { type: "events-purged", oldest: 6 },
    });
    expect(await sinks.reset({ sink: "bus", to: { after: 10 }, request: undefined })).toMatchObject({
      error: { type: "beyond-newest" },
    });
    expect(await sinks.reset({ sink: "bus", to: "oldest", request: undefined })).toEqual({
      ok: true,
      value: { cursorBefore: 2, cursor: 5 },
    });
    await cursorAt(sinks, 9);
    expect(receiver.arrived).toEqual([6, 7, 8, 9]);
    await sinks.stop(0);
  });

  test("publishes across what was purged if an operator says so, also after a restart; what is purged later stops it again", async () => {
    const events = await storeWith(9);
    const store = createMemorySinkStore();
    let isUp = true;
    const receiver = createReceiver(([first]) => (isUp || (first?.event.sequence ?? 0) < 4 ? "takes" : "misses"), {
      windowMax: 1,
      batchCountMax: 1,
    });
    await store.apply({ puts: [{ name: "bus", kind: "webhook", cursor: 1, isPaused: false, last: undefined }] });
    let gone = new Set([2, 5, 6]);
    const purged = {
      ...events,
      sequences: async () => ({ oldest: Math.max(...gone) + 1, newest: 9 }),
      listEvents: async (page: Parameters<typeof events.listEvents>[0]) => {
        const { rows, ...rest } = await events.listEvents(page);
        return { ...rest, rows: rows.filter(({ sequence }) => !gone.has(sequence)) };
      },
    };
    const over = { events: purged, store, definitions: [definition(receiver.transport)] };
    const first = await sinksOver(over);
    first.start();
    await inState(first, "compacted");
    isUp = false;
    expect(await first.reset({ sink: "bus", to: { after: 1 }, acrossPurged: true, request: undefined })).toMatchObject({
      value: { cursorBefore: 1, cursor: 1 },
    });
    await cursorAt(first, 3);
    await first.stop(0);
    isUp = true;
    const second = await sinksOver(over);
    second.start();
    await cursorAt(second, 9);
    expect(receiver.arrived).toEqual([3, 4, 7, 8, 9]);

    receiver.arrived.length = 0;
    expect(await second.reset({ sink: "bus", to: "oldest", acrossPurged: true, request: undefined })).toMatchObject({
      value: { cursor: 0 },
    });
    await cursorAt(second, 9);
    expect(receiver.arrived).toEqual([1, 3, 4, 7, 8, 9]);

    isUp = false;
    await second.reset({ sink: "bus", to: { after: 3 }, acrossPurged: true, request: undefined });
    gone = new Set([...gone, 8]);
    isUp = true;
    await inState(second, "compacted");
    expect(await only(second)).toMatchObject({ cursor: 3 });
    await second.stop(0);
  });

  test.each([
    { what: "has fewer events than were published", cursor: 9, last: undefined },
    { what: "has another event where one was published", cursor: 2, last: { sequence: 2, eventId: "another" } },
    { what: "has lost what was published in a restore", cursor: 2, last: undefined, kept: 1 },
  ])("is diverged when the store $what", async ({ cursor, last, kept }) => {
    const events = { ...(await storeWith(4)), keptBeforeLoss: async (sequence: number) => (sequence === 2 ? kept : undefined) };
    const store = createMemorySinkStore();
    await store.apply({ puts: [{ name: "bus", kind: "webhook", cursor, isPaused: false, last }] });
    const receiver = createReceiver(() => "takes");
    const sinks = await sinksOver({ events, store, definitions: [definition(receiver.transport)] });
    sinks.start();
    await inState(sinks, "diverged");
    expect(receiver.arrived).toEqual([]);
    await sinks.reset({ sink: "bus", to: { after: 3 }, request: undefined });
    await cursorAt(sinks, 4);
    expect(receiver.arrived).toEqual([4]);
    await sinks.stop(0);
  });
});

test("who stops it waits until how far sinks have come is stored", async () => {
  const memory = createMemorySinkStore();
  const stored = Promise.withResolvers<void>();
  let isHeld = false;
  const store: SinkStore = {
    ...memory,
    apply: async (batch) => {
      if (isHeld) await stored.promise;
      return memory.apply(batch);
    },
  };
  const events = await storeWith(3);
  const sinks = await sinksOver({ events, store, definitions: [definition(createReceiver(() => "takes").transport)] });
  isHeld = true;
  sinks.start();
  await until(async () => (await only(sinks)).cursor === 3, "all is published");
  let isStopped = false;
  const stopped = sinks.stop(0).then(() => {
    isStopped = true;
  });
  await settled();
  expect(isStopped).toBe(false);
  stored.resolve();
  await stopped;
  const [kept] = await memory.sinks();
  expect(kept?.cursor).toBe(3);
});

test("a paused sink publishes nothing; what is needed of old events counts it, as it would be after a crash", async () => {
  const events = await storeWith(3);
  const receiver = createReceiver(() => "takes");
  const sinks = await sinksOver({ events, store: createMemorySinkStore(), definitions: [definition(receiver.transport)] });
  expect(sinks.oldestNeeded()).toBe(1);
  sinks.start();
  await until(() => sinks.oldestNeeded() === 4, "all is published, and stored so");
  expect(await sinks.pause({ sink: "bus", request: undefined })).toEqual({ ok: true, value: { cursor: 3 } });
  await happen(events, 2);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  expect(receiver.arrived).toEqual([1, 2, 3]);
  expect(sinks.oldestNeeded()).toBe(4);
  expect(await only(sinks)).toMatchObject({ state: "paused", cursor: 3, newest: 5 });
  await sinks.stop(0);
});

describe("what is under way when an operator steps in", () => {
  /** Three events are published, and none is answered. */
  async function underWay() {
    const held: ((published: Published) => void)[] = [];
    const connection: Connection = {
      publish: () => new Promise((answer) => void held.push(answer)),
      broken: new Promise<string>(() => {}),
      isProof: false,
      close: async () => {},
    };
    const { transport } = createReceiver(() => "takes", { batchCountMax: 1, open: async () => ok(connection) });
    const store = createMemorySinkStore();
    const sinks = await sinksOver({ events: await storeWith(3), store, definitions: [definition(transport)] });
    sinks.start();
    await until(() => held.length === 3, "all are under way");
    const acknowledge = (): void => {
      for (const answer of held.splice(0, 3)) answer({ type: "acknowledged" });
    };
    return { sinks, store, held, acknowledge };
  }

  const someTurns = async () => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  };

  test("does not move the cursor after a reset, or what was to be published again would be skipped", async () => {
    const { sinks, store, held, acknowledge } = await underWay();
    const reset = sinks.reset({ sink: "bus", to: { after: 0 }, request: undefined });
    await someTurns();
    acknowledge();
    const answered = await reset;
    await until(() => held.length === 3, "all are published again");
    await someTurns();
    expect((await only(sinks)).cursor).toBe(0);
    expect((await store.sinks())[0]?.cursor).toBe(0);
    expect(answered).toEqual({ ok: true, value: { cursorBefore: 3, cursor: 0 } });
    acknowledge();
    await sinks.stop(0);
  });

  test("counts for the cursor of a pause if it is acknowledged, or a resume would publish again what has arrived", async () => {
    const { sinks, store, acknowledge } = await underWay();
    const pause = sinks.pause({ sink: "bus", request: undefined });
    await someTurns();
    acknowledge();
    expect(await pause).toEqual({ ok: true, value: { cursor: 3 } });
    expect(await only(sinks)).toMatchObject({ state: "paused", cursor: 3 });
    expect(await store.sinks()).toMatchObject([{ cursor: 3, isPaused: true, last: { sequence: 3 } }]);
    await sinks.stop(0);
  });
});

describe("whatever write is the last one before a crash", () => {
  /** A store, and what a look at it finds after each write. */
  function lookedAt<Found>(look: (store: SinkStore) => Promise<Found>) {
    const memory = createMemorySinkStore();
    const found: Found[] = [];
    const apply: SinkStore["apply"] = async (batch) => {
      const written = await memory.apply(batch);
      found.push(await look(memory));
      return written;
    };
    return { store: { ...memory, apply }, found };
  }

  const cursorOf = async (store: SinkStore) => (await store.sinks())[0]?.cursor ?? 0;
  const refuses2 = (options = {}) =>
    createReceiver(
      (batch) => (batch.some(({ event }) => event.sequence === 2) ? { type: "refused", cause: "no" } : "takes"),
      options,
    );

  test("no cursor has passed a refused event that is no dead letter, or it would never be published", async () => {
    const { store, found } = lookedAt(async (kept) => [await cursorOf(kept), await kept.deadLetterCount("bus")] as const);
    const definitions = [definition(refuses2().transport)];
    const sinks = await sinksOver({ events: await storeWith(3), store, definitions });
    sinks.start();
    await cursorAt(sinks, 3);
    await sinks.stop(0);
    expect(found.filter(([cursor, letters]) => cursor >= 2 && letters === 0)).toEqual([]);
    expect(found.at(-1)).toEqual([3, 1]);
  });

  test("a dead letter that is being retried is kept, or a crash would lose it", async () => {
    const store = createMemorySinkStore();
    const kept: Promise<number>[] = [];
    const receiver = createReceiver(([first]) => {
      if (first?.event.sequence !== 2) return "takes";
      kept.push(store.deadLetterCount("bus"));
      return kept.length > 2 ? "takes" : { type: "refused", cause: "no" };
    });
    const definitions = [definition({ ...receiver.transport, batchCountMax: 1 })];
    const sinks = await sinksOver({ events: await storeWith(3), store, definitions });
    sinks.start();
    await cursorAt(sinks, 3);
    const { signal } = new AbortController();
    const range = { from: 1, to: 9 };
    expect(await sinks.retry({ sink: "bus", range, signal, request: undefined })).toMatchObject({ value: { done: 1 } });
    await sinks.stop(0);
    expect(await Promise.all(kept)).toEqual([0, 0, 1]);
  });

  const request = { id: "r" as RequestId, digest: "d" };
  const command = { sink: "bus", request };
  const isPaused = async (store: SinkStore) => (await store.sinks())[0]?.isPaused === true;

  test.each<{ what: string; run: (sinks: Sinks) => Promise<unknown>; isDone: (store: SinkStore) => Promise<boolean> }>([
    { what: "a pause", run: (sinks) => sinks.pause(command), isDone: isPaused },
    { what: "a resume", run: (sinks) => sinks.resume(command), isDone: async (store) => !(await isPaused(store)) },
    {
      what: "a reset",
      run: (sinks) => sinks.reset({ ...command, to: { after: 1 } }),
      isDone: async (store) => (await cursorOf(store)) === 1,
    },
    {
      what: "a discard",
      run: (sinks) => sinks.discard({ ...command, range: { from: 1, to: 9 } }),
      isDone: async (store) => (await store.deadLetterCount("bus")) === 0,
    },
  ])("$what is remembered if it is done, and done if it is remembered", async ({ what, run, isDone }) => {
    const { store, found } = lookedAt(async (kept) => [await isDone(kept), (await kept.answer(request.id)) !== undefined]);
    const definitions = [definition(refuses2().transport)];
    const sinks = await sinksOver({ events: await storeWith(3), store, definitions });
    sinks.start();
    await cursorAt(sinks, 3);
    await sinks.pause({ sink: "bus", request: undefined });
    if (what === "a pause") await sinks.resume({ sink: "bus", request: undefined });
    found.length = 0;
    await run(sinks);
    await sinks.stop(0);
    expect(found.filter(([done, remembered]) => done !== remembered)).toEqual([]);
    expect(found[0]).toEqual([true, true]);
  });
});

test("what is needed of old events is what would be after a crash: all that has been published, if none of it could be stored", async () => {
  const process = tearable(createMemorySinkStore());
  const receiver = createReceiver(() => "takes");
  const definitions = [definition(receiver.transport)];
  const sinks = await sinksOver({ events: await storeWith(3), store: process.store, definitions });
  process.tear();
  sinks.start();
  await cursorAt(sinks, 3);
  await settled();
  expect(sinks.oldestNeeded()).toBe(1);
  await sinks.stop(0);
  expect(sinks.oldestNeeded()).toBe(1);
});

describe("a change of which nobody knows whether it is stored", () => {
  const request = { id: "r" as RequestId, digest: "d" };

  const isPause = ({ puts = [] }: SinkBatch): boolean => puts.some((record) => record.isPaused);

  /** The answer to a pause is lost, and the pause is not. */
  async function delivered() {
    const memory = createMemorySinkStore();
    const store = answeringLost(memory, isPause);
    const definitions = [definition(createReceiver(() => "takes").transport)];
    const sinks = await sinksOver({ events: await storeWith(3), store, definitions });
    sinks.start();
    await cursorAt(sinks, 3);
    return { memory, sinks };
  }

  test("holds if it is: who asks again is told that it does", async () => {
    const { memory, sinks } = await delivered();
    expect(await sinks.pause({ sink: "bus", request })).toEqual({ ok: false, error: { type: "storage-unavailable" } });
    expect(await sinks.pause({ sink: "bus", request })).toEqual({ ok: true, value: { cursor: 3 } });
    expect(await only(sinks)).toMatchObject({ state: "paused" });
    await sinks.stop(0);
    expect(await memory.sinks()).toMatchObject([{ isPaused: true }]);
  });

  test("is undone if nobody can ask again: its caller was told that it failed, and the sink goes on, also after a restart", async () => {
    const { memory, sinks } = await delivered();
    expect(await sinks.pause({ sink: "bus", request: undefined })).toMatchObject({ ok: false });
    expect(await memory.sinks()).toMatchObject([{ isPaused: true }]);
    expect(await only(sinks)).toMatchObject({ state: "delivering" });
    await sinks.stop(0);
    expect(await memory.sinks()).toMatchObject([{ isPaused: false }]);
  });
});

test("what does not end by itself within the grace ends with its connection, and not before", async () => {
  let answer = (_: Published): void => {};
  let isClosed = false;
  const connection: Connection = {
    publish: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
    broken: new Promise<string>(() => {}),
    isProof: false,
    close: async () => {
      isClosed = true;
      answer({ type: "failed", cause: "closed" });
    },
  };
  const clock = fakeClock();
  const { transport } = createReceiver(() => "takes", { open: async () => ok(connection) });
  const sinks = await sinksOver({
    ...{ events: await storeWith(1), store: createMemorySinkStore(), definitions: [definition(transport)], clock },
  });
  sinks.start();
  await settled();
  let isStopped = false;
  const stopped = sinks.stop(50).then(() => {
    isStopped = true;
  });
  await settled();
  await clock.pass(49);
  expect([isClosed, isStopped]).toEqual([false, false]);
  await clock.pass(1);
  await settled();
  expect([isClosed, isStopped]).toEqual([true, true]);
  await stopped;
});

test("a sink that nobody knows, or that is not configured any more, says so", async () => {
  const events = await storeWith(1);
  const store = createMemorySinkStore();
  await store.apply({ puts: [{ name: "old", kind: "nats", cursor: 1, isPaused: false, last: undefined }] });
  const receiver = createReceiver(() => "takes");
  const sinks = await sinksOver({ events, store, definitions: [definition(receiver.transport)] });
  expect((await sinks.list()).map(({ name, state }) => [name, state])).toEqual([
    ["bus", "delivering"],
    ["old", "unconfigured"],
  ]);
  expect(await sinks.pause({ sink: "nobody", request: undefined })).toEqual({
    ok: false,
    error: { type: "sink-not-found", sink: "nobody", known: ["bus", "old"] },
  });
  expect(await sinks.reset({ sink: "old", to: "now", request: undefined })).toMatchObject({
    error: { type: "sink-state", state: "unconfigured" },
  });
  await sinks.stop(0);
});

test("a request id has one answer, and is refused for anything else", async () => {
  const events = await storeWith(5);
  const receiver = createReceiver(() => "takes");
  const sinks = await sinksOver({ events, store: createMemorySinkStore(), definitions: [definition(receiver.transport)] });
  sinks.start();
  await cursorAt(sinks, 5);
  const request = { id: "r" as RequestId, digest: "one" };
  const reset = { sink: "bus", to: { after: 2 }, request } as const;
  const answers = await Promise.all([sinks.reset(reset), sinks.reset(reset)]);
  await cursorAt(sinks, 5);
  expect([...answers, await sinks.reset(reset)]).toEqual(
    [1, 2, 3].map(() => ({ ok: true, value: { cursorBefore: 5, cursor: 2 } })),
  );
  expect(receiver.arrived).toEqual([1, 2, 3, 4, 5, 3, 4, 5]);
  expect(await sinks.reset({ ...reset, request: { ...request, digest: "two" } })).toMatchObject({
    error: { type: "request-id-reused" },
  });
  await sinks.stop(0);
});
