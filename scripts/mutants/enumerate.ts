import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generate, type Mutants } from "./generate.ts";

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
