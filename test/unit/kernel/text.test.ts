import { expect, test } from "vitest";
import { firstBytes, firstCharacters, hasMoreCharacters, printable, printableLines } from "../../../src/kernel/text.ts";

test.each([
  { text: "", count: 3, first: "" },
  { text: "abc", count: 3, first: "abc" },
  { text: "abcd", count: 3, first: "abc" },
  { text: "😀😀", count: 2, first: "😀😀" },
  { text: "😀😀😀", count: 2, first: "😀😀" },
  { text: "a😀b", count: 2, first: "a😀" },
  // A half of a pair counts as one, as it does in the contract once it is U+FFFD.
  { text: "\ud800ab", count: 2, first: "\ud800a" },
])("the first $count characters of $text are $first", ({ text, count, first }) => {
  expect(firstCharacters(text, count)).toBe(first);
  expect(hasMoreCharacters(text, count)).toBe(first !== text);
});

test.each([
  { text: "", count: 3, first: "" },
  { text: "abc", count: 3, first: "abc" },
  { text: "abcd", count: 3, first: "abc" },
  { text: "aéb", count: 3, first: "aé" },
  { text: "漢字", count: 5, first: "漢" },
  { text: "😀😀", count: 7, first: "😀" },
  { text: "😀😀", count: 8, first: "😀😀" },
])("what has $count bytes at the beginning of $text is $first", ({ text, count, first }) => {
  expect(firstBytes(text, count)).toBe(first);
});

test("controls, bidi controls, line separators, what is not seen and halves of pairs are shown as escapes; all other text is as it was", () => {
  const controls = [...Array(32).keys(), 0x7f, ...Array.from({ length: 32 }, (_, index) => 0x80 + index)];
  const others = [
    0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xd800, 0xdfff,
  ];
  const unseen = [0xad, 0x180e, 0x200b, 0x2060, 0x2064, 0x206a, 0xfeff, 0xfff9, 0xfffb];
  for (const code of [...controls, ...others, ...unseen])
    expect(printable(String.fromCharCode(code))).toMatch(/^\\(?:[nrt]|u[0-9a-f]{4})$/);
  // Two units each: tags, and a control of musical notation.
  expect(printable("\u{e0001}\u{e0041}\u{1d173}")).toBe("\\udb40\\udc01\\udb40\\udc41\\ud834\\udd73");
  // With a joiner, a non-joiner, a variation selector, and a sign of Arabic numbers that is seen.
  const plain = 'plain ünï 漢字 👩‍👩‍👧 ❤\ufe0f עברית می\u200cخواهم \u0600 \\n "quoted"';
  expect(printable(plain)).toBe(plain);
  expect(printableLines("a\u001b\nb\r\n")).toBe("a\\u001b\nb\\r\n");
});
