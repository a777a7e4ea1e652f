import { expect, test } from "vitest";
import { pastesOf } from "../support/pastes-of.ts";

test("what a command prints goes on over blank lines, to the next command or to prose", () => {
  const text = "    $ one \\\n        --more\n    id: 1\n\n    id: 2\n\n    $ two\n    2\n\nprose\n\n    no output\n";
  expect(pastesOf(text)).toEqual([
    { command: "one \\\n    --more", shown: "id: 1\n\nid: 2\n" },
    { command: "two", shown: "2\n" },
  ]);
});
