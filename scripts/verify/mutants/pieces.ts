// The conjuncts, disjuncts, conditions and branches that a definition is made of.

import type { Token } from "./tokens.ts";

export type Role = "whole" | "conjunct" | "disjunct" | "condition" | "arm" | "branch" | "operand";

export type Piece = {
  readonly role: Role;
  readonly tokens: readonly Token[];
  /** Nothing, for what is not made of others. */
  readonly parts: readonly Piece[];
};

const opening = new Set(["(", "[", "{", "<<"]);
const closing = new Set([")", "]", "}", ">>"]);

/** The indices of the tokens that are in no bracket. */
export function outer(tokens: readonly Token[]): readonly number[] {
  const indices: number[] = [];
  let depth = 0;
  for (const [index, { text }] of tokens.entries()) {
    if (closing.has(text)) depth -= 1;
    if (depth === 0) indices.push(index);
    if (opening.has(text)) depth += 1;
  }
  return indices;
}

export function piecesOf(tokens: readonly Token[], role: Role = "whole"): Piece {
  const piece = (parts: readonly Piece[]): Piece => ({ role, tokens, parts });
  const first = tokens[0];
  if (first === undefined) return piece([]);
  if (first.text === "/\\" || first.text === "\\/") return piece(listed(tokens, first));
  if (first.text === "LET") {
    const body = tokens.findIndex(({ text }) => text === "IN");
    return piece([piecesOf(tokens.slice(body + 1), role)]);
  }
  if (first.text === "IF") return piece(conditional(tokens));
  if (first.text === "CASE") return piece(cases(tokens));
  if (first.text === "\\E" || first.text === "\\A") {
    const colon = outer(tokens).find((index) => tokens[index]?.text === ":") ?? tokens.length;
    return piece([piecesOf(tokens.slice(colon + 1), "operand")]);
  }
  for (const connectives of [["=>", "<=>"], ["\\/"], ["/\\"]]) {
    const parts = splitAt(tokens, connectives);
    const inner: Role = connectives[0] === "/\\" ? "conjunct" : connectives[0] === "\\/" ? "disjunct" : "operand";
    if (parts.length > 1) return piece(parts.map((part) => piecesOf(part, inner)));
  }
  if (first.text === "(" && outer(tokens).length === 2) return piece([piecesOf(tokens.slice(1, -1), role)]);
  return piece([]);
}

/** The bullets stand under each other; what stands further right belongs to them. */
function listed(tokens: readonly Token[], bullet: Token): readonly Piece[] {
  const starts = outer(tokens).filter((index) => {
    const token = tokens[index];
    return token?.text === bullet.text && token.column === bullet.column;
  });
  const role = bullet.text === "/\\" ? "conjunct" : "disjunct";
  return starts.map((start, at) => piecesOf(tokens.slice(start + 1, starts[at + 1]), role));
}

function conditional(tokens: readonly Token[]): readonly Piece[] {
  let depth = 0;
  let then = tokens.length;
  let otherwise = tokens.length;
  for (const index of outer(tokens)) {
    const text = tokens[index]?.text;
    if (text === "IF") depth += 1;
    if (text === "THEN" && depth === 1 && then === tokens.length) then = index;
    if (text === "ELSE") {
      if (depth === 1) {
        otherwise = index;
        break;
      }
      depth -= 1;
    }
  }
  return [
    piecesOf(tokens.slice(1, then), "condition"),
    piecesOf(tokens.slice(then + 1, otherwise), "branch"),
    piecesOf(tokens.slice(otherwise + 1), "branch"),
  ];
}

function cases(tokens: readonly Token[]): readonly Piece[] {
  return armsOf(tokens.slice(1)).flatMap((part) => {
    const arrow = outer(part).find((index) => part[index]?.text === "->") ?? part.length;
    const value = piecesOf(part.slice(arrow + 1), "branch");
    return part[0]?.text === "OTHER" ? [value] : [piecesOf(part.slice(0, arrow), "arm"), value];
  });
}

/** What an arm says may be local or conditional; the next arm ends it. */
function armsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const starts = outer(tokens).filter((index) => tokens[index]?.text === "[]");
  return [-1, ...starts].map((start, at) => tokens.slice(start + 1, starts[at]));
}

function splitAt(tokens: readonly Token[], connectives: readonly string[]): readonly (readonly Token[])[] {
  const parts: (readonly Token[])[] = [];
  let from = 0;
  for (const index of outer(tokens)) {
    const text = tokens[index]?.text ?? "";
    // What is quantified, conditional or local reaches to the end.
    if (["\\E", "\\A", "IF", "LET", "CASE"].includes(text)) break;
    if (!connectives.includes(text) || index === from) continue;
    parts.push(tokens.slice(from, index));
    from = index + 1;
  }
  return [...parts, tokens.slice(from)];
}
