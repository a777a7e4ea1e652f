import { z } from "zod";
import { nearest } from "../../kernel/nearest.ts";
import type { FileProblem, Place } from "./problem.ts";
import type { YamlFile, YamlPath } from "./yaml-file.ts";

type Issue = z.core.$ZodIssue;

/** What is not as `schema` wants it, each at its place in the file. `inFile`: where in the file a path of the schema leads to. */
export function shapeProblems(
  source: YamlFile,
  schema: z.ZodType,
  issues: readonly Issue[],
  inFile: (path: YamlPath) => YamlPath,
): readonly FileProblem[] {
  const problemsOf = (issue: Issue, above: YamlPath): readonly FileProblem[] => {
    const path = [...above, ...(issue.path as (string | number)[])];
    const at = inFile(path);
    const errorAt = (place: Place, message: string): FileProblem => ({ severity: "error", place, message });
    if (issue.code === "unrecognized_keys") {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => errorAt(source.placeOfKey([...at, key]), unknownKey(key, known)));
    }
    if (!source.has(at)) return [errorAt(source.placeOf(at), `"${path.at(-1)}" is missing`)];
    // Of the one that is meant: whose type is right.
    const meant =
      issue.code === "invalid_union" &&
      issue.errors.find((errors) => !errors.some((each) => each.path.length === 0 && isOfType(each)));
    if (meant) return meant.flatMap((each) => problemsOf(each, path));
    return [errorAt(source.placeOf(at), messageOf(issue))];
  };
  return issues.flatMap((issue) => problemsOf(issue, []));
}

function messageOf(issue: Issue): string {
  if (issue.code === "invalid_value") {
    const values = issue.values.map(String);
    const meant = nearest(String(issue.input ?? ""), values);
    return `must be one of ${values.join(", ")}${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
  }
  if (issue.code !== "invalid_type") return issue.message;
  const isPlain = issue.expected === "string" && ["boolean", "number"].includes(typeof issue.input);
  return `must be ${typeWords[issue.expected] ?? issue.expected}${isPlain ? "; put it in quotes" : ""}`;
}

const isOfType = ({ code }: Issue): boolean => code === "invalid_type" || code === "invalid_value" || code === "invalid_union";

const typeWords: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  array: "a list",
  object: "a map",
  record: "a map",
};

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return `unknown key "${key}"; ${meant === undefined ? `known: ${known.join(", ")}` : `did you mean "${meant}"?`}`;
}

function keysAt(schema: z.core.$ZodType, path: YamlPath): readonly string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional || schema instanceof z.ZodNullable) {
    return keysAt(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => keysAt(option, path));
  const [key, ...rest] = path;
  if (schema instanceof z.ZodArray) return keysAt(schema.element, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  if (key === undefined) return Object.keys(shape);
  const next = shape[key];
  return next === undefined ? [] : keysAt(next, rest);
}
