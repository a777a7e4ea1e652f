import { expect, test } from "vitest";
import type { Variables } from "../../../src/predicate/core/compile.ts";
import { recordOf, types } from "../../../src/predicate/core/typing/type.ts";
import { compiledFilter } from "../../../src/rpc/compiled-filters.ts";
import { filterLengthKept } from "../../../src/rpc/limits.ts";

const variables = (): Variables => ({ event: recordOf({ id: types.string }) });
/** So many characters long, and another one for each number. */
const filter = (number: number, length = 0): string => `event.id == "${String(number).padEnd(length - 14, "x")}"`;

function functionOf(of: Variables, text: string): unknown {
  const compiled = compiledFilter(of, text);
  if (!compiled.ok) throw new Error(compiled.error.message);
  return compiled.value;
}

test("a filter is compiled once, for each list", () => {
  const [events, others] = [variables(), variables()];
  const first = functionOf(events, filter(1));
  expect(functionOf(events, filter(1))).toBe(first);
  expect(functionOf(others, filter(1))).not.toBe(first);
});

test("so many characters are kept, of those that were used last", () => {
  const events = variables();
  const length = filterLengthKept / 8;
  const first = functionOf(events, filter(1, length));
  const second = functionOf(events, filter(2, length));
  for (let number = 3; number <= 8; number += 1) functionOf(events, filter(number, length));
  expect(functionOf(events, filter(1, length))).toBe(first);
  functionOf(events, filter(9, length));
  expect(functionOf(events, filter(1, length))).toBe(first);
  expect(functionOf(events, filter(2, length))).not.toBe(second);
});

test("what does not compile is not kept", () => {
  const events = variables();
  expect(compiledFilter(events, "event.ids")).toMatchObject({ ok: false });
  expect(compiledFilter(events, "event.ids")).toMatchObject({ ok: false });
});
