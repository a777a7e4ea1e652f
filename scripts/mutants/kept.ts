import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Verdict } from "./judge.ts";
import { type Mutant, nameOf } from "./mutant.ts";
import type { Tried } from "./report.ts";

type Row = { readonly name: string; readonly line: number } & Verdict;

const fileOf = (root: string): string => join(root, ".cache", "mutants.json");

/** What a run has found, for people, and for one that goes on from it. */
export function keep(root: string, tried: readonly Tried[]): void {
  const rows = tried.map(({ mutant, verdict }): Row => ({ name: nameOf(mutant), line: mutant.line, ...verdict }));
  mkdirSync(dirname(fileOf(root)), { recursive: true });
  writeFileSync(fileOf(root), `${JSON.stringify(rows, undefined, 1)}\n`);
}

/** Of these mutants, those that were kept last. What has been changed since is not among them. */
export function lastTried(root: string, mutants: readonly Mutant[]): readonly Tried[] {
  const rows = JSON.parse(readFileSync(fileOf(root), "utf8")) as readonly Row[];
  const byName = Map.groupBy(mutants, nameOf);
  return rows.flatMap(({ name, line: _, ...verdict }) => {
    const mutant = byName.get(name)?.shift();
    return mutant === undefined ? [] : [{ mutant, verdict }];
  });
}
