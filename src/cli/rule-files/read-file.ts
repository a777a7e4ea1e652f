import { readFileSync } from "node:fs";
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
  if (text === undefined)
    return { parts: nothing, problems: [{ severity: "error", place: { file }, message: "is no readable text" }] };
  const yaml = parseYaml(file, text);
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

/** Nothing: it cannot be read, or is no UTF-8. */
export function textOf(file: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch {
    return undefined;
  }
}
