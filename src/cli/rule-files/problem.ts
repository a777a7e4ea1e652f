import { printable } from "../../kernel/text.ts";
import type { Position } from "../../predicate/core/position.ts";

/** Where something stands, and that line of the file. */
export type Place = { readonly file: string } & Position & { readonly lineText: string };

/** Where a field of a request comes from that was read from files; `within` is a place in its text. No place: the files as a whole. */
export type PlaceOf = (field: string, within?: Position) => Place | { readonly file: string };

export type FileProblem = {
  readonly severity: "error" | "warning";
  /** Only a file: all of it. */
  readonly place: Place | { readonly file: string };
  readonly message: string;
};

/** As compilers tell it: where, what, and the line with a caret. */
export function problemLines({ severity, place, message }: FileProblem): readonly string[] {
  if (!("line" in place)) return [`${place.file}: ${severity}: ${message}`];
  const { file, line, column, lineText } = place;
  const margin = `${line} | `.padStart(7);
  const before = printable([...lineText].slice(0, column - 1).join(""));
  return [
    `${file}:${line}:${column}: ${severity}: ${printable(message)}`,
    `${margin}${printable(lineText)}`,
    `${"| ".padStart(margin.length)}${" ".repeat([...before].length)}^`,
  ];
}

/** In the order of the files and lines. */
export const inOrder = (problems: readonly FileProblem[]): readonly FileProblem[] =>
  problems.toSorted(({ place: a }, { place: b }) => {
    if (a.file !== b.file) return a.file < b.file ? -1 : 1;
    const lines = lineOf(a) - lineOf(b);
    return lines === 0 && "line" in a && "line" in b ? a.column - b.column : lines;
  });

const lineOf = (place: FileProblem["place"]): number => ("line" in place ? place.line : 0);
