import { expect, test } from "vitest";
import { err, ok, type Result } from "../../../../src/kernel/result.ts";
import type { Connections, Reader } from "../../../../src/storage/sqlite/connections.ts";
import { createEngine } from "../../../../src/storage/sqlite/engine.ts";
import type { Place } from "../../../../src/storage/sqlite/place.ts";
import type { OpenFailure, Statement } from "../../../../src/storage/sqlite/statement.ts";
import { walBytesMax } from "../../../../src/storage/sqlite/store-bytes.ts";
import type { FlushReply, FlushRequest } from "../../../../src/storage/sqlite/writer-messages.ts";
import type { Writer } from "../../../../src/storage/sqlite/writer-thread.ts";
import { fakeClock, settled } from "../../../support/fake-clock.ts";

// What the engine asks of its writer and its files, and when. What a real disk does with it: test/storage.

const lookMs = 500;
const mebibyte = 1024 * 1024;
const full: FlushReply = { type: "failed", cause: "the disk is full", outcomeUnknown: false, final: false };
const add = (bytes = 1): Statement => ({ sql: "INSERT INTO notes VALUES (?)", params: [new Uint8Array(bytes)] });

/** A disk that does as the test says. */
function world({ hasWriter = true } = {}) {
  const said: string[] = [];
  const disk = {
    freeBytes: Number.POSITIVE_INFINITY,
    walBytes: 0,
    alive: true,
    displaced: undefined as string | undefined,
    shortened: undefined as string | undefined,
    /** What the writer answers; done, if it is nothing. */
    answer: async (): Promise<FlushReply | undefined> => undefined,
    read: (): unknown[] => [],
  };
  const told = ({ sql, batches }: FlushRequest): string =>
    batches
      .flatMap((batch) => batch.map(([index, params]) => `${sql[index]?.split(" ").slice(0, 3).join(" ")} ${params}`))
      .join("; ");
  const writer = (name: string): Writer => ({
    get alive() {
      return disk.alive;
    },
    files: [],
    shortened: () => disk.shortened,
    flush: async (request) => {
      said.push(`${name}: ${told(request)}`.trimEnd());
      const outcomes = request.batches.map(() => ({ type: "applied" as const, rows: [] }));
      return (await disk.answer()) ?? { type: "flushed", outcomes, marked: undefined, tookMs: 1, walBytes: 0 };
    },
    truncateWal: async () => void said.push(`${name}: truncate`),
    close: async () => void said.push(`${name}: close`),
  });
  let isOpen = true;
  const reader = {
    get isOpen() {
      return isOpen;
    },
    prepare: () => ({ all: () => disk.read() }),
    close: () => {
      isOpen = false;
      said.push("reader: close");
    },
  } as unknown as Reader;
  const connections = (name: string): Connections => {
    isOpen = true;
    return { reader, writer: writer(name), openTimes: [] };
  };
  let refused: Result<Writer, OpenFailure> | undefined;
  const place: Place = {
    path: "/notes.db",
    connect: async () => {
      said.push("connect");
      return ok(connections("second"));
    },
    replace: async () => {
      said.push("replace");
      if (refused !== undefined) return refused;
      disk.alive = true;
      return ok(writer("second"));
    },
    displaced: () => disk.displaced,
    freeBytes: () => disk.freeBytes,
    walBytes: () => disk.walBytes,
    remember: (mark) => void said.push(`remember ${mark}`),
    release: () => void said.push("release"),
  };
  const clock = fakeClock();
  const engine = createEngine(
    place,
    { reader, writer: hasWriter ? writer("first") : undefined, openTimes: [] },
    { ...clock, monotonicMs: clock.nowMs, nextTurn: (run) => void setImmediate(run) },
  );
  const changes: string[] = [];
  engine.onWritableChange((writable, cause) => changes.push(`${writable} ${cause}`.trimEnd()));
  return {
    engine,
    clock,
    disk,
    changes,
    /** Undefined: by one that works. */
    replaceWith: (found: Result<Writer, OpenFailure> | undefined) => {
      refused = found;
    },
    /** What was asked since this was asked last. */
    said: () => said.splice(0),
  };
}

/** Answers that the test gives one by one. */
function oneByOne(disk: ReturnType<typeof world>["disk"]) {
  const waiting: ((reply: FlushReply | undefined) => void)[] = [];
  disk.answer = () => new Promise((resolve) => void waiting.push(resolve));
  return (reply?: FlushReply) => {
    waiting.shift()?.(reply);
    return settled();
  };
}

test("nothing is asked of a disk that is well, until something is written", async () => {
  const { clock, said, engine } = world();
  await clock.pass(20 * lookMs);
  expect(said()).toEqual([]);
  expect(await engine.apply([add()])).toMatchObject({ ok: true });
  expect(said()).toEqual(["first: INSERT INTO notes 0"]);
});

