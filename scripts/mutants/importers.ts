import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const specifiers = /\b(?:from|import)\s*\(?\s*"(\.[^"]+\.ts)"/g;

/** Which of these test files load a source file, however long the way: of constants nothing else says who looks at them. */
export function createImporters(root: string, testFiles: readonly string[]): (file: string) => ReadonlySet<string> {
  const loadedBy = new Map<string, Set<string>>();
  const importsOf = new Map<string, readonly string[]>();

  function importsIn(file: string): readonly string[] {
    const known = importsOf.get(file);
    if (known !== undefined) return known;
    const text = readFileSync(join(root, file), "utf8");
    const found = [...text.matchAll(specifiers)].map(([, specifier = ""]) => join(dirname(file), specifier));
    importsOf.set(file, found);
    return found;
  }

  for (const testFile of testFiles) {
    const seen = new Set<string>();
    const left = [testFile];
    for (let file = left.pop(); file !== undefined; file = left.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      left.push(...importsIn(file));
      loadedBy.set(file, (loadedBy.get(file) ?? new Set()).add(testFile));
    }
  }
  return (file) => loadedBy.get(file) ?? new Set();
}
