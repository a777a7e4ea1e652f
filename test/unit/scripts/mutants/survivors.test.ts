import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSources } from "../../../../scripts/mutants/enumerate.ts";
import { nameOf } from "../../../../scripts/mutants/mutant.ts";

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
