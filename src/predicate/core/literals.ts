import { getTextEncoding } from "@bufbuild/protobuf/wire";

const escapes: Readonly<Record<string, string>> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const escapePattern = /\\(?:([abfnrtv"'`?\\])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;

type Piece = string | { readonly code: number; readonly isByte: boolean };

/** Throws what is wrong with it. The escapes of a text are code points. */
export function textOf(literal: string): string {
  return pieces(literal)
    .map((piece) => (typeof piece === "string" ? piece : String.fromCodePoint(validCodePoint(piece.code))))
    .join("");
}

/** The escapes of bytes are bytes, unless they name a code point, as `\u` does. */
export function bytesOf(literal: string): Uint8Array {
  const { encodeUtf8 } = getTextEncoding();
  return Uint8Array.from(
    pieces(literal).flatMap((piece) => {
      if (typeof piece === "string") return [...encodeUtf8(piece)];
      return piece.isByte ? [piece.code] : [...encodeUtf8(String.fromCodePoint(validCodePoint(piece.code)))];
    }),
  );
}

function validCodePoint(code: number): number {
  if (code >= 0xd800 && code < 0xe000) throw new Error("surrogate code points are not allowed");
  if (code > 0x10ffff) throw new Error("there is no such code point");
  return code;
}

function pieces(literal: string): readonly Piece[] {
  const [, prefix = "", , text = ""] = /^([bBrR]*)("""|'''|"|')([\s\S]*)\2$/.exec(literal) ?? [];
  if (/[rR]/.test(prefix)) return [text];
  const found: Piece[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\\", at);
    if (end < 0) return [...found, text.slice(at)];
    found.push(text.slice(at, end));
    escapePattern.lastIndex = end;
    const match = escapePattern.exec(text);
    if (match === null) throw new Error(`unknown escape "${text.slice(end, end + 2)}"`);
    found.push(escaped(match));
    at = end + match[0].length;
  }
  return found;
}

function escaped([, plain, byte, short, long, octal]: RegExpExecArray): Piece {
  if (plain !== undefined) return escapes[plain] ?? plain;
  if (octal !== undefined) return { code: Number.parseInt(octal, 8), isByte: true };
  return { code: Number.parseInt(byte ?? short ?? long ?? "", 16), isByte: byte !== undefined };
}
