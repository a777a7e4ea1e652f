import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generate, type Mutants } from "./generate.ts";
import { type Mutant, nameOf } from "./mutant.ts";

export type SourceFile = { readonly file: string; readonly text: string; readonly mutants: Mutants };

const folders = "src/{commit,workflow,storage,predicate,events}/**/*.ts";

/** Their tests need a PostgreSQL or a NATS, which they start and kill. */
const leftOut = /^src\/(storage\/postgres\/|events\/nats\.ts$)/;

/** Those under one of `prefixes`; with none of these, all. */
export function readSources(root: string, prefixes: readonly string[]): readonly SourceFile[] {
  return globSync(folders, { cwd: root })
    .filter((file) => !leftOut.test(file))
    .filter((file) => prefixes.length === 0 || prefixes.some((prefix) => file.startsWith(prefix)))
    .sort()
    .map((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return { file, text, mutants: generate(file, text) };
    });
}

export const isCore = (file: string): boolean => file.includes("/core/");

/** What rates are told of: `commit`, `commit/core`, `commit/participant`, … */
export const folderOf = (file: string): string =>
  isCore(file) ? file.replace(/^src\/(\w+\/core)\/.*/, "$1") : dirname(file).replace(/^src\//, "");

/**
 * By chance, but the same for the same seed; and what a change does not touch keeps its place. Of each folder there are as many as the root of
 * its number of mutants, so that the largest do not crowd out the others.
 */
export function shuffled(mutants: readonly Mutant[], seed: number): readonly Mutant[] {
  const draw = (mutant: Mutant, nth: number): string =>
    createHash("sha256")
      .update(`${seed} ${nth} ${nameOf(mutant)}`)
      .digest("hex");
  const namesakes = new Map<string, number>();
  const drawn = mutants.map((mutant) => {
    const nth = namesakes.get(nameOf(mutant)) ?? 0;
    namesakes.set(nameOf(mutant), nth + 1);
    return { mutant, lot: draw(mutant, nth) };
  });
  const byFolder = Map.groupBy(drawn, ({ mutant }) => folderOf(mutant.file));
  const placed = [...byFolder.values()].flatMap((group) =>
    group
      .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
      .map(({ mutant, lot }, rank) => ({ mutant, lot, place: (rank + 0.5) / Math.sqrt(group.length) })),
  );
  return placed.toSorted((a, b) => a.place - b.place || (a.lot < b.lot ? -1 : 1)).map(({ mutant }) => mutant);
}
