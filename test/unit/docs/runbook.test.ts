import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const headingsOf = (page: string): readonly string[] =>
  [...read(`docs/${page}`).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => title);

test("every page and section to which `status` and `diagnose` lead is there", () => {
  const source = globSync("src/cli/{status,diagnose}/*.ts", { cwd: root }).map(read).join("\n");
  const constant = /^const page = "([^"]+)"/m.exec(source)?.[1];
  const seen = [...source.matchAll(/see\((page|"[^"]+"), "([^"]+)"\)/g)].map(([, page = "", section = ""]) => [
    page === "page" ? String(constant) : page.slice(1, -1),
    section,
  ]);
  const named = [...source.matchAll(/docs\/([\w-]+\.md), ([^"'`;]+)["'`;]/g)].map(([, page = "", section = ""]) => [
    page,
    section,
  ]);
  const all = [...seen, ...named];
  expect(all.length).toBeGreaterThan(10);
  for (const [page = "", section = ""] of all) expect(headingsOf(page), `${page}, ${section}`).toContain(section);
});

test("every drill of the runbook is a test", () => {
  const tests = read("test/e2e/runbook.test.ts");
  const [, table = ""] = /drill in test\/e2e\/runbook \|\n\|[-|]+\n((?:\|.*\n)+)/.exec(read("docs/operations.md")) ?? [];
  const drills = table
    .trimEnd()
    .split("\n")
    .map((line) => line.split("|").at(-2)?.trim() ?? "");
  expect(drills.length).toBeGreaterThanOrEqual(8);
  for (const drill of drills) expect(tests, drill).toContain(`"${drill}`);
});
