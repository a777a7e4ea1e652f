import { expressionTokenCountMax } from "./limits.ts";

type Token = {
  readonly kind: "identifier" | "quoted" | "text" | "bytes" | "double" | "int" | "uint" | "operator" | "end";
  readonly text: string;
  readonly offset: number;
};

/** Why a text is no expression, and where. */
export class SyntaxFailure extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

const either = (...alternatives: readonly RegExp[]) =>
  new RegExp(alternatives.map((each) => `(?:${each.source})`).join("|"), "y");

const rawQuoted = /(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n\r]*"|'[^'\n\r]*')/;
const quoted = /(?:"""(?:[^\\]|\\[\s\S])*?"""|'''(?:[^\\]|\\[\s\S])*?'''|"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')/;

/** https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax. The first that matches. */
const patterns: readonly (readonly [Token["kind"], RegExp])[] = [
  ["bytes", either(new RegExp(`(?:[bB][rR]|[rR][bB])${rawQuoted.source}`), new RegExp(`[bB]${quoted.source}`))],
  ["text", either(new RegExp(`[rR]${rawQuoted.source}`), quoted)],
  ["double", /(?:\d+\.\d+|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?/y],
  ["uint", /(?:0x[0-9a-fA-F]+|\d+)[uU]/y],
  ["int", /0x[0-9a-fA-F]+|\d+/y],
  ["identifier", /[_a-zA-Z][_a-zA-Z0-9]*/y],
  ["quoted", /`[a-zA-Z0-9_.\-/ ]+`/y],
  ["operator", /&&|\|\||[=!<>]=|[-+*/%<>!?:.,()[\]{}]/y],
];
const blank = /(?:[ \t\n\f\r]|\/\/[^\n]*)+/y;

const operatorWords: Readonly<Record<string, string>> = { and: "&&", or: "||", is: "==", equals: "==" };

/** Reads one token after the other. */
export class Cursor {
  readonly source: string;
  next: Token;
  /** Where the token before the next one ends. */
  end = 0;
  #count = 0;

  constructor(source: string) {
    this.source = source;
    this.next = this.#read(0);
  }

  advance(): Token {
    const token = this.next;
    this.end = token.offset + token.text.length;
    this.next = this.#read(this.end);
    return token;
  }

  is(operator: string): boolean {
    return this.next.kind === "operator" && this.next.text === operator;
  }

  accept(operator: string): boolean {
    const isNext = this.is(operator);
    if (isNext) this.advance();
    return isNext;
  }

  require(operator: string, what = `"${operator}"`): void {
    if (!this.accept(operator)) throw this.expected(what);
  }

  expected(what: string): SyntaxFailure {
    const found = this.next.kind === "end" ? "the end" : `"${this.next.text}"`;
    return new SyntaxFailure(this.next.offset, `expected ${what}, found ${found}${this.#hint()}`);
  }

  /** Of words that other languages have for operators. */
  #hint(): string {
    const word = this.next.text.toLowerCase();
    if (Object.hasOwn(operatorWords, word)) return `; use "${operatorWords[word]}"`;
    return /\bnot\s+$/i.test(this.source.slice(0, this.next.offset)) ? '; "not" is "!"' : "";
  }

  #read(from: number): Token {
    const offset = from + this.#match(blank, from).length;
    if (offset === this.source.length) return { kind: "end", text: "", offset };
    this.#count += 1;
    if (this.#count > expressionTokenCountMax) {
      throw new SyntaxFailure(offset, `more than ${expressionTokenCountMax} names, values and operators`);
    }
    for (const [kind, pattern] of patterns) {
      const text = this.#match(pattern, offset);
      if (text !== "") return { kind, text, offset };
    }
    throw new SyntaxFailure(offset, unreadable(this.source.slice(offset)));
  }

  #match(pattern: RegExp, offset: number): string {
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
