import { expect, test } from "vitest";
import { atOnce } from "../../../src/workflow/at-once.ts";
import { settled } from "../../support/fake-clock.ts";
import { pausing } from "../../support/pausing.ts";

/** Runs of items that end when the test says so. */
function world(items: readonly string[], countMax: number) {
  const begun: string[] = [];
  const runs = new Map<string, PromiseWithResolvers<void>>();
  const done = atOnce(items, countMax, pausing()(), (item) => {
    begun.push(item);
    const run = Promise.withResolvers<void>();
    runs.set(item, run);
    return run.promise;
  });
  return {
    begun,
    done,
    end: (item: string) => runs.get(item)?.resolve(),
    fail: (item: string) => runs.get(item)?.reject(new Error(item)),
  };
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

test("a failure is told when what is under way has ended, and nothing begins after it", async () => {
  const { begun, done, end, fail } = world(["a", "b", "c"], 2);
  let told: unknown;
  void done.catch((error: unknown) => {
    told = error;
  });
  await settled();
  fail("b");
  await settled();
  expect([begun, told]).toEqual([["a", "b"], undefined]);
  end("a");
  await expect(done).rejects.toThrow("b");
  expect(begun).toEqual(["a", "b"]);
});
