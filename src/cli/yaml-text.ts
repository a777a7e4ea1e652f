import { Document, isPair, isScalar, Scalar, visit } from "yaml";
import { printableLines } from "../kernel/text.ts";

/** Read again, it is the same; and nothing in it acts on a terminal. */
export function yamlText(value: unknown): string {
  const document = new Document(value);
  visit(document, (_, node) => {
    // A plain `<<` would be read as a merge.
    if (isPair(node) && isScalar(node.key) && node.key.value === "<<") node.key.type = Scalar.QUOTE_DOUBLE;
    if (isScalar(node) && isQuoted(String(node.value))) node.type = Scalar.QUOTE_DOUBLE;
  });
  // A long line stays one: an expression is not folded.
  return printableLines(document.toString({ lineWidth: 0 }));
}

/** What must be escaped; and what the library reads otherwise than it has written it as a block. */
const isQuoted = (text: string): boolean => /^\s.*\n/s.test(text) || printableLines(text) !== text;
