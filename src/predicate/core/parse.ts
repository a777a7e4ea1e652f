import { assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { bool, call, constant, type Entry, entry, ident, int, list, select, struct, text } from "./build.ts";
import type { Expr } from "./expr.ts";
import { expressionDepthMax } from "./limits.ts";
import { bytesOf, textOf } from "./literals.ts";
import { expandCall, expandMethod } from "./macros.ts";
import { Cursor, SyntaxFailure } from "./tokens.ts";

type Parsed = {
  readonly expr: Expr;
  /** Where the node with this id stands: of an operator itself, of a selection or call its name. */
  readonly offsetOf: (id: bigint) => number;
};

/** Where an expression begins and ends in the source. */
export type Span = { readonly offset: number; readonly length: number };

/**
 * The first syntax error is told where it is, with what was expected there. `spans` gets each node that somebody has written as such,
 * not those that a macro stands for.
 */
export function parse(
  source: string,
  spans?: Map<Expr, Span>,
): Result<Parsed, { readonly offset: number; readonly message: string }> {
  try {
    const parser = new Parser(source, spans);
    const expr = parser.whole();
    const { offsets } = parser;
    return ok({ expr, offsetOf: (id) => offsets[Number(id)] ?? 0 });
  } catch (error) {
    assert(error instanceof SyntaxFailure, String(error));
    return err({ offset: error.offset, message: error.message });
  }
}

/** From those that bind least. */
const relations = new Set(["<", "<=", ">", ">=", "==", "!="]);
const sums = new Set(["+", "-"]);
const products = new Set(["*", "/", "%"]);

const reservedWords = new Set(
  "as break const continue else for function if import let loop package namespace return var void while".split(" "),
);

/** Grammar: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax */
class Parser {
  readonly offsets: number[] = [0];
  readonly #cursor: Cursor;
  readonly #spans: Map<Expr, Span> | undefined;

  constructor(source: string, spans: Map<Expr, Span> | undefined) {
    this.#cursor = new Cursor(source);
    this.#spans = spans;
  }

  whole(): Expr {
    const expr = this.#expression(1);
    if (this.#cursor.next.kind !== "end") throw this.#cursor.expected("an operator or the end");
    return expr;
  }

  #id(offset = this.#cursor.next.offset): bigint {
    this.offsets.push(offset);
    return BigInt(this.offsets.length - 1);
  }

  /** It ends where the cursor is. Parentheses around it are no part of it. */
  #written(offset: number, expr: Expr): Expr {
    if (this.#spans?.has(expr) === false) this.#spans.set(expr, { offset, length: this.#cursor.end - offset });
    return expr;
  }

  #expression(depth: number): Expr {
    const cursor = this.#cursor;
    if (depth > expressionDepthMax)
      throw new SyntaxFailure(cursor.next.offset, `nested deeper than ${expressionDepthMax} levels`);
    const { offset } = cursor.next;
    const condition = this.#logic("||", () => this.#logic("&&", () => this.#relation(depth)));
    if (!cursor.is("?")) return condition;
    const id = this.#id();
    cursor.advance();
    const yes = this.#expression(depth + 1);
    cursor.require(":");
    return this.#written(offset, call(id, "_?_:_", condition, yes, this.#expression(depth + 1)));
  }

  /** Balanced, so that a long chain is not deep. */
  #logic(operator: string, term: () => Expr): Expr {
    const { offset } = this.#cursor.next;
    const terms = [term()];
    const ids: bigint[] = [];
    while (this.#cursor.is(operator)) {
      ids.push(this.#id());
      this.#cursor.advance();
      terms.push(term());
    }
    return this.#written(offset, balanced(`_${operator}_`, ids, terms));
  }

  #relation(depth: number): Expr {
    return this.#chain(
      () => (relations.has(this.#cursor.next.text) || this.#cursor.next.text === "in" ? this.#cursor.next.text : undefined),
      () => this.#sum(depth),
    );
  }

  #sum(depth: number): Expr {
    return this.#chain(
      () => (sums.has(this.#cursor.next.text) ? this.#cursor.next.text : undefined),
      () =>
        this.#chain(
          () => (products.has(this.#cursor.next.text) ? this.#cursor.next.text : undefined),
          () => this.#unary(depth),
        ),
    );
  }

  #chain(operator: () => string | undefined, operand: () => Expr): Expr {
    const { offset } = this.#cursor.next;
    let left = operand();
    for (let name = operator(); name !== undefined; name = operator()) {
      const id = this.#id();
      this.#cursor.advance();
      left = this.#written(offset, call(id, name === "in" ? "@in" : `_${name}_`, left, operand()));
    }
    return left;
  }

  #unary(depth: number): Expr {
    const cursor = this.#cursor;
    const { offset } = cursor.next;
    const sign = ["!", "-"].find((each) => cursor.is(each));
    if (sign === undefined) return this.#member(depth, offset, this.#primary(depth));
    const ids: bigint[] = [];
    while (cursor.is(sign)) {
      ids.push(this.#id());
      cursor.advance();
    }
    // Two cancel each other.
    const left = ids.length % 2 === 0 ? undefined : ids[0];
    // The sign of a number is part of it: the lowest one has no positive counterpart.
    if (left !== undefined && sign === "-" && ["int", "double"].includes(cursor.next.kind)) {
      return this.#member(depth, offset, this.#number(left, "-"));
    }
    const operand =
      sign === "!" && cursor.is("-") ? this.#negative(depth) : this.#member(depth, cursor.next.offset, this.#primary(depth));
    return left === undefined ? operand : this.#written(offset, call(left, `${sign}_`, operand));
  }

  #member(depth: number, offset: number, start: Expr): Expr {
    const cursor = this.#cursor;
    let expr = this.#written(offset, start);
    for (;;) {
      if (cursor.accept(".")) expr = this.#written(offset, this.#selection(depth, expr));
      else if (cursor.is("[")) {
        const id = this.#id();
        cursor.advance();
        const isOptional = cursor.accept("?");
        expr = call(id, isOptional ? "_[?_]" : "_[_]", expr, this.#expression(depth + 1));
        cursor.require("]");
        this.#written(offset, expr);
      } else return expr;
    }
  }

  #selection(depth: number, operand: Expr): Expr {
    const cursor = this.#cursor;
    const isOptional = cursor.accept("?");
    const id = this.#id();
    const isQuoted = cursor.next.kind === "quoted";
    const name = this.#field("a field or method name");
    if (isOptional) return call(id, "_?._", operand, text(id, name));
    if (isQuoted || !cursor.accept("(")) return select(id, operand, name);
    return expandMethod(id, operand, name, this.#sequence(")", depth));
  }

  #primary(depth: number): Expr {
    const cursor = this.#cursor;
    const { kind, offset } = cursor.next;
    if (cursor.accept("(")) {
      const expr = this.#expression(depth + 1);
      cursor.require(")", 'an operator or ")"');
      return expr;
    }
    if (cursor.is("[")) return this.#list(depth);
    if (cursor.is("{")) return this.#struct(depth, "");
    if (kind === "text" || kind === "bytes") return this.#literal(kind);
    if (kind === "int" || kind === "uint" || kind === "double") return this.#number(this.#id(offset), "");
    return this.#named(depth);
  }

  #literal(kind: "text" | "bytes"): Expr {
    const token = this.#cursor.advance();
    const id = this.#id(token.offset);
    try {
      if (kind === "text") return text(id, textOf(token.text));
      return constant(id, { case: "bytesValue", value: bytesOf(token.text) as Uint8Array<ArrayBuffer> });
    } catch (error) {
      throw new SyntaxFailure(token.offset, (error as Error).message);
    }
  }

  /** After "!", "-" is no operator: it can only be the sign of a number. */
  #negative(depth: number): Expr {
    const { offset } = this.#cursor.next;
    const id = this.#id();
    this.#cursor.advance();
    if (!["int", "double"].includes(this.#cursor.next.kind)) throw this.#cursor.expected("a number");
    return this.#member(depth, offset, this.#number(id, "-"));
  }

  #number(id: bigint, sign: "" | "-"): Expr {
    const { kind, text: digits } = this.#cursor.advance();
    if (kind === "double") return constant(id, { case: "doubleValue", value: Number(sign + digits) });
    if (kind === "uint") return constant(id, { case: "uint64Value", value: BigInt(digits.slice(0, -1)) });
    return int(id, sign === "-" ? -BigInt(digits) : BigInt(digits));
  }

  /** A variable, a function, a message, or one of the literals that are words. */
  #named(depth: number): Expr {
    const cursor = this.#cursor;
    const id = this.#id();
    const { text: word } = cursor.next;
    if (cursor.next.kind === "identifier" && (word === "true" || word === "false" || word === "null")) {
      cursor.advance();
      return word === "null" ? constant(id, { case: "nullValue", value: 0 }) : bool(id, word === "true");
    }
    const start = cursor.next.offset;
    const dot = cursor.accept(".") ? "." : "";
    const { offset } = cursor.next;
    const name = this.#word("an expression");
    this.offsets[Number(id)] = offset;
    if (reservedWords.has(name)) throw new SyntaxFailure(offset, "reserved identifier");
    if (cursor.accept("(")) return expandCall(id, dot + name, this.#sequence(")", depth));
    return this.#message(depth, start, this.#written(start, ident(id, dot + name)));
  }

  /** `a.b{…}` is a message, `a.b` a selection. */
  #message(depth: number, offset: number, start: Expr): Expr {
    const cursor = this.#cursor;
    let expr = start;
    let name = start.exprKind.case === "identExpr" ? start.exprKind.value.name : "";
    for (;;) {
      if (cursor.is("{")) return this.#struct(depth, name, start.id);
      if (!cursor.is(".")) return expr;
      cursor.advance();
      const before = cursor.next.text;
      expr = this.#written(offset, this.#selection(depth, expr));
      if (expr.exprKind.case !== "selectExpr") return expr;
      name += `.${before}`;
    }
  }

  #list(depth: number): Expr {
    const id = this.#id();
    this.#cursor.advance();
    const optional: number[] = [];
    return list(id, this.#sequence("]", depth, optional), optional);
  }

  /** With `optional` it takes elements that may be absent, and a comma at its end. */
  #sequence(end: string, depth: number, optional?: number[]): Expr[] {
    const cursor = this.#cursor;
    const elements: Expr[] = [];
    if (cursor.accept(end)) return elements;
    do {
      if (optional !== undefined && cursor.accept(end)) return elements;
      if (optional !== undefined && cursor.accept("?")) optional.push(elements.length);
      elements.push(this.#expression(depth + 1));
    } while (cursor.accept(","));
    cursor.require(end, `"," or "${end}"`);
    return elements;
  }

  #struct(depth: number, name: string, at = this.#id()): Expr {
    const cursor = this.#cursor;
    cursor.advance();
    const entries: Entry[] = [];
    do {
      if (cursor.accept("}")) return struct(at, name, entries);
      const isOptional = cursor.accept("?");
      const id = this.#id();
      const key: Entry["keyKind"] =
        name === ""
          ? { case: "mapKey", value: this.#expression(depth + 1) }
          : { case: "fieldKey", value: this.#field('a field name or "}"') };
      cursor.require(":");
      entries.push(entry(id, key, this.#expression(depth + 1), isOptional));
    } while (cursor.accept(","));
    cursor.require("}", '"," or "}"');
    return struct(at, name, entries);
  }

  #field(what: string): string {
    return this.#cursor.next.kind === "quoted" ? this.#cursor.advance().text.slice(1, -1) : this.#word(what);
  }

  #word(what: string): string {
    const { kind, text: word } = this.#cursor.next;
    if (kind !== "identifier" || ["true", "false", "null", "in"].includes(word)) throw this.#cursor.expected(what);
    this.#cursor.advance();
    return word;
  }
}

function balanced(name: string, ids: readonly bigint[], terms: readonly Expr[]): Expr {
  const [first] = terms;
  if (terms.length === 1 && first !== undefined) return first;
  const middle = Math.floor(ids.length / 2);
  return call(
    ids[middle] ?? 0n,
    name,
    balanced(name, ids.slice(0, middle), terms.slice(0, middle + 1)),
    balanced(name, ids.slice(middle + 1), terms.slice(middle + 1)),
  );
}
