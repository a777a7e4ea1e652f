/** Where in the source, both counted from 1, columns in characters. */
export type Position = { readonly line: number; readonly column: number };

export function positionAt(source: string, offset: number): Position {
  const lines = source.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: lines.length, column: [...(lines.at(-1) ?? "")].length + 1 };
}
