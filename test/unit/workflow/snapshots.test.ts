import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { stretchRowsMax } from "../../../src/kernel/limits.ts";
import type { ChangeSince, WorkflowStore } from "../../../src/workflow/ports.ts";
import { createSnapshots } from "../../../src/workflow/snapshots.ts";
import { pausing } from "../../support/pausing.ts";

const id = (name: string) => name as WorkflowId;

const changed = (sequence: number, name: string, before: ChangeSince["before"]): ChangeSince => ({
  ...{ sequence, workflowId: id(name), before },
});

const was = (version: number, updatedAtMs = 10 * version) => ({ version, updatedAtMs });

/** A store that has these changes, and is read as it is noted. `newest`: the last event that was ever written. */
function worldOf(changes: ChangeSince[], bounds = { eventsMax: 1_000, entriesMax: 1_000 }) {
  const world = {
    newest: changes.at(-1)?.sequence ?? 0,
    /** Behind which event it was read. */
    reads: [] as number[],
    changesSince: async ({ afterSequence, limit }: Parameters<WorkflowStore["changesSince"]>[0]) => {
      world.reads.push(afterSequence);
      return changes.filter(({ sequence }) => sequence > afterSequence).slice(0, limit);
    },
  };
  const store = {
    sequences: async () => ({ oldest: 1, newest: world.newest }),
    changesSince: (page: Parameters<WorkflowStore["changesSince"]>[0]) => world.changesSince(page),
  } as unknown as WorkflowStore;
  const snapshots = createSnapshots({ store, bounds });
  const breathe = pausing()();
  return Object.assign(world, {
    changes,
    at: async (sequence: number, by: "updated" | "version" = "version") => {
      const found = await snapshots({ sequence, by }, breathe);
      return found === "expired" ? found : { places: found.places.map(({ key, id }) => `${key} ${id}`), has: found.has };
    },
  });
}

describe("a list that goes on finds those that have changed since", () => {
  const changes = [changed(4, "b", was(7)), changed(5, "new", "absent"), changed(6, "a", was(2)), changed(7, "b", was(7))];

  test("where they were then, in the order of the list, each once", async () => {
    const { at } = worldOf(changes);
    const byVersion = await at(3);
    const byTime = await at(3, "updated");
    expect([byVersion, byTime]).toMatchObject([{ places: ["2 a", "7 b"] }, { places: ["20 a", "70 b"] }]);
    expect(["a", "b", "new", "c"].map((name) => byVersion !== "expired" && byVersion.has(id(name)))).toEqual([
      ...[true, true, true, false],
    ]);
  });

  test("and what changes from page to page, between what was known, without reading anything twice", async () => {
    const world = worldOf([...changes]);
    await world.at(3);
    world.changes.push(
      changed(8, "first", was(1)),
      changed(9, "d", was(5)),
      changed(10, "last", was(9)),
      changed(11, "a", was(2)),
    );
    world.newest = 11;
    expect(await world.at(3)).toMatchObject({ places: ["1 first", "2 a", "5 d", "7 b", "9 last"] });
    expect(await world.at(3)).toMatchObject({ places: ["1 first", "2 a", "5 d", "7 b", "9 last"] });
    expect(world.reads).toEqual([3, 7]);
  });

  test("as many as there are: a stretch that is full has others behind it", async () => {
    const many = Array.from({ length: 2 * stretchRowsMax + 1 }, (_, n) => changed(n + 1, `w-${n}`, was(n)));
    const world = worldOf(many);
    const found = await world.at(0);
    expect(found !== "expired" && found.places.length).toBe(many.length);
    expect(world.reads).toEqual([0, stretchRowsMax, 2 * stretchRowsMax]);
  });

  test("also where the newest events have been purged: they are not looked for again", async () => {
    const world = worldOf(changes);
    world.newest = 9;
    await world.at(3);
    await world.at(3);
    expect(world.reads).toEqual([3]);
  });

  test("what is written while it reads counts as read; what a slower reader brings does not set it back", async () => {
    const world = worldOf([...changes]);
    const { changesSince } = world;
    const slow = Promise.withResolvers<readonly ChangeSince[]>();
    world.changesSince = () => slow.promise as Promise<ChangeSince[]>;
    const slower = world.at(3);
    await new Promise((resolve) => void setImmediate(resolve));
    world.changesSince = async (page) => {
      world.changes.push(changed(8, "c", was(4)));
      return changesSince(page);
    };
    await world.at(3);
    world.changesSince = changesSince;
    slow.resolve(changes.slice(0, 2));
    world.newest = 8;
    await slower;
    world.reads.length = 0;
    await world.at(3);
    expect(world.reads).toEqual([]);
  });
});

describe("a list has expired", () => {
  test("when more has happened since than is remembered, or where one was is not known; then nothing of it is kept", async () => {
    const bounds = { eventsMax: 3, entriesMax: 1_000 };
    const changes = [1, 2, 3, 4].map((sequence) => changed(sequence, `w-${sequence}`, was(sequence)));
    expect(await worldOf(changes.slice(0, 3), bounds).at(0)).not.toBe("expired");
    expect(await worldOf(changes, bounds).at(0)).toBe("expired");
    expect(await worldOf(changes, bounds).at(1)).not.toBe("expired");
    const forgotten = worldOf([changed(5, "a", was(1)), changed(6, "b", "unknown")]);
    expect([await forgotten.at(4), await forgotten.at(4)]).toEqual(["expired", "expired"]);
    expect(forgotten.reads).toEqual([4, 4]);
  });

  test("when it is of another store's future", async () => {
    const { at } = worldOf([changed(4, "a", was(1))]);
    expect([await at(5), await at(4)]).toMatchObject(["expired", { places: [] }]);
  });
});

// Two workflows' worth of room each, and as much again for the list itself.
test("of all lists together so much is remembered; that of the one that was asked for longest ago goes first, and is read again", async () => {
  const world = worldOf([changed(9, "a", was(1))], { eventsMax: 1_000, entriesMax: 22 });
  await world.at(1);
  await world.at(2);
  await world.at(1);
  expect(world.reads).toEqual([1, 2]);
  await world.at(3);
  await world.at(1);
  await world.at(3);
  expect(world.reads).toEqual([1, 2, 3]);
  await world.at(2);
  expect(world.reads).toEqual([1, 2, 3, 2]);
});
