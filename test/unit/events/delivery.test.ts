import { describe, expect, test } from "vitest";
import { type DeliveryOptions, deliver } from "../../../src/events/delivery.ts";
import { pendingBytesMax, pendingCountMax } from "../../../src/events/limits.ts";
import type { Connection, EventSource, Outgoing, Published, SourceMessage } from "../../../src/events/ports.ts";
import { sourceEvent } from "../../support/sink-values.ts";
import { until } from "../../support/until.ts";

/** So many events, then silence; says how many were read. */
function sourceOf(count: number, data = "{}") {
  let readCount = 0;
  const source: EventSource = {
    storeId: "s",
    async *read({ afterSequence, signal }): AsyncGenerator<SourceMessage, void> {
      for (let sequence = afterSequence + 1; sequence <= count; sequence += 1) {
        readCount = sequence;
        yield { type: "event", event: { ...sourceEvent, sequence, data } };
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => resolve());
      await promise;
      signal.throwIfAborted();
    },
    sequences: async () => ({ oldest: 1, newest: count }),
    keptBeforeLoss: async () => undefined,
    first: async () => undefined,
  };
  return { source, readCount: () => readCount };
}

/** Holds what is published until the test answers it, in any order. */
function connectionOf() {
  const held: { readonly batch: readonly Outgoing[]; readonly answer: (published: Published) => void }[] = [];
  const broken = Promise.withResolvers<string>();
  const connection: Connection = {
    publish: (batch) => new Promise((answer) => void held.push({ batch, answer })),
    broken: broken.promise,
    isProof: false,
    close: async () => {},
  };
  return { connection, held, break: broken.resolve };
}

function begin(source: EventSource, connection: Connection, fields: Partial<DeliveryOptions> = {}) {
  const stop = new AbortController();
  const cursors: number[] = [];
  const ended = deliver({
    source,
    connection,
    filter: "",
    afterSequence: 0,
    windowMax: 4,
    batchCountMax: 1,
    breathe: () => undefined,
    signal: stop.signal,
    onAcknowledged: () => {},
    onDone: (cursor) => void cursors.push(cursor),
    ...fields,
  });
  return { ended, cursors, stop: () => stop.abort() };
}

const acknowledged = { type: "acknowledged" } as const;
const sequencesOf = (batch: readonly Outgoing[] = []) => batch.map(({ event }) => event.sequence);

describe("what is read and not acknowledged is bounded", () => {
  test("by count, and by what is under way at once", async () => {
    const { source, readCount } = sourceOf(2 * pendingCountMax);
    const { connection, held } = connectionOf();
    const delivery = begin(source, connection);
    await until(() => readCount() >= pendingCountMax, "as many as may be are read");
    await new Promise(setImmediate);
    expect([readCount(), held.length]).toEqual([pendingCountMax, 4]);
    held[0]?.answer(acknowledged);
    await until(() => readCount() === pendingCountMax + 1, "there is room for another one");
    delivery.stop();
    for (const { answer } of held) answer(acknowledged);
    expect(await delivery.ended).toEqual({ type: "stopped" });
  });

  test("by bytes", async () => {
    const { source, readCount } = sourceOf(100, JSON.stringify("x".repeat(pendingBytesMax / 4)));
    const { connection, held } = connectionOf();
    const delivery = begin(source, connection);
    await until(() => held.length === 4, "there is something under way");
    await new Promise(setImmediate);
    expect(readCount()).toBe(4);
    delivery.stop();
    for (const { answer } of held) answer(acknowledged);
    await delivery.ended;
  });
});

test("the cursor passes what is acknowledged, and never what is not, in whatever order answers come", async () => {
  const { source } = sourceOf(4);
  const { connection, held } = connectionOf();
  const delivery = begin(source, connection);
  await until(() => held.length === 4, "all are under way");
  for (const index of [2, 1, 3]) held[index]?.answer(acknowledged);
  await new Promise(setImmediate);
  expect(delivery.cursors).toEqual([]);
  held[0]?.answer({ type: "failed", cause: "lost" });
  expect(await delivery.ended).toEqual({ type: "failed", cause: "lost", answered: undefined });
  expect(delivery.cursors).toEqual([]);
});

test("one that is stopped ends when what is under way is answered, or a late answer would move the cursor after a reset", async () => {
  const { source } = sourceOf(1);
  const { connection, held } = connectionOf();
  const delivery = begin(source, connection);
  await until(() => held.length === 1, "one is under way");
  let hasEnded = false;
  const ended = delivery.ended.finally(() => {
    hasEnded = true;
  });
  delivery.stop();
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  expect(hasEnded).toBe(false);
  held[0]?.answer(acknowledged);
  expect(await ended).toEqual({ type: "stopped" });
  expect(delivery.cursors).toEqual([1]);
});

test("one that is stopped while it reads ends when the read has: its store may be closed then", async () => {
  const read = Promise.withResolvers<void>();
  const source: EventSource = {
    ...sourceOf(0).source,
    // biome-ignore lint/correctness/useYield: nothing comes of it.
    async *read() {
      await read.promise;
    },
  };
  const delivery = begin(source, connectionOf().connection);
  let hasEnded = false;
  const ended = delivery.ended.finally(() => {
    hasEnded = true;
  });
  delivery.stop();
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  expect(hasEnded).toBe(false);
  read.resolve();
  expect(await ended).toEqual({ type: "stopped" });
});

test("a batch has what has come meanwhile, up to its bound", async () => {
  const { source } = sourceOf(6);
  const { connection, held } = connectionOf();
  const delivery = begin(source, connection, { windowMax: 1, batchCountMax: 3 });
  for (const [index, batch] of [[1], [2, 3, 4], [5, 6]].entries()) {
    await until(() => held.length === index + 1, "the next batch is under way");
    expect(sequencesOf(held[index]?.batch)).toEqual(batch);
    held[index]?.answer(acknowledged);
  }
  await until(() => delivery.cursors.at(-1) === 6, "all is done");
  delivery.stop();
  await delivery.ended;
});

test("a refusal counts for an event only if all before it are done with", async () => {
  const { source } = sourceOf(3);
  const refusal = { type: "refused", cause: "no" } as const;
  const early = connectionOf();
  const first = begin(source, early.connection);
  await until(() => early.held.length === 3, "all are under way");
  early.held[1]?.answer(refusal);
  early.held[0]?.answer({ type: "failed", cause: "lost" });
  early.held[2]?.answer(acknowledged);
  expect(await first.ended).toEqual({ type: "failed", cause: "no" });
  const late = connectionOf();
  const second = begin(source, late.connection);
  await until(() => late.held.length === 3, "all are under way");
  late.held[0]?.answer(acknowledged);
  late.held[1]?.answer(refusal);
  late.held[2]?.answer(acknowledged);
  const ended = await second.ended;
  expect(ended.type === "refused" && sequencesOf(ended.events)).toEqual([2]);
  expect(second.cursors).toEqual([1]);
});

test("a connection that breaks while nothing is under way ends the delivery with why", async () => {
  const { source } = sourceOf(0);
  const { connection, break: breakIt } = connectionOf();
  const delivery = begin(source, connection);
  breakIt("the server has gone");
  expect(await delivery.ended).toEqual({ type: "failed", cause: "the server has gone", answered: undefined });
});

test("a store that cannot be read ends it with why", async () => {
  const { source } = sourceOf(0);
  const broken: EventSource = {
    ...source,
    async *read() {
      yield { type: "progress", sequence: 0 };
      throw new Error("damaged");
    },
  };
  expect(await begin(broken, connectionOf().connection).ended).toMatchObject({ type: "failed", cause: "damaged" });
});
