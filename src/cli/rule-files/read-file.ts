import { readFileSync } from "node:fs";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { Position } from "../../predicate/core/position.ts";
import type { FileProblem, Place } from "./problem.ts";
import {
  type FactShape,
  type RuleFileShape,
  type RuleShape,
  ruleFileShape,
  type TestShape,
  type WorkflowTypeShape,
} from "./shape.ts";
import { shapeProblems } from "./shape-problems.ts";
import { parseYaml, type YamlPath } from "./yaml-file.ts";

/** A part of a rule set, and where it stands: `path` within it, `within` a place in the text there. */
export type Located<Shape> = {
  readonly shape: Shape;
  readonly placeOf: (path: YamlPath, within?: Position) => Place;
};

export type LocatedParts = {
  readonly types: readonly Located<WorkflowTypeShape>[];
  readonly facts: readonly Located<FactShape>[];
  readonly rules: readonly Located<RuleShape>[];
  readonly tests: readonly Located<TestShape>[];
};

/** A file is a map of lists, or a list of rules. */
export function readRuleFile(file: string): { readonly parts: LocatedParts; readonly problems: readonly FileProblem[] } {
  const text = textOf(file);
  if (!text.ok) return { parts: nothing, problems: [{ severity: "error", place: { file }, message: text.error }] };
  const yaml = parseYaml(file, text.value);
  const isList = Array.isArray(yaml.value);
  const inFile = (path: YamlPath): YamlPath => (isList ? path.slice(1) : path);
  const parsed = ruleFileShape.safeParse(isList ? { rules: yaml.value } : (yaml.value ?? {}), { reportInput: true });
  const shape: RuleFileShape = parsed.data ?? {};
  const located = <Shape>(key: keyof RuleFileShape, shapes: readonly Shape[] | null | undefined): readonly Located<Shape>[] =>
    (shapes ?? []).map((each, index) => ({
      shape: each,
      placeOf: (path, within) => yaml.placeOf(inFile([key, index, ...path]), within),
    }));
  return {
    parts: {
      types: located("types", shape.types),
      facts: located("facts", shape.facts),
      rules: located("rules", shape.rules),
      tests: located("tests", shape.tests),
    },
    problems:
      yaml.problems.length > 0 || parsed.success
        ? yaml.problems
        : shapeProblems(yaml, ruleFileShape, parsed.error.issues, inFile),
  };
}

const nothing: LocatedParts = { types: [], facts: [], rules: [], tests: [] };

/** Or why there is none. */
export function textOf(file: string): Result<string, string> {
  try {
    return ok(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file)));
  } catch (error) {
    return err(complaintOf((error as NodeJS.ErrnoException).code));
  }
}

function complaintOf(code: string | undefined): string {
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "is a folder, and no file";
  return code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "is no text in UTF-8" : `cannot be read: ${code}`;
}
