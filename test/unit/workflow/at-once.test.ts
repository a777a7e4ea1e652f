import { expect, test } from "vitest";
import { atOnce } from "../../../src/workflow/at-once.ts";
import { settled } from "../../support/fake-clock.ts";
import { pausing } from "../../support/pausing.ts";

/** Runs of items that end when the test says so. */
function world(items: readonly string[], countMax: number) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const done = atOnce(items, countMax, pausing()(), (item) => {
    begun.push(item);
    return new Promise((resolve) => void ends.set(item, resolve));
  });
  return { begun, done, end: (item: string) => ends.get(item)?.() };
}

test("each item is run once, in their order, so many at a time; all have ended when it has", async () => {
  const { begun, done, end } = world(["a", "b", "c", "d"], 2);
  let isDone = false;
  void done.then(() => {
    isDone = true;
  });
  await settled();
  expect(begun).toEqual(["a", "b"]);
  end("b");
  await settled();
  expect(begun).toEqual(["a", "b", "c"]);
  for (const item of ["a", "c"]) end(item);
  await settled();
  expect([begun, isDone]).toEqual([["a", "b", "c", "d"], false]);
  end("d");
  await done;
});

test("one alone begins at once; none is nothing", async () => {
  const { begun, done, end } = world(["a"], 2);
  expect(begun).toEqual(["a"]);
  end("a");
  await done;
  await world([], 2).done;
});

test("the first that fails is its failure", async () => {
  const failing = atOnce(["a", "b"], 2, pausing()(), async (item) => {
    throw new Error(item);
  });
  await expect(failing).rejects.toThrow("a");
});