test("after a write for which there was no space it tries as much space, alone, until there is; then any", async () => {
  const { engine, clock, disk, said, changes } = world();
  disk.answer = async () => full;
  expect(await engine.apply([add(3 * mebibyte)])).toMatchObject({
    error: { type: "storage-unavailable", cause: "the disk is full" },
  });
  expect([engine.writable, changes]).toEqual([false, ["false the disk is full"]]);
  said();
  await clock.pass(2 * lookMs);
  const probe = (bytes: number): string => `first: DELETE FROM write_probe ; INSERT INTO write_probe ${bytes}`;
  expect(said()).toEqual([probe(3 * mebibyte), probe(3 * mebibyte)]);
  // Who writes meanwhile hears what the disk says, and is not told by the probe.
  expect(await engine.apply([add()])).toMatchObject({ error: { type: "storage-unavailable" } });
  disk.answer = async () => undefined;
  said();
  await clock.pass(lookMs);
  expect(said()).toEqual([probe(3 * mebibyte), "first: DELETE FROM write_probe"]);
  expect([engine.writable, changes]).toEqual([true, ["false the disk is full", "true"]]);
  await clock.pass(2 * lookMs);
  expect(said()).toEqual([]);
  disk.answer = async () => full;
  await engine.apply([add()]);
  said();
  await clock.pass(lookMs);
  expect(said()).toEqual([probe(mebibyte)]);
});

test("too little space at the start is like a full disk", async () => {
  const { engine, disk } = world();
  expect(engine.writable).toBe(true);
  expect(disk.freeBytes).toBeGreaterThan(mebibyte);
  const { engine: cramped, clock, said } = world({ hasWriter: false });
  expect(cramped.writable).toBe(false);
  expect(await cramped.apply([add()])).toMatchObject({ error: { cause: "the disk is full", outcomeUnknown: false } });
  await clock.pass(lookMs);
  expect(said()).toEqual([
    "remember made",
    "reader: close",
    "connect",
    `second: DELETE FROM write_probe ; INSERT INTO write_probe ${mebibyte}`,
    "second: DELETE FROM write_probe",
  ]);
  expect(cramped.writable).toBe(true);
});

test("without a writer and without space nothing is opened", async () => {
  const { engine, clock, said, disk } = world({ hasWriter: false });
  disk.freeBytes = mebibyte - 1;
  await clock.pass(lookMs);
  expect(said()).toEqual([]);
  expect(engine.writable).toBe(false);
  disk.freeBytes = mebibyte;
  await clock.pass(lookMs);
  expect(engine.writable).toBe(true);
});

test("a writer that has died is replaced once, and one that cannot be is asked for again", async () => {
  const { engine, clock, disk, said, replaceWith } = world();
  disk.answer = async () => ({ ...full, cause: "the writer thread ended" });
  disk.alive = false;
  await engine.apply([add()]);
  replaceWith(err({ type: "inaccessible", message: "no" }));
  said();
  await clock.pass(lookMs);
  expect(said()[0]).toBe("replace");
  expect(engine.writable).toBe(false);
  replaceWith(undefined);
  disk.answer = async () => undefined;
  await clock.pass(2 * lookMs);
  expect(said()).toEqual([
    "replace",
    `second: DELETE FROM write_probe ; INSERT INTO write_probe ${mebibyte}`,
    "second: DELETE FROM write_probe",
  ]);
  expect(engine.writable).toBe(true);
});

test("files that were removed end it at once: who waits hears so, and no disk is asked any more", async () => {
  const { engine, clock, disk, said, changes } = world();
  const answer = oneByOne(disk);
  const underWay = engine.apply([add()]);
  await settled();
  const waits = engine.apply([add()]);
  disk.displaced = "/notes.db";
  await clock.pass(lookMs);
  const cause = expect.stringContaining("/notes.db was removed or replaced");
  expect(await waits).toMatchObject({ error: { type: "storage-unavailable", cause, outcomeUnknown: false } });
  expect(changes).toEqual([
    "false /notes.db was removed or replaced while it was in use. Nothing more is written. Stop, put the file back or restore a backup, and start again.",
  ]);
  await answer();
  expect(await underWay).toMatchObject({ ok: true });
  said();
  await clock.pass(10 * lookMs);
  expect(said()).toEqual([]);
  expect(clock.waiting()).toEqual([]);
  expect(await engine.apply([add()])).toMatchObject({ error: { cause } });
  expect([engine.writable, changes.length]).toEqual([false, 1]);
});

test("what ends it while it probes is not undone by the probe", async () => {
  const { engine, clock, disk, said, changes } = world();
  disk.answer = async () => full;
  await engine.apply([add()]);
  const answer = oneByOne(disk);
  await clock.pass(lookMs);
  disk.displaced = "/notes.db";
  await clock.pass(lookMs);
  said();
  await answer();
  expect(said()).toEqual([]);
  expect([engine.writable, changes.length]).toEqual([false, 2]);
});

test("what ends it before it probes ends the probe too", async () => {
  const { engine, clock, disk, said } = world();
  disk.answer = async () => full;
  await engine.apply([add()]);
  const answer = oneByOne(disk);
  void engine.apply([add()]);
  await settled();
  await clock.pass(lookMs);
  disk.displaced = "/notes.db";
  await clock.pass(lookMs);
  said();
  await answer();
  expect(said()).toEqual([]);
});

