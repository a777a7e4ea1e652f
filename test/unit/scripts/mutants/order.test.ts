import { expect, test } from "vitest";
import { generate } from "../../../../scripts/mutants/generate.ts";
import { nameOf } from "../../../../scripts/mutants/mutant.ts";
import { shuffled } from "../../../../scripts/mutants/order.ts";

const large = Array.from({ length: 100 }, (_, n) => `if (a${n} < b && c${n}) run${n}();`).join("\n");
const mutantsOf = (file: string, text: string) => generate(file, text).all;
const all = [...mutantsOf("large.ts", large), ...mutantsOf("small.ts", "if (a < b) run();")];

test("all of them come, once, in the same order for the same seed", () => {
  const order = shuffled(all, 1);
  expect(order.map(nameOf).sort()).toEqual(all.map(nameOf).sort());
  expect(shuffled(all, 1)).toEqual(order);
  expect(shuffled(all, 2)).not.toEqual(order);
});

test("two of a line come before any third", () => {
  const lines = shuffled(all, 1).map(({ file, line }) => `${file}:${line}`);
  const countOf = (list: readonly string[]) => [...Map.groupBy(list, (line) => line).values()].map(({ length }) => length);
  const firstThird = lines.findIndex((line, index) => lines.slice(0, index).filter((other) => other === line).length === 2);
  expect(new Set(countOf(lines.slice(0, firstThird)))).toEqual(new Set([2]));
  expect(new Set(lines.slice(0, firstThird)).size).toBe(101);
});

test("what is large or frequent does not crowd out the rest: each kind of a file has as many as the root of its number", () => {
  const counts = Array.from({ length: 200 }, (_, seed) => {
    const begin = shuffled(all, seed).slice(0, 40);
    return begin.filter(({ file }) => file === "small.ts").length;
  });
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  // Of the file with one line in a hundred and one; by their number it would be 0.3.
  expect(mean).toBeGreaterThan(1.5);
  expect(mean).toBeLessThan(6);
});

test("what is changed elsewhere leaves the order of the others as it was", () => {
  const without = all.filter(({ file }) => file !== "small.ts");
  expect(shuffled(without, 1)).toEqual(shuffled(all, 1).filter(({ file }) => file !== "small.ts"));
});
