import { expect, test, vi } from "vitest";
import { bindingsOf, ruleVariables } from "../../../../src/predicate/core/bindings.ts";
import { compile } from "../../../../src/predicate/core/compile.ts";
import { evaluate } from "../../../../src/predicate/core/evaluate.ts";
import { checkOf } from "../../../support/rule-values.ts";

/** How often a format of a zone is made while the hour is asked for in each of these. */
function made(zones: readonly string[]): number {
  const compiled = compile("now.getHours(request.reason)", ruleVariables);
  if (!compiled.ok) throw new Error(compiled.error.message);
  const spy = vi.spyOn(Intl, "DateTimeFormat");
  try {
    for (const reason of zones) evaluate(compiled.value, bindingsOf(checkOf({ reason })), { left: 1_000 });
    return spy.mock.calls.length;
  } finally {
    spy.mockRestore();
  }
}

// A format takes a while to make, and some room: whoever names many zones must not fill the memory.
test("the format of a zone is made once, until a hundred others are named", () => {
  const zones = Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "Europe/Berlin");
  made(zones.slice(0, 150));
  made(["Europe/Berlin"]);
  expect(made(["Europe/Berlin", "Europe/Berlin"])).toBe(0);
  expect(made(zones.slice(150, 249))).toBe(99);
  expect(made(zones.slice(249, 251))).toBe(2);
  expect(made(["Europe/Berlin"])).toBe(1);
});
