/**
 * The first `count` characters. They are counted as the contract's field rules count them, in code points; JavaScript counts UTF-16
 * units, and would cut a pair of them in two.
 */
export function firstCharacters(text: string, count: number): string {
  // There are never more characters than units.
  if (text.length <= count) return text;
  let end = 0;
  for (let counted = 0; counted < count && end < text.length; counted += 1) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

/** As many of the first characters as have so many bytes in UTF-8. */
export function firstBytes(text: string, count: number): string {
  // A unit of UTF-16 has three at most.
  if (text.length * 3 <= count) return text;
  let end = 0;
  let bytes = 0;
  for (;;) {
    const character = text.codePointAt(end);
    if (character === undefined) return text;
    bytes += character > 0xffff ? 4 : character > 0x7ff ? 3 : character > 0x7f ? 2 : 1;
    if (bytes > count) return text.slice(0, end);
    end += character > 0xffff ? 2 : 1;
  }
}

/** In UTF-8, of a text without halves of pairs. */
export function byteCount(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    // Each half of a pair has two of its four.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

export function hasMoreCharacters(text: string, count: number): boolean {
  return firstCharacters(text, count).length < text.length;
}

/**
 * Control characters, what breaks or turns a line for a reader, what is there and not seen (a soft hyphen, a space without width, tags), and
 * halves of pairs. Two of those are letters' and emoji's own: the joiner and the non-joiner.
 */
const acting = /[\p{Cc}\p{Cs}\u2028\u2029\ufff9-\ufffb[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u200c\u200d]]]/gv;

const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * As a person may see it on one line of a terminal, whoever wrote it: nothing in it moves the cursor, paints, breaks the line, turns its
 * direction or hides. What would is shown as JavaScript writes it: `\n`, `\u001b`.
 */
export function printable(text: string): string {
  return text.replace(acting, (character) => shortEscapes[character] ?? character.split("").map(escaped).join(""));
}

/** Unit by unit, so that JSON stays JSON. */
const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Of a text that has lines of its own, such as a stack. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** `there is 1 rule`, `there are 2 rules` */
export const thereAre = (count: number, word: string): string => `there ${count === 1 ? "is" : "are"} ${counted(count, word)}`;

/** `1 rule`, `2 rules` */
export const counted = (count: number, word: string, plural = `${word}s`): string => `${count} ${count === 1 ? word : plural}`;
