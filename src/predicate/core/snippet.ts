import { printable } from "../../kernel/text.ts";
import { positionAt } from "./position.ts";

/** A terminal's line; of a longer one, what is around the place. */
const widthMax = 96;

/** The line of the source, and beneath it where: as compilers show it. */
export function snippetAt(source: string, offset: number): string {
  const line = source.split(/\r\n|\r|\n/)[positionAt(source, offset).line - 1] ?? "";
  const column = offset - lineStart(source, offset);
  const from = Math.max(0, Math.min(column - widthMax / 2, line.length - widthMax));
  const before = printable(`${from > 0 ? "…" : ""}${line.slice(from, column)}`);
  const after = printable(`${line.slice(column, from + widthMax)}${line.length > from + widthMax ? "…" : ""}`);
  return `${before}${after}\n${" ".repeat([...before].length)}^`;
}

function lineStart(source: string, offset: number): number {
  const before = source.slice(0, offset);
  return Math.max(before.lastIndexOf("\n"), before.lastIndexOf("\r")) + 1;
}
