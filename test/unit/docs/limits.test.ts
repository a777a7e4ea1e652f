import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as access from "../../../src/access/limits.ts";
import * as commit from "../../../src/commit/limits.ts";
import * as waiting from "../../../src/commit/waiting.ts";
import * as events from "../../../src/events/limits.ts";
import * as kernel from "../../../src/kernel/limits.ts";
import * as expressions from "../../../src/predicate/core/limits.ts";
import * as ruleSets from "../../../src/predicate/core/rule-set/limits.ts";
import * as schemas from "../../../src/predicate/core/schema/limits.ts";
import * as predicate from "../../../src/predicate/limits.ts";
import * as bytes from "../../../src/storage/sqlite/store-bytes.ts";
import * as queue from "../../../src/storage/sqlite/write-queue.ts";
import * as bulk from "../../../src/workflow/bulk-limits.ts";
import * as workflow from "../../../src/workflow/limits.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/limits.md"), "utf8");
/** The bounds that have numbers, by their names: one, or the first and the last pause, or a count and bytes. */
const bounds = [
  ...[access, kernel, commit, waiting, events, predicate, expressions, ruleSets, schemas, queue, bytes, workflow, bulk],
].flatMap((exported) =>
  Object.entries(exported).flatMap(([name, value]) => {
    const values: readonly unknown[] = typeof value === "object" ? Object.values(value) : [value];
    return values.filter((each) => typeof each === "number").map((each) => [name, each] as const);
  }),
);

const units = [
  ["ms", 1],
  ["s", 1_000],
  ["min", 60_000],
  ["h", 3_600_000],
  ["days", 24 * 3_600_000],
  ["bytes", 1],
  ["KiB", 1024],
  ["MiB", 1024 * 1024],
] as const;

/** All ways to say a number on the page. */
const told = (value: number): readonly string[] => [
  value.toLocaleString("en"),
  ...units.map(([unit, of]) => `${(value / of).toLocaleString("en")} ${unit}`),
];

const says = (text: string, value: number): boolean =>
  told(value).some((way) => new RegExp(`(^|[^\\d,.])${way.replaceAll(".", "\\.")}($|[^\\d,.]|[,.](?!\\d))`).test(text));

const rowsOf = (name: string): readonly string[] =>
  page.split("\n").filter((line) => line.startsWith("| ") && line.includes(`\`${name}\``));

// Who sets up a client, or looks for why something was refused, believes this page.
test.each(bounds.filter(([name]) => rowsOf(name).length > 0))("docs/limits.md says that %s is %d", (name, value) => {
  // Several bounds have the same name, and each has its row.
  expect(rowsOf(name).some((row) => says(row, value))).toBe(true);
});
