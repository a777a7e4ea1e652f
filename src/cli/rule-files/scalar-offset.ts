import type { Scalar } from "yaml";

/** One character of the value each, however it is written, and what folds lines, which is none. */
const units = {
  PLAIN: /[^\s]/gu,
  QUOTE_SINGLE: /''|[^\s]/gu,
  QUOTE_DOUBLE: /\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[^\s])|[^\s\\]/gu,
} as const;

/** These escapes stand for blanks. */
const blankEscapes = new Set(["\\n", "\\t", "\\r", "\\_", "\\N", "\\L", "\\P", "\\v", "\\f", "\\x20", "\\x09", "\\x0a", "\\x0d"]);

/**
 * Where in the file the character at this offset of the value stands. YAML folds, indents and quotes, but what is no blank stays in its order:
 * it is as many characters from the beginning.
 */
export function scalarOffset(text: string, scalar: Scalar, offset: number): number {
  const [start, end] = scalar.range ?? [0, 0];
  const isBlock = scalar.type === "BLOCK_LITERAL" || scalar.type === "BLOCK_FOLDED";
  const isQuoted = scalar.type === "QUOTE_SINGLE" || scalar.type === "QUOTE_DOUBLE";
  // The header of a block ends its line.
  const from = isBlock ? text.indexOf("\n", start) + 1 : isQuoted ? start + 1 : start;
  const source = text.slice(from, isQuoted ? end - 1 : end);
  const written = source.matchAll(units[isQuoted ? (scalar.type as keyof typeof units) : "PLAIN"]);
  let left = [...String(scalar.value).slice(0, offset).replaceAll(/\s/gu, "")].length;
  let last = from;
  for (const { 0: unit, index } of written) {
    if (blankEscapes.has(unit)) continue;
    if (left === 0) return from + index;
    left -= 1;
    last = from + index + unit.length;
  }
  return last;
}
