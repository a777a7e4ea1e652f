import { describe, expect, test } from "vitest";
import { grantsOf, grantsSchema } from "../../../src/access/grants-file.ts";
import { grantCountMax, grantNameCountMax } from "../../../src/access/limits.ts";

const problems = (entry: object): readonly string[] =>
  (grantsSchema.safeParse([entry]).error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);

describe("grants of an access file", () => {
  test("are bounded in number", () => {
    const many = Array.from({ length: grantCountMax + 1 }, () => ({ principals: ["a"], roles: ["client"] }));
    expect(grantsSchema.safeParse(many.slice(1)).success).toBe(true);
    expect(grantsSchema.safeParse(many).error?.issues[0]?.message).toBe("must have at most 1000 grants");
    const names = Array.from({ length: grantNameCountMax + 1 }, (_, index) => `p${index}`);
    expect(problems({ principals: names.slice(1), roles: ["client"], types: names.slice(1) })).toEqual([]);
    expect(problems({ principals: names, roles: ["client"], types: names })).toEqual([
      "0.principals: must name at most 1000",
      "0.types: must name at most 1000",
    ]);
  });

  test("are taken as they stand", () => {
    const entries = [
      { principals: ["ada", "spiffe://example.org/lab/*"], roles: ["client"], types: ["sample", ""], id_prefix: "lab-" },
      { principals: ["inventory"], roles: ["participant"], participants: ["inventory"] },
    ];
    expect(grantsOf(grantsSchema.parse(entries))).toEqual([
      { principals: entries[0]?.principals, roles: ["client"], types: ["sample", ""], idPrefix: "lab-", participants: undefined },
      { principals: ["inventory"], roles: ["participant"], types: undefined, idPrefix: "", participants: ["inventory"] },
    ]);
  });

  test.each([
    [{ roles: ["client"] }, "0.principals: must be a list of principals"],
    [{ principals: [], roles: ["client"] }, "0.principals: must name at least one principal"],
    [{ principals: ["a*b*"], roles: ["client"] }, "0.principals.0: must be 1 to 256 characters"],
    [{ principals: ["a"], roles: ["king"] }, "0.roles.0: must be one of reader, operator,"],
    [{ principals: ["a"], roles: ["participant"] }, "0.participants: is required with the role participant or manager"],
    [
      { principals: ["a"], roles: ["rule-author"], participants: ["b"] },
      "0.participants: narrows nothing that rule-author may do",
    ],
    [{ principals: ["a"], roles: ["participant"], participants: ["b"], types: ["c"] }, "0.types: narrows nothing"],
    [{ principals: ["a"], roles: ["rule-author"], id_prefix: "c" }, "0.id_prefix: does not go with rule-author"],
    [{ principals: ["a"], roles: ["manager"], participants: ["m"], types: ["c"] }, "0.types: does not go with manager"],
    [{ principals: ["a"], roles: ["client"], id_prefix: "" }, "0.id_prefix: must be how ids begin"],
    [{ principals: ["a"], roles: ["client"], types: [] }, "0.types: must name at least one"],
    [{ principals: ["a"], roles: ["client"], typs: ["x"] }, "0: Unrecognized key"],
  ])("%j: %s", (entry, words) => {
    expect(problems(entry).join("\n")).toContain(words);
  });
});
