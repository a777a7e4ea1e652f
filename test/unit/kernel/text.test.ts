import { expect, test } from "vitest";
import { firstCharacters, hasMoreCharacters } from "../../../src/kernel/text.ts";

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
