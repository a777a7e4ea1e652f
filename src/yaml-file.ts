import { parse as parseYaml, YAMLError } from "yaml";
import type { z } from "zod";
import { err, ok, type Result } from "./kernel/result.ts";
import { readSmallFile } from "./runtime/small-file.ts";

/** What is wrong with a file, with its place in it and what would be right. */
export type YamlFileError = { readonly message: string };

export type Place = readonly PropertyKey[];

/**
 * Reads the file of `setting`. All problems are told, not only the first. `known`: the page that says what may be in it. `read`: of one that is not
 * read again, and so may be a pipe.
 */
export function readYamlFile<Schema extends z.ZodType>(
  setting: string,
  path: string,
  schema: Schema,
  known: string,
  read: (path: string) => string = readSmallFile,
): Result<z.output<Schema>, readonly YamlFileError[]> {
  let content: unknown;
  try {
    content = parseYaml(read(path));
  } catch (error) {
    return err([{ message: `${setting}: cannot read ${path}: ${whyUnread(error)}` }]);
  }
  // As it is while somebody writes it, or when the disk is full.
  if (content === null) return err([{ message: `${setting}: ${path} is empty; ${known} says what it has` }]);
  const parsed = schema.safeParse(content);
  if (parsed.success) return ok(parsed.data);
  return err(parsed.error.issues.map((issue) => problemAt(setting, path, issue.path, wordsOf(issue, known))));
}

/** What is in the file may be secret, and the parser shows the lines where it has stopped. */
function whyUnread(error: unknown): string {
  if (!(error instanceof YAMLError)) return error instanceof Error ? error.message : String(error);
  const [at] = error.linePos ?? [];
  return `it is no YAML: ${error.code}${at === undefined ? "" : ` at line ${at.line}, column ${at.col}`}`;
}

function wordsOf(issue: z.core.$ZodIssue, known: string): string {
  if (issue.code !== "unrecognized_keys") return issue.message;
  return `has unknown keys: ${issue.keys.join(", ")}; ${known} has those that are known`;
}

/** `sinks[2].url` */
export function problemAt(setting: string, path: string, place: Place, words: string): YamlFileError {
  const where = place.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return {
    message: `${setting}: ${path}: ${where === "" ? "it" : where.replace(/^\./, "")} ${words.charAt(0).toLowerCase()}${words.slice(1)}`,
  };
}
