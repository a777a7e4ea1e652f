import { describe, expect, test } from "vitest";
import { Reach } from "../../../../scripts/mutants/plan.ts";

const [mutant, probe] = [1, 9];
const file = "src/predicate/core/expr.ts";

type Ran = {
  readonly name?: string;
  readonly cpuMs: number;
  readonly within?: readonly number[];
  readonly before?: readonly number[];
};

function reachOf(files: Readonly<Record<string, readonly Ran[]>>, importers: readonly string[] = []): Reach {
  const reach = new Reach(() => new Set(importers));
  for (const [testFile, tests] of Object.entries(files)) {
    reach.add(
      testFile,
      tests.map(({ name = "", cpuMs, ...reached }, at) => ({
        ...{ id: `${testFile} ${at}`, name, failed: false, ms: cpuMs },
        reached: { cpuMs, ...reached },
      })),
    );
  }
  return reach;
}

const planned = (reach: Reach, kills: readonly string[] = []) =>
  reach
    .stepsOf(mutant, probe, file, ({ id }) => Number(kills.includes(id)))
    .map(({ ids, afresh }) => `${ids.join(", ")}${afresh ? " afresh" : ""}`);

const within = [mutant];

describe("of the tests that reach a mutant", () => {
  test("those that have killed its like come first, then the quick ones, of these those about its file and its folder", () => {
    const reach = reachOf({
      "test/unit/commit/a.test.ts": [{ cpuMs: 5, within }],
      "test/unit/predicate/b.test.ts": [
        { cpuMs: 8, within },
        { cpuMs: 900, within, name: "an expr that is dear" },
        { cpuMs: 100, within },
      ],
      "test/unit/commit/c.test.ts": [
        { cpuMs: 9, within, name: "an expr" },
        { cpuMs: 500, within },
        { cpuMs: 1, within: [7] },
      ],
    });
    const rest = ["test/unit/predicate/b.test.ts 2", "test/unit/predicate/b.test.ts 1"];
    expect(planned(reach, ["test/unit/commit/c.test.ts 1"])).toEqual([
      "test/unit/commit/c.test.ts 1",
      "test/unit/commit/c.test.ts 0",
      "test/unit/predicate/b.test.ts 0",
      "test/unit/commit/a.test.ts 0",
      ...rest,
    ]);
  });

  test("those that run it come before those that only load it, and of these the files that ask most in the time that loading takes", () => {
    const reach = reachOf({
      "test/unit/predicate/few.test.ts": [{ cpuMs: 1, before: within, within: [probe] }],
      "test/unit/predicate/many.test.ts": [
        { cpuMs: 100, within: [probe] },
        { cpuMs: 100, within: [probe] },
        { cpuMs: 5, within: [mutant, probe] },
      ],
    });
    expect(planned(reach)).toEqual([
      "test/unit/predicate/many.test.ts 2",
      "test/unit/predicate/many.test.ts 0, test/unit/predicate/many.test.ts 1 afresh",
      "test/unit/predicate/few.test.ts 0 afresh",
    ]);
  });

  test("those that only import it may look, too, whichever has loaded it: what is data is looked at without a call", () => {
    const files = {
      "test/unit/predicate/a.test.ts": [{ cpuMs: 1, before: within }],
      "test/unit/predicate/b.test.ts": [{ cpuMs: 1 }, { cpuMs: 2 }],
    };
    expect(planned(reachOf(files))).toEqual(["test/unit/predicate/a.test.ts 0 afresh"]);
    expect(planned(reachOf(files, Object.keys(files)))).toEqual([
      "test/unit/predicate/b.test.ts 0, test/unit/predicate/b.test.ts 1 afresh",
      "test/unit/predicate/a.test.ts 0 afresh",
    ]);
  });
});
