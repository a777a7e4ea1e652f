import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { type Position, positionAt } from "../../predicate/core/position.ts";
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
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true });
  const placeAt = (offset: number): Place => {
    const { line, column } = positionAt(text, offset);
    return { file, line, column, lineText: text.split(/\r\n|\r|\n/)[line - 1] ?? "" };
  };
  const problem = (message: string, offset: number): FileProblem => ({ severity: "error", place: placeAt(offset), message });
  const problems = document.errors.map(({ message, pos }) => problem(message, pos[0]));
  return {
    file,
    problems,
    value: problems.length === 0 ? document.toJS() : undefined,
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
  const lines = [...text.matchAll(/(?:\r\n|\r|\n|^)([^\r\n]*)/g)];
  const found = lines[line - 1];
  if (found === undefined) return text.length;
  const [whole, content = ""] = found;
  const inLine = [...content].slice(0, column - 1).join("").length;
  return found.index + whole.length - content.length + inLine;
}