test("a file that turns out to be damaged when it is read is not written any more", async () => {
  const { engine, disk } = world();
  disk.read = () => {
    throw Object.assign(new Error("database disk image is malformed"), { errcode: 11 });
  };
  expect(() => engine.read("SELECT 1")).toThrow("/notes.db is damaged");
  expect(await engine.apply([add()])).toMatchObject({ error: { cause: expect.stringContaining("is damaged") } });
  expect(engine.writable).toBe(false);
});

test("a write-ahead log that has grown is moved into the file, once it is larger than it may be and can be", async () => {
  const { engine, clock, disk, said } = world();
  disk.walBytes = walBytesMax;
  await clock.pass(lookMs);
  expect(said()).toEqual([]);
  disk.walBytes = walBytesMax + 1;
  await clock.pass(lookMs);
  expect(said()).toEqual(["first: truncate"]);
  disk.answer = async () => full;
  await engine.apply([add()]);
  said();
  await clock.pass(lookMs);
  expect(said().filter((what) => what.endsWith("truncate"))).toEqual([]);
});

test("how long it is open is saved each minute; if it cannot be, it is as after any other write", async () => {
  const { engine, clock, disk, said } = world();
  await clock.pass(60_000 - lookMs);
  expect(said()).toEqual([]);
  await clock.pass(lookMs);
  expect(said()).toEqual([expect.stringMatching(/^first: DELETE FROM open_times .*; INSERT OR REPLACE/)]);
  await clock.pass(60_000 - lookMs);
  expect(said()).toEqual([]);
  disk.answer = async () => full;
  await clock.pass(lookMs);
  expect(engine.writable).toBe(false);
});

test("a write-ahead log that was cut: the writer is asked whether that matters; if so, nothing more is written, and the next start knows", async () => {
  const harmless = world();
  harmless.disk.shortened = "/notes.db-wal";
  await harmless.clock.pass(lookMs);
  expect(harmless.said()).toEqual(["first:"]);
  expect(harmless.engine.writable).toBe(true);

  const { engine, clock, disk, said, changes } = world();
  disk.shortened = "/notes.db-wal";
  disk.answer = async () => ({ ...full, cause: "it was cut", final: true });
  await clock.pass(lookMs);
  expect(said()).toEqual(["first:", "remember wal-lost"]);
  expect(changes).toEqual([expect.stringContaining("false /notes.db-wal was shortened")]);
  disk.answer = async () => undefined;
  await engine.close();
  expect(said()).not.toContain("remember made");
});

// A writer has one request at a time.
test.each<[string, (given: ReturnType<typeof world>) => void, RegExp]>([
  ["how long it is open is saved", ({ clock }) => clock.set(clock.nowMs() + 60_000), /^first: DELETE FROM open_times/],
  [
    "a log that was cut is asked about",
    ({ disk }) => {
      disk.shortened = "/notes.db-wal";
    },
    /^first:$/,
  ],
])("while %s, what is written waits", async (_, make, asked) => {
  const given = world();
  const { engine, clock, disk, said } = given;
  make(given);
  const answer = oneByOne(disk);
  await clock.pass(lookMs);
  const applied = engine.apply([add()]);
  await settled();
  expect(said()).toEqual([expect.stringMatching(asked)]);
  disk.shortened = undefined;
  await answer();
  expect(said()).toEqual(["first: INSERT INTO notes 0"]);
  await answer();
  expect(await applied).toMatchObject({ ok: true });
});

test("a failure that is final ends it, with its own words", async () => {
  const { engine, disk, changes, clock, said } = world();
  disk.answer = async () => ({ ...full, cause: "the file is damaged", final: true });
  expect(await engine.apply([add()])).toMatchObject({ error: { cause: "the file is damaged" } });
  expect(changes).toEqual(["false the file is damaged"]);
  disk.answer = async () => undefined;
  said();
  await clock.pass(3 * lookMs);
  expect(said()).toEqual([]);
});

test("close waits for what is under way, saves how long it was open, and leaves the files in an order that a kill cannot spoil", async () => {
  const { engine, clock, disk, said } = world();
  await clock.pass(lookMs);
  const answer = oneByOne(disk);
  const underWay = engine.apply([add()]);
  await settled();
  const closing = engine.close();
  expect(engine.close()).toBe(closing);
  expect(await engine.apply([add()])).toMatchObject({ error: { cause: "/notes.db is closed" } });
  await settled();
  expect(said()).toEqual(["first: INSERT INTO notes 0"]);
  await answer();
  expect(await underWay).toMatchObject({ ok: true });
  await answer();
  await closing;
  expect(said()).toEqual([
    expect.stringMatching(/^first: DELETE FROM open_times/),
    "remember made",
    "reader: close",
    "first: close",
    "release",
  ]);
  expect(clock.waiting()).toEqual([]);
});
