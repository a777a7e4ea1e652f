import { Status } from "nice-grpc";
import { BadRequest, ErrorInfo, PreconditionFailure, RichClientError } from "nice-grpc-error-details";
import { describe, expect, test } from "vitest";
import { CommandError } from "../../../../src/cli/failure.ts";
import { explained, type SourceOf, sourceOfTexts } from "../../../../src/cli/rule/explained.ts";

type Detail = ConstructorParameters<typeof RichClientError>[3][number];

const info = (reason: string, metadata: Record<string, string>) => ErrorInfo.fromPartial({ reason, domain: "concord", metadata });

function failing(code: Status, message: string, details: Detail[]): RichClientError {
  return new RichClientError("/path", code, message, details);
}

/** The lines that are shown of an error; those of another error are shown as everywhere. */
async function linesOf(error: Error, sourceOf?: SourceOf): Promise<readonly string[] | "as everywhere"> {
  const shown: unknown = await explained(Promise.reject(error), sourceOf).catch((reason: unknown) => reason);
  if (shown === error) return "as everywhere";
  expect(shown).toBeInstanceOf(CommandError);
  return (shown as CommandError).message.split("\n");
}

const invalid = (metadata: Record<string, string>, ...fieldViolations: { field: string; description: string }[]) =>
  failing(Status.INVALID_ARGUMENT, "not valid", [info("RULE_INVALID", metadata), BadRequest.fromPartial({ fieldViolations })]);

describe("a rule that is not valid", () => {
  const texts = sourceOfTexts("cold", {
    expression: { text: "true &&\n  \twarm", file: "cold.cel" },
    message: { text: "1 + 1" },
  });

  test("is shown in its source, file or argument, with a caret below the place", async () => {
    const error = invalid(
      { rule_id: "cold" },
      { field: "expression", description: 'line 2, column 4: unknown name "warm"\n  warm\n  ^' },
      { field: "message", description: "line 1, column 3: is never a text" },
    );
    expect(await linesOf(error, texts)).toEqual([
      "2 problems",
      "  INVALID_ARGUMENT / RULE_INVALID",
      'cold.cel:2:4: error: unknown name "warm"',
      "   2 |   \\twarm",
      "     |     ^",
      "message:1:3: error: is never a text",
      "   1 | 1 + 1",
      "     |   ^",
    ]);
  });

  test("is told as the server tells it where the source is another's", async () => {
    const field = { field: "expression", description: "line 1, column 3: is never a text" };
    expect(await linesOf(invalid({ rule_id: "other" }, field), texts)).toBe("as everywhere");
    expect(await linesOf(invalid({ rule_id: "cold" }, field))).toBe("as everywhere");
  });

  test("what is known here is shown beside what is not", async () => {
    const error = invalid(
      { rule_id: "cold" },
      { field: 'rule "cold" expression', description: "line 1, column 1: no" },
      { field: 'rule "late" condition', description: "line 1, column 9: neither" },
      { field: 'workflow type "sample" metadata_schema', description: "line 1, column 1: no schema" },
    );
    expect((await linesOf(error, texts)).slice(2)).toEqual([
      "cold.cel:1:1: error: no",
      "   1 | true &&",
      "     | ^",
      'rule "late" condition: error: line 1, column 9: neither',
      'workflow type "sample" metadata_schema: error: line 1, column 1: no schema',
    ]);
  });
});

test("of tests that would fail, each is told, and how many more there are", async () => {
  const violations = ["a", "b"].map((subject) => ({ type: "TEST", subject, description: `expected ${subject}` }));
  const error = failing(Status.FAILED_PRECONDITION, "test a would fail", [
    info("RULE_TESTS_FAILED", { failed: "3", total: "31" }),
    PreconditionFailure.fromPartial({ violations }),
  ]);
  expect(await linesOf(error)).toEqual([
    "3 of 31 tests would fail; what judges is as it was",
    "  FAILED_PRECONDITION / RULE_TESTS_FAILED",
    "  a: expected a",
    "  b: expected b",
    "  and 1 more",
  ]);
});

test.each([
  { state: "DRAFT", next: ["concord rule activate cold: it judges", "concord rule delete cold: it is removed"] },
  { state: "ACTIVE", next: ["concord rule deactivate cold: it judges no more"] },
  { state: "SHADOW", next: ["concord rule activate cold: it judges", "concord rule shadow cold --end: it is judged no more"] },
  { state: "INACTIVE", next: ["concord rule activate cold: it judges again", "concord rule deprecate cold: it is given up"] },
  { state: "DEPRECATED", next: ["concord rule update cold: a new version takes it back"] },
  { state: "UNHEARD_OF", next: [] },
])("what a rule's state does not allow: what can be done with one that is $state", async ({ state, next }) => {
  const error = failing(Status.FAILED_PRECONDITION, `rule "cold" is ${state}`, [info("RULE_STATE", { rule_id: "cold", state })]);
  expect(await linesOf(error)).toEqual([
    `rule "cold" is ${state}`,
    "  FAILED_PRECONDITION / RULE_STATE",
    ...next.map((line) => `  ${line}`),
  ]);
});

test("of a rule that is there already: what can be done with it", async () => {
  const error = failing(Status.ALREADY_EXISTS, 'a rule "cold" exists', [info("RULE_ALREADY_EXISTS", { rule_id: "cold" })]);
  expect((await linesOf(error)).slice(2)).toEqual([
    "  concord rule get cold: shows it",
    "  concord rule update cold: a new version of it",
    "  concord rule activate cold: it judges as it is stored",
  ]);
});

test("all else is told as everywhere", async () => {
  expect(await linesOf(failing(Status.NOT_FOUND, "no rule", [info("RULE_NOT_FOUND", {})]))).toBe("as everywhere");
  expect(await linesOf(new Error("a mistake"))).toBe("as everywhere");
});
