import { describe, expect, test } from "vitest";
import { StorageUnavailableError } from "../../src/kernel/write.ts";
import type { Statement, StoreSchema } from "../../src/storage/sqlite/statement.ts";
import { createStoreWorld, watched } from "../support/simulated-store.ts";
import { type FlushFault, flushFaults } from "./sqlite-faults.ts";

const schema: StoreSchema = {
  kind: "key-value",
  migrations: [
    {
      version: 1,
      sql: `CREATE TABLE notes (id INTEGER PRIMARY KEY, token TEXT NOT NULL) STRICT;
        CREATE TABLE log (id TEXT NOT NULL) STRICT; INSERT INTO log VALUES ('')`,
    },
  ],
};

const insert = (id: number): Statement<string> => ({
  sql: "INSERT INTO notes (id, token) VALUES (?, hex(randomblob(8)))",
  params: [id],
  expect: { changes: 1, conflict: "exists" },
});

/** Two rows: half of it is seen. */
const pair = (id: number): Statement<string>[] => [insert(2 * id), insert(2 * id + 1)];

const idsOf = ({ disk }: ReturnType<typeof createStoreWorld>): number[] =>
  disk.rows("SELECT id FROM notes ORDER BY id").map(({ id }) => Number(id));

const unavailable = (outcomeUnknown: boolean) => ({ ok: false, error: { type: "storage-unavailable", outcomeUnknown } });

describe("what the engine is told of a flush, and what is durable", () => {
  const expected: Readonly<Record<FlushFault, readonly [told: object, ids: readonly number[]]>> = {
    "begin fails": [unavailable(false), []],
    "commit fails, not durable": [unavailable(true), []],
    "commit fails, durable": [unavailable(true), [2, 3]],
    "disk full": [unavailable(false), []],
    "writer dies, not durable": [unavailable(true), []],
    "writer dies, durable": [unavailable(true), [2, 3]],
  };

  test.each(flushFaults)("%s", async (fault) => {
    const world = createStoreWorld(schema, { fault });
    const { engine } = world.open("p");
    const told = watched(engine.apply(pair(1)));
    await world.pass(6_000);
    expect([told.value, idsOf(world)]).toMatchObject(expected[fault]);
    // Once nothing fails any more the engine finds that out itself, with another writer if the first one has died.
    world.calm();
    await world.pass(30_000);
    expect(engine.writable).toBe(true);
    const later = watched(engine.apply(pair(7)));
    await world.pass(1_000);
    expect(later.value).toMatchObject({ ok: true });
    expect(idsOf(world)).toEqual([...expected[fault][1], 14, 15]);
  });
});

test("a read that fails says so, and the next one need not; what is written meanwhile is durable", async () => {
  const world = createStoreWorld(schema);
  const { engine } = world.open("p");
  world.failReads();
  expect(() => engine.read("SELECT id FROM notes")).toThrow(StorageUnavailableError);
  expect(() => engine.readUntil(() => true, "SELECT id FROM notes")).toThrow(StorageUnavailableError);
  expect(await world.until(engine.apply(pair(1)))).toMatchObject({ ok: true });
  world.calm();
  expect(engine.read("SELECT id FROM notes")).toEqual([{ id: 2 }, { id: 3 }]);
  expect(world.tally.counts.get("failed reads: key-value")).toBe(2);
});

test("a process that dies while it flushes has written all of the flush or nothing, and is told nothing", async () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const world = createStoreWorld(schema, { seed });
    const { engine, process } = world.open("p");
    const told = [watched(engine.apply(pair(1))), watched(engine.apply(pair(2)))];
    await world.pass(seed % 12);
    const before = told.map(({ value }) => value);
    process.kill();
    const ids = idsOf(world);
    found.add(JSON.stringify(ids));
    await world.pass(1_000);
    expect(told.map(({ value }) => value)).toEqual(before);
    expect(idsOf(world)).toEqual(ids);
    if (before.includes("no answer")) continue;
    expect(ids).toEqual([2, 3, 4, 5]);
  }
  expect([...found].sort()).toEqual(["[2,3,4,5]", "[]"]);
});

test("once its writer has died, an engine writes nothing until it has another one", async () => {
  const world = createStoreWorld(schema, { fault: "writer dies, not durable" });
  const { engine } = world.open("p");
  const first = watched(engine.apply(pair(1)));
  while (!first.isSettled) await world.pass(1);
  world.calm();
  const second = watched(engine.apply(pair(2)));
  await world.pass(100);
  expect([second.value, idsOf(world)]).toMatchObject([unavailable(false), []]);
  await world.pass(1_000);
  const third = watched(engine.apply(pair(3)));
  await world.pass(100);
  expect([third.value, idsOf(world)]).toMatchObject([{ ok: true }, [6, 7]]);
});

test("of two processes on one disk, the second is refused what the first has written", async () => {
  const world = createStoreWorld(schema);
  const [one, other] = [world.open("one"), world.open("other")];
  const told = [watched(one.engine.apply(pair(1)))];
  await world.pass(100);
  told.push(watched(other.engine.apply([insert(9), insert(3)])));
  await world.pass(100);
  expect(told.map(({ value }) => value)).toMatchObject([{ ok: true }, { ok: false, error: { type: "conflict" } }]);
  expect(idsOf(world)).toEqual([2, 3]);
});

test("what a commit makes durable is seen before anybody is told", async () => {
  const world = createStoreWorld(schema);
  const { engine, process } = world.open("p");
  world.disk.onCommit(() => {
    expect(idsOf(world)).toEqual([2, 3]);
    process.kill();
  });
  const told = watched(engine.apply(pair(1)));
  await world.pass(1_000);
  expect(told.value).toBe("no answer");
  expect(world.tally.counts.get("flushes durable, unknown to the process")).toBe(1);
});

test.each(["commit fails, durable", undefined] as const)(
  "of a commit it is known which batches stand in it, whatever the engine is told (%s)",
  async (fault) => {
    const world = createStoreWorld(schema, fault && { fault });
    const { engine } = world.open("p");
    const named: unknown[] = [];
    world.disk.onCommit((_, batches) => named.push(batches.map((batch) => batch.map(({ params }) => params))));
    const told = [pair(1), pair(1), pair(2)].map((batch) => watched(engine.apply(batch)));
    await world.pass(500);
    expect(named[0]).toEqual([
      [[2], [3]],
      [[4], [5]],
    ]);
    expect(told.map(({ value }) => value !== "no answer" && value.ok)).toEqual(
      fault ? [false, false, false] : [true, false, true],
    );
  },
);

test("chance within SQL comes from the seed as well", async () => {
  const run = async (seed: number) => {
    const world = createStoreWorld(schema, { seed });
    const { engine } = world.open("p");
    void engine.apply(pair(1));
    await world.pass(100);
    return JSON.stringify([world.disk.rows("SELECT * FROM notes"), world.disk.rows("SELECT * FROM log")]);
  };
  expect(await run(3)).toBe(await run(3));
  expect(await run(3)).not.toBe(await run(4));
});
