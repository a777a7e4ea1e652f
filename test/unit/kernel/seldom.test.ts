import { expect, test } from "vitest";
import { createSeldomLog, spellCountMax } from "../../../src/kernel/seldom.ts";

function world() {
  const lines: object[] = [];
  const level = (fields: object, message: string) => void lines.push({ message, ...fields });
  const at = { ms: 0 };
  return { lines, at, seldom: createSeldomLog({ info: level, warn: level, error: level }, () => at.ms) };
}

test("says one warning a minute, and how many were left out", () => {
  const { lines, at, seldom } = world();
  for (at.ms = 0; at.ms < 60_000; at.ms += 1) seldom.warn("a", { n: at.ms }, "refused");
  expect(lines).toEqual([{ message: "refused", n: 0 }]);
  seldom.warn("a", { n: at.ms }, "refused");
  at.ms += 60_000;
  seldom.warn("a", { n: at.ms }, "refused");
  expect(lines.slice(1)).toEqual([
    { message: "refused", n: 60_000, leftOut: 59_999 },
    { message: "refused", n: 120_000 },
  ]);
});

test("says a hundred lines of what happened", () => {
  const { lines, at, seldom } = world();
  for (let i = 0; i < 1_000; i += 1) seldom.info("a", {}, "inquiry");
  expect(lines).toHaveLength(100);
  at.ms = 60_000;
  seldom.info("a", {}, "inquiry");
  expect(lines.at(-1)).toEqual({ message: "inquiry", leftOut: 900 });
});

test("counts each message, and each that it is about, apart", () => {
  const { lines, seldom } = world();
  for (const about of ["a", "b"]) for (const message of ["refused", "odd"]) seldom.error(about, { about }, message);
  expect(lines).toHaveLength(4);
});

test("is quiet too for one that makes up names, until those of before are over", () => {
  const { lines, at, seldom } = world();
  for (let i = 0; i < 2 * spellCountMax; i += 1) seldom.warn(`p${i}`, { i }, "refused");
  expect(lines).toHaveLength(spellCountMax + 1);
  at.ms = 60_000;
  seldom.warn("other", {}, "refused");
  expect(lines.at(-1)).toEqual({ message: "refused" });
});
