import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { Position } from "../../predicate/core/position.ts";
import type { FileProblem, Place } from "./problem.ts";
import { scalarOffset } from "./scalar-offset.ts";

export type YamlPath = readonly (string | number)[];

/** A file that was parsed. */
export type YamlFile = {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly FileProblem[];
  readonly has: (path: YamlPath) => boolean;
  /** Of the value there, or of what is nearest to it; `within` is a place in its text. */
  readonly placeOf: (path: YamlPath, within?: Position) => Place;
  readonly placeOfKey: (path: YamlPath) => Place;
};

export function parseYaml(file: string, text: string): YamlFile {
  const lineCounter = new LineCounter();
  const lines = text.split("\n");
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true });
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    const lineText = lines[line - 1] ?? "";
    return { file, line, column: [...lineText.slice(0, col - 1)].length + 1, lineText: lineText.replace(/\r$/, "") };
  };
  const problem = (message: string, offset: number): FileProblem => ({ severity: "error", place: placeAt(offset), message });
  const problems = document.errors.map(({ message, pos }) => problem(message, pos[0]));
  const value = problems.length === 0 ? plainValue(document) : ok(undefined);
  if (!value.ok) problems.push(problem(value.error, 0));
  return {
    file,
    problems,
    value: value.ok ? value.value : undefined,
    has: (path) => walk(document, path).missing === 0,
    placeOf(path, within) {
      const { node, missing } = walk(document, path);
      const start = node?.range?.[0] ?? 0;
      const isText = missing === 0 && isScalar(node) && typeof node.value === "string";
      return placeAt(isText && within ? scalarOffset(text, node, offsetAt(String(node.value), within)) : start);
    },
    placeOfKey(path) {
      const { node } = walk(document, path.slice(0, -1));
      const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && String(key.value) === path.at(-1)) : undefined;
      return placeAt((pair?.key as Node | undefined)?.range?.[0] ?? node?.range?.[0] ?? 0);
    },
  };
}

/** Aliases that multiply, and merges of what is no map, are seen only when they are followed. */
function plainValue(document: Document): Result<unknown, string> {
  try {
    return ok(document.toJS());
  } catch (error) {
    return err(String(error instanceof Error ? error.message : error));
  }
}

/** As far as there is something on the way. */
function walk(document: Document, path: YamlPath): { readonly node: Node | undefined; readonly missing: number } {
  let node = resolved(document.contents, document);
  for (const [depth, key] of path.entries()) {
    const next = isMap(node) || isSeq(node) ? resolved(node.get(key, true), document) : undefined;
    if (next === undefined) return { node, missing: path.length - depth };
    node = next;
  }
  return { node, missing: 0 };
}

function resolved(node: unknown, document: Document): Node | undefined {
  return isAlias(node) ? node.resolve(document) : ((node ?? undefined) as Node | undefined);
}

/** The other way round than `positionAt`. */
function offsetAt(text: string, { line, column }: Position): number {
  // Lines, and what ends each.
  const parts = text.split(/(\r\n|\r|\n)/);
  const before = parts.slice(0, 2 * (line - 1)).join("").length;
  return before + [...(parts[2 * (line - 1)] ?? "")].slice(0, column - 1).join("").length;
}
