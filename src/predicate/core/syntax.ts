import { assert } from "../../kernel/assert.ts";
import { expressionDepthMax, expressionTokenCountMax } from "./limits.ts";

/** Where in the source, both counted from 1, columns in characters. */
export type Position = { readonly line: number; readonly column: number };

export function positionAt(source: string, offset: number): Position {
  const lines = source.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: lines.length, column: [...(lines.at(-1) ?? "")].length + 1 };
}

type SyntaxFailure = { readonly offset: number; readonly message: string };

type Token = { readonly kind: "identifier" | "literal" | "operator" | "end"; readonly text: string; readonly offset: number };

const blank = /(?:[ \t\n\f\r]|\/\/[^\n]*)+/y;
const identifier = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const literal = new RegExp(
  [
    /[bB]?[rR]("""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n\r]*"|'[^'\n\r]*')/,
    /[rR][bB]("""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n\r]*"|'[^'\n\r]*')/,
    /[bB]?("""([^\\]|\\[\s\S])*?"""|'''([^\\]|\\[\s\S])*?'''|"([^"\\\n\r]|\\.)*"|'([^'\\\n\r]|\\.)*')/,
    /(\d+\.\d+|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?|0x[0-9a-fA-F]+[uU]?|\d+[uU]?/,
  ]
    .map((alternative) => `(?:${alternative.source})`)
    .join("|"),
  "y",
);
const operator = /&&|\|\||[=!<>]=|[-+*/%<>!?:.,()[\]{}]/y;
const infix = new Set(["&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"]);
const literalWords = new Set(["true", "false", "null"]);

/**
 * Finds the first syntax error of an expression, if there is one. The library's parser only says where its last complete part
 * ends; this says where the error is and what was expected there. It builds no tree.
 * Grammar: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
 */
export function syntaxFailure(source: string): SyntaxFailure | undefined {
  try {
    const cursor = new Cursor(source);
    expression(cursor, 1);
    if (cursor.next.kind !== "end") throw expected(cursor, "an operator or the end");
    return undefined;
  } catch (error) {
    assert(error instanceof Failure, String(error));
    return { offset: error.offset, message: error.message };
  }
}

class Failure extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

class Cursor {
  readonly source: string;
  next: Token;
  private count = 0;

  constructor(source: string) {
    this.source = source;
    this.next = this.read(0);
  }

  advance(): void {
    this.next = this.read(this.next.offset + this.next.text.length);
  }

  accept(text: string): boolean {
    if (this.next.kind === "literal" || this.next.text !== text) return false;
    this.advance();
    return true;
  }

  private read(from: number): Token {
    const offset = from + this.match(blank, from).length;
    if (offset === this.source.length) return { kind: "end", text: "", offset };
    this.count += 1;
    if (this.count > expressionTokenCountMax) {
      throw new Failure(offset, `more than ${expressionTokenCountMax} names, values and operators`);
    }
    for (const [kind, pattern] of [
      ["literal", literal],
      ["identifier", identifier],
      ["operator", operator],
    ] as const) {
      const text = this.match(pattern, offset);
      if (text !== "") return { kind, text, offset };
    }
    throw new Failure(offset, unreadable(this.source.slice(offset)));
  }

  private match(pattern: RegExp, offset: number): string {
    pattern.lastIndex = offset;
    return pattern.exec(this.source)?.[0] ?? "";
  }
}

function unreadable(rest: string): string {
  const [character = ""] = rest;
  if (character === '"' || character === "'") return "this string does not end";
  if (character === "=") return 'unexpected "="; equality is "=="';
  if (character === "&" || character === "|") return `unexpected "${character}"; use "${character}${character}"`;
  return `unexpected "${character}"`;
}

function expected(cursor: Cursor, what: string): Failure {
  const found = cursor.next.kind === "end" ? "the end" : `"${cursor.next.text}"`;
  return new Failure(cursor.next.offset, `expected ${what}, found ${found}`);
}

function require(cursor: Cursor, text: string, what = `"${text}"`): void {
  if (!cursor.accept(text)) throw expected(cursor, what);
}

function expression(cursor: Cursor, depth: number): void {
  if (depth > expressionDepthMax) throw new Failure(cursor.next.offset, `nested deeper than ${expressionDepthMax} levels`);
  operand(cursor, depth);
  while (infix.has(cursor.next.text) || cursor.next.text === "in") {
    cursor.advance();
    operand(cursor, depth);
  }
  if (cursor.accept("?")) {
    expression(cursor, depth + 1);
    require(cursor, ":");
    expression(cursor, depth + 1);
  }
}

function operand(cursor: Cursor, depth: number): void {
  const sign = cursor.next.text;
  if (sign === "!" || sign === "-") while (cursor.accept(sign));
  let qualified = primary(cursor, depth);
  for (;;) {
    if (cursor.accept(".")) {
      name(cursor, "a field or method name");
      if (cursor.accept("(")) {
        sequence(cursor, ")", depth, false);
        qualified = false;
      }
    } else if (cursor.accept("[")) {
      expression(cursor, depth + 1);
      require(cursor, "]");
      qualified = false;
    } else if (qualified && cursor.accept("{")) {
      entries(cursor, depth, () => name(cursor, 'a field name or "}"'));
      qualified = false;
    } else return;
  }
}

/** Says whether it may go on as the name of a message type. */
function primary(cursor: Cursor, depth: number): boolean {
  if (cursor.accept("(")) {
    expression(cursor, depth + 1);
    require(cursor, ")", 'an operator or ")"');
    return false;
  }
  if (cursor.accept("[")) {
    sequence(cursor, "]", depth, true);
    return false;
  }
  if (cursor.accept("{")) {
    entries(cursor, depth, () => expression(cursor, depth + 1));
    return false;
  }
  if (cursor.next.kind === "literal" || literalWords.has(cursor.next.text)) {
    cursor.advance();
    return false;
  }
  cursor.accept(".");
  name(cursor, "an expression");
  if (!cursor.accept("(")) return true;
  sequence(cursor, ")", depth, false);
  return false;
}

function name(cursor: Cursor, what: string): void {
  if (cursor.next.kind !== "identifier" || literalWords.has(cursor.next.text) || cursor.next.text === "in") {
    throw expected(cursor, what);
  }
  cursor.advance();
}

function sequence(cursor: Cursor, end: string, depth: number, trailingComma: boolean): void {
  if (cursor.accept(end)) return;
  do {
    if (trailingComma && cursor.accept(end)) return;
    expression(cursor, depth + 1);
  } while (cursor.accept(","));
  require(cursor, end, `"," or "${end}"`);
}

function entries(cursor: Cursor, depth: number, key: () => void): void {
  do {
    if (cursor.accept("}")) return;
    key();
    require(cursor, ":");
    expression(cursor, depth + 1);
  } while (cursor.accept(","));
  require(cursor, "}", '"," or "}"');
}
