import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSources } from "../../../../scripts/mutants/enumerate.ts";
import { instrument } from "../../../../scripts/mutants/instrument.ts";
import { nameOf } from "../../../../scripts/mutants/mutant.ts";
import { parse } from "../../../../scripts/mutants/syntax.ts";

const root = join(import.meta.dirname, "../../../..");

// What has been changed since would go on being excused.
test("each listed survivor is a mutant of the code as it stands, and has a reason", () => {
  const listed = JSON.parse(readFileSync(join(root, "test/mutants/survivors.json"), "utf8")) as readonly {
    readonly mutant: string;
    readonly reason: string;
  }[];
  const files = listed.map(({ mutant }) => mutant.split(" ")[0] ?? "");
  const names = new Set(readSources(root, [...new Set(files)]).flatMap(({ mutants }) => mutants.all.map(nameOf)));
  expect(listed.filter(({ mutant, reason }) => !names.has(mutant) || reason === "")).toEqual([]);
});

// One that cannot be parsed would take all tests of its file out of the run.
test("the code can be parsed with all its mutants in it", () => {
  for (const { file, text, mutants } of readSources(root, [])) {
    const ids = new Map(mutants.all.map((mutant, id) => [mutant, id]));
    expect(() =>
      parse(
        file,
        instrument(text, mutants, (mutant) => ids.get(mutant), ids.size),
      ),
    ).not.toThrow();
  }
});
