import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planted } from "../../simulation/planted.ts";

const text = readFileSync(join(import.meta.dirname, "../../../docs/verification.md"), "utf8").replaceAll(/\s+/g, " ");

test("docs/verification.md names each planted fault", () => {
  expect(planted.filter(({ name }) => !text.includes(name)).map(({ name }) => name)).toEqual([]);
  expect(text).toContain(`${planted.length} planted faults`);
});
