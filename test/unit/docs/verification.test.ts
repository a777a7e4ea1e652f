import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planted, plantedSeeds, plantedWorlds } from "../../simulation/planted.ts";

const text = readFileSync(join(import.meta.dirname, "../../../docs/verification.md"), "utf8").replaceAll(/\s+/g, " ");

test("docs/verification.md names each planted fault", () => {
  expect(planted.filter(({ name }) => !text.includes(name)).map(({ name }) => name)).toEqual([]);
  expect(text).toContain(`${planted.length} planted faults`);
});

test("each planted fault was found in a world that is looked at", () => {
  const found = planted.filter(({ name }) => (plantedWorlds[name] ?? Number.POSITIVE_INFINITY) <= plantedSeeds);
  expect(Object.keys(plantedWorlds)).toEqual(found.map(({ name }) => name));
  expect(found).toEqual(planted);
});
