import { describe, expect, test } from "vitest";
import { keptOf, type RuleWarning, warningBytesMax, warningCountMax } from "../../../src/workflow/core/warnings.ts";

const warning = (message: string, ruleId = "r"): RuleWarning => ({ ruleId, ruleVersion: 1, message });
const many = (count: number, message = "m"): RuleWarning[] => Array.from({ length: count }, () => warning(message));

describe("warnings that are kept with a move", () => {
  test("are all of them, if they are few", () => {
    expect(keptOf({ first: many(warningCountMax), omitted: 0 })).toEqual({ first: many(warningCountMax), omitted: 0 });
  });

  test("are the first 16; the others are counted with those that the engine has left out", () => {
    expect(keptOf({ first: many(warningCountMax + 3), omitted: 2 })).toEqual({ first: many(warningCountMax), omitted: 5 });
  });

  test("have 8 KiB of ids and messages together, counted in UTF-8", () => {
    const half = warning("ä".repeat(warningBytesMax / 4 - 1), "rr");
    expect(keptOf({ first: [half, half], omitted: 0 })).toEqual({ first: [half, half], omitted: 0 });
    expect(keptOf({ first: [half, half, warning("", "r"), warning("", "r")], omitted: 0 })).toEqual({
      first: [half, half],
      omitted: 2,
    });
  });

  test("are those before the first that does not fit, so that the order stays that of the rules", () => {
    const large = warning("m".repeat(5_000));
    expect(keptOf({ first: [large, large, warning("m")], omitted: 0 })).toEqual({ first: [large], omitted: 2 });
  });
});
